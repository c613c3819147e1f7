// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>

#include "lowbit/linalg/matrix.hpp"
#include "lowbit/linalg/product.hpp"

/// Sums over float data that are accumulated in double.

namespace lowbit::linalg {

/// Σ a².
inline double squared_norm(const ConstMatrixRef& A) { return A.cast<double>().squaredNorm(); }

/// Σ (a − b)² of two matrices of one shape.
inline double squared_distance(const ConstMatrixRef& A, const ConstMatrixRef& B) {
  return (A.cast<double>() - B.cast<double>()).squaredNorm();
}

/// tr(E·H·Eᵀ) for E [out × in] and symmetric H [in × in]: the mean squared output error that weight error E causes on
/// inputs with second moments H, summed over outputs. Works by blocks of 64 rows.
inline double quadratic_form(const ConstMatrixDRef& E, const ConstMatrixDRef& H) {
  double sum = 0.0;
  for (Index begin = 0; begin < E.rows(); begin += 64) {
    const auto rows = E.middleRows(begin, std::min<Index>(64, E.rows() - begin));
    sum += product(rows, H).cwiseProduct(rows).sum();
  }
  return sum;
}

}  // namespace lowbit::linalg
