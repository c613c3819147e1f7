// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "lowbit/core/bodies.hpp"
#include "lowbit/linalg/cholesky.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/linalg/product.hpp"
#include "lowbit/ptq/grid.hpp"

namespace lowbit::ptq {

/// Re-rounds codes one column at a time, each to the grid point that minimizes tr((Q−W)H(Q−W)ᵀ) with all others fixed.
/// Vector formats and tiles: one block of columns B at a time, to the point nearest to Q_B − G_B·H_BB⁻¹, where G = (Q−W)H.
///
///   grid    where each weight may lie; rows count from 0
///   W       [rows × in]  weights
///   H       [in × in]    undamped second moments; columns with H_jj ≤ 0, and blocks that are singular, are left alone
///   Q       [rows × in]  dequantized values of `codes`; updated
///   codes   [rows × codes]  updated
///
/// A code moves only if that lowers the objective, so the objective never rises; for blocks this guard is needed, because
/// the nearest point is nearest by the Euclidean distance and not by H_BB. Rows are independent.
/// Returns the number of codes moved. Cost per sweep: 2·rows·in² flops, most of it in matrix products over blocks of 128
/// columns. Source: COMQ (Zhang et al., arXiv:2403.07134) gives the update; with H it needs no tokens. QuIP#'s tune sweeps
/// (arXiv:2402.04396) are the case of vector formats, there without the guard.
std::size_t coordinate_descent(const Grid& grid, const ConstMatrixDRef& W, const ConstMatrixDRef& H,
                                      MatrixDRef dequantized, detail::CodesRef codes, int sweeps);

#if defined(LOWBIT_BODY)

LOWBIT_BODY std::size_t coordinate_descent(const Grid& grid, const ConstMatrixDRef& W, const ConstMatrixDRef& H,
                                      MatrixDRef dequantized, detail::CodesRef codes, int sweeps) {
  const Index rows = W.rows(), n = W.cols(), height = grid.height(), width = grid.width(), dim = grid.dim();
  const Index block = (128 + width - 1) / width * width;
  std::size_t moved = 0;
  if (sweeps <= 0 || n == 0) return moved;
  MatrixD gradient = linalg::product(dequantized - W, H);  // half of it
  MatrixD change(rows, block);
  std::vector<float> x(static_cast<std::size_t>(height * width)), y(x.size());
  std::vector<std::uint64_t> chosen(static_cast<std::size_t>(height * width / dim));

  const auto descend = [&](Index r, Index j, Index begin, Index columns) {
    const double curvature = H(j, j);
    if (!(curvature > 0.0)) return;
    const double old = dequantized(r, j), g = gradient(r, j);
    const auto [code, value] = grid.nearest(r, j, static_cast<float>(old - g / curvature));
    if (code == codes(r, j)) return;
    const double step = static_cast<double>(value) - old;
    if (!(step * (2.0 * g + step * curvature) < 0.0)) return;
    dequantized(r, j) = old + step;
    codes(r, j) = code;
    change(r, j - begin) += step;
    gradient.row(r).segment(begin, columns) += step * H.row(j).segment(begin, columns);
    ++moved;
  };

  const auto descend_block = [&](Index j, Index begin, Index columns) {
    const Index wide = std::min(width, n - j);
    const MatrixD curvature = H.block(j, j, wide, wide);
    const std::optional<MatrixD> factor = linalg::cholesky(curvature);
    if (!factor) return;
    for (Index top = 0; top < rows; top += height) {
      const Index tall = std::min(height, rows - top);
      const MatrixD old = dequantized.block(top, j, tall, wide), g = gradient.block(top, j, tall, wide);
      const MatrixD target = old - linalg::solve(*factor, g.transpose()).transpose();
      if (!target.allFinite()) continue;
      std::fill(x.begin(), x.end(), 0.0f);
      for (Index r = 0; r < tall; ++r)
        for (Index i = 0; i < wide; ++i) x[static_cast<std::size_t>(r * width + i)] = static_cast<float>(target(r, i));
      grid.nearest_block(top, j, x.data(), wide == width ? curvature.data() : nullptr, y.data(), chosen.data());
      MatrixD step(tall, wide);
      for (Index r = 0; r < tall; ++r)
        for (Index i = 0; i < wide; ++i) step(r, i) = static_cast<double>(y[static_cast<std::size_t>(r * width + i)]) - old(r, i);
      if (!(((linalg::product(step, curvature) + 2.0 * g).array() * step.array()).sum() < 0.0)) continue;
      dequantized.block(top, j, tall, wide) = old + step;
      for (Index r = 0; r < height; ++r)
        for (Index k = 0; k < width / dim; ++k) {
          std::uint64_t& code = codes(top + r, j / dim + k);
          const std::uint64_t now = chosen[static_cast<std::size_t>(r * (width / dim) + k)];
          moved += r < tall && code != now ? 1 : 0;
          code = now;
        }
      change.block(top, j - begin, tall, wide) += step;
      linalg::add_product(gradient.block(top, begin, tall, columns), step, H.block(j, begin, wide, columns));
    }
  };

  for (int sweep = 0; sweep < sweeps; ++sweep) {
    const std::size_t before = moved;
    for (Index begin = 0; begin < n; begin += block) {
      const Index end = std::min(n, begin + block), columns = end - begin;
      change.setZero();
      if (width == 1) {
        for (Index r = 0; r < rows; ++r)
          for (Index j = begin; j < end; ++j) descend(r, j, begin, columns);
      } else {
        for (Index j = begin; j < end; j += width) descend_block(j, begin, columns);
      }
      linalg::add_product(gradient.leftCols(begin), change.leftCols(columns), H.block(begin, 0, columns, begin));
      linalg::add_product(gradient.rightCols(n - end), change.leftCols(columns), H.block(begin, end, columns, n - end));
    }
    if (moved == before) break;
  }
  return moved;
}

#endif

}  // namespace lowbit::ptq
