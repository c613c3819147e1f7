// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "lowbit/linalg/matrix.hpp"
#include "lowbit/ptq/grid.hpp"

namespace lowbit::ptq {

/// Re-rounds codes one column at a time, each to the grid point that minimizes tr((Q−W)H(Q−W)ᵀ) with all others fixed.
///
///   grid    where each weight may lie; rows count from 0
///   W       [rows × in]  weights
///   H       [in × in]    undamped second moments; columns with H_jj ≤ 0 are left alone
///   Q       [rows × in]  dequantized values of `codes`; updated
///   codes   [rows × in]  updated
///
/// A code moves only if that lowers the objective, so the objective never rises. Rows are independent.
/// Returns the number of codes moved. Cost per sweep: 2·rows·in² flops, most of it in matrix products over blocks of 128
/// columns. Source: COMQ (Zhang et al., arXiv:2403.07134) gives the update; with H it needs no tokens.
inline std::size_t coordinate_descent(const Grid& grid, const ConstMatrixDRef& W, const ConstMatrixDRef& H,
                                      MatrixDRef dequantized, detail::CodesRef codes, int sweeps) {
  constexpr Index block = 128;
  const Index rows = W.rows(), n = W.cols();
  std::size_t moved = 0;
  if (sweeps <= 0 || n == 0) return moved;
  MatrixD gradient = (dequantized - W) * H;  // half of it
  MatrixD change(rows, block);
  for (int sweep = 0; sweep < sweeps; ++sweep) {
    const std::size_t before = moved;
    for (Index begin = 0; begin < n; begin += block) {
      const Index end = std::min(n, begin + block), width = end - begin;
      change.setZero();
      for (Index r = 0; r < rows; ++r) {
        for (Index j = begin; j < end; ++j) {
          const double curvature = H(j, j);
          if (!(curvature > 0.0)) continue;
          const double old = dequantized(r, j), g = gradient(r, j);
          const auto [code, value] = grid.nearest(r, j, static_cast<float>(old - g / curvature));
          if (code == codes(r, j)) continue;
          const double step = static_cast<double>(value) - old;
          if (!(step * (2.0 * g + step * curvature) < 0.0)) continue;
          dequantized(r, j) = old + step;
          codes(r, j) = code;
          change(r, j - begin) += step;
          gradient.row(r).segment(begin, width) += step * H.row(j).segment(begin, width);
          ++moved;
        }
      }
      gradient.leftCols(begin).noalias() += change.leftCols(width) * H.block(begin, 0, width, begin);
      gradient.rightCols(n - end).noalias() += change.leftCols(width) * H.block(begin, end, width, n - end);
    }
    if (moved == before) break;
  }
  return moved;
}

}  // namespace lowbit::ptq
