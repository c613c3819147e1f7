// SPDX-License-Identifier: MIT
#pragma once

#include <complex>

#include "lowbit/core/contract.hpp"
#include "lowbit/linalg/matrix.hpp"

namespace lowbit::linalg {

using ComplexMatrixD = Eigen::Matrix<std::complex<double>, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// A real map as a complex one: with the halves of its rows and columns as real and imaginary parts, A·(x_re; x_im) is
/// U·x + V·conj(x).
struct WidelyLinear {
  ComplexMatrixD U, V;  ///< [n × m] each
};

/// A [2n × 2m], blocks A11 A12 / A21 A22:  U = (A11 + A22)/2 + i(A21 − A12)/2,  V = (A11 − A22)/2 + i(A12 + A21)/2.
/// Odd sizes break the contract: pad by a zero row or column first.
inline WidelyLinear to_widely_linear(const ConstMatrixDRef& A) {
  LOWBIT_EXPECTS(A.rows() % 2 == 0 && A.cols() % 2 == 0, "a widely-linear map has an even number of rows and columns");
  const Index n = A.rows() / 2, m = A.cols() / 2;
  const MatrixD A11 = A.topLeftCorner(n, m), A12 = A.topRightCorner(n, m);
  const MatrixD A21 = A.bottomLeftCorner(n, m), A22 = A.bottomRightCorner(n, m);
  WidelyLinear map{ComplexMatrixD(n, m), ComplexMatrixD(n, m)};
  map.U.real() = (A11 + A22) / 2.0;
  map.U.imag() = (A21 - A12) / 2.0;
  map.V.real() = (A11 - A22) / 2.0;
  map.V.imag() = (A12 + A21) / 2.0;
  return map;
}

/// The inverse: A11 = Re(V + U), A12 = Im(V − U), A21 = Im(V + U), A22 = Re(U − V).
inline MatrixD from_widely_linear(const WidelyLinear& map) {
  LOWBIT_EXPECTS(map.U.rows() == map.V.rows() && map.U.cols() == map.V.cols(), "U and V have the same shape");
  const Index n = map.U.rows(), m = map.U.cols();
  MatrixD A(2 * n, 2 * m);
  A.topLeftCorner(n, m) = (map.V + map.U).real();
  A.topRightCorner(n, m) = (map.V - map.U).imag();
  A.bottomLeftCorner(n, m) = (map.V + map.U).imag();
  A.bottomRightCorner(n, m) = (map.U - map.V).real();
  return A;
}

}  // namespace lowbit::linalg
