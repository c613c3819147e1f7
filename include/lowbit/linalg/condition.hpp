// SPDX-License-Identifier: MIT
#pragma once

#include <Eigen/SVD>
#include <limits>

#include "lowbit/linalg/matrix.hpp"

namespace lowbit::linalg {

/// Largest over smallest singular value; infinity for a singular matrix, 1 for an empty one.
inline double condition_number(const ConstMatrixDRef& A) {
  if (A.size() == 0) return 1.0;
  const Eigen::JacobiSVD<MatrixD> svd(A);
  const auto& s = svd.singularValues();
  return s(s.size() - 1) > 0.0 ? s(0) / s(s.size() - 1) : std::numeric_limits<double>::infinity();
}

/// A with singular values below the largest over `bound` raised to that; A itself, bit for bit, where none is.
inline MatrixD with_bounded_condition(const ConstMatrixDRef& A, double bound) {
  if (A.size() == 0) return A;
  const Eigen::JacobiSVD<MatrixD> svd(A, Eigen::ComputeThinU | Eigen::ComputeThinV);
  const VectorD s = svd.singularValues();
  const double floor = s(0) / bound;
  if (s(s.size() - 1) >= floor) return A;
  return svd.matrixU() * s.cwiseMax(floor).asDiagonal() * svd.matrixV().transpose();
}

}  // namespace lowbit::linalg
