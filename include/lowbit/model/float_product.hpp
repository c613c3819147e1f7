// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include "lowbit/core/contract.hpp"
#include "lowbit/linalg/executor.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/linalg/product.hpp"

namespace lowbit::model {

namespace detail {

/// A panel is 2 · packet rows of W laid out column by column, [in × 2 · packet]; a group of tokens is multiplied by it
/// with one pair of accumulators per token, as many as the registers hold (the pragmas keep them there).
using Packet = Eigen::internal::packet_traits<float>::type;
inline constexpr Index packet = Eigen::internal::packet_traits<float>::size;
inline constexpr Index panel_rows = 2 * packet;
inline constexpr int token_group = EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS >= 32 ? 12 : 6;

/// Y[t][r] = Σ_i panel[i][r] · X[t][i] for T tokens and the first `rows` rows of the panel. Each sum runs from i = 0 up
/// in one accumulator (fused where the build has it), so its bits do not depend on T.
template <int T>
void multiply_panel(const float* panel, const float* X, Index x_stride, Index in, float* Y, Index y_stride,
                    Index rows) {
  namespace packets = Eigen::internal;
  Packet low[T], high[T];
#pragma GCC unroll 16
  for (int t = 0; t < T; ++t) low[t] = high[t] = packets::pset1<Packet>(0.0f);
  for (Index i = 0; i < in; ++i, panel += panel_rows) {
    const Packet a = packets::pload<Packet>(panel), b = packets::pload<Packet>(panel + packet);
#pragma GCC unroll 16
    for (int t = 0; t < T; ++t) {
      const Packet x = packets::pset1<Packet>(X[t * x_stride + i]);
      low[t] = packets::pmadd(a, x, low[t]);
      high[t] = packets::pmadd(b, x, high[t]);
    }
  }
#pragma GCC unroll 16
  for (int t = 0; t < T; ++t) {
    if (rows == panel_rows) {
      packets::pstoreu(Y + t * y_stride, low[t]);
      packets::pstoreu(Y + t * y_stride + packet, high[t]);
    } else {
      float sums[panel_rows];
      packets::pstoreu(sums, low[t]);
      packets::pstoreu(sums + packet, high[t]);
      std::copy_n(sums, rows, Y + t * y_stride);
    }
  }
}

/// Rows row … row + rows − 1 of W as a panel; missing rows are zeros.
inline void fill_panel(const ConstMatrixRef& W, Index row, Index rows, float* panel) {
  constexpr Index tile = 16;  // columns at a time: the lines of the panel stay in cache while their rows arrive
  for (Index c = 0; c < W.cols(); c += tile) {
    const Index end = std::min(W.cols(), c + tile);
    for (Index r = 0; r < panel_rows; ++r) {
      const float* from = r < rows ? W.data() + (row + r) * W.outerStride() : nullptr;
      for (Index i = c; i < end; ++i) panel[i * panel_rows + r] = from != nullptr ? from[i] : 0.0f;
    }
  }
}

}  // namespace detail

/// Y = X·Wᵀ in float.
///
///   W  [out × in]
///   X  [tokens × in]
///   Y  [tokens × out]; may not overlap X
///
/// Tasks of 128 rows of W by 240 tokens. For two tokens or more every output is one sum in the order of the columns, so
/// a row of Y has the same bits whatever rows stand beside it, for any number of threads. One token alone takes a
/// matrix-vector product, whose sums are ordered differently.
/// Cost   2 · tokens · out · in flops; each task copies its rows of W once; scratch per thread: 2 · packet · in floats.
inline void float_product(ConstMatrixRef W, ConstMatrixRef X, MatrixRef Y, Executor& executor) {
  LOWBIT_EXPECTS(X.cols() == W.cols(), "X holds as many features as W has columns");
  LOWBIT_EXPECTS(Y.rows() == X.rows() && Y.cols() == W.rows(), "Y holds one row per token and one column per row of W");
  using namespace detail;
  constexpr Index block = 128, tile = 240;
  static_assert(block % panel_rows == 0 && tile % token_group == 0);
  const Index blocks = (W.rows() + block - 1) / block;
  const Index tiles = (X.rows() + tile - 1) / tile;
  if (X.rows() == 1) {
    executor.run(static_cast<std::size_t>(blocks), [&](std::size_t task) {
      const Index row = static_cast<Index>(task) * block, rows = std::min(block, W.rows() - row);
      linalg::product_in_float(Y.row(0).segment(row, rows).transpose(), W.middleRows(row, rows), X.row(0).transpose());
    });
    return;
  }
  executor.run(static_cast<std::size_t>(blocks * tiles), [&](std::size_t task) {
    const Index row_end = std::min(W.rows(), (static_cast<Index>(task) % blocks + 1) * block);
    const Index token_begin = static_cast<Index>(task) / blocks * tile;
    const Index token_end = std::min(X.rows(), token_begin + tile);
    Vector panel(W.cols() * panel_rows);
    for (Index row = static_cast<Index>(task) % blocks * block; row < row_end; row += panel_rows) {
      const Index rows = std::min(panel_rows, row_end - row);
      fill_panel(W, row, rows, panel.data());
      Index t = token_begin;
      const auto run = [&]<int T>(std::integral_constant<int, T>) {
        for (; t + T <= token_end; t += T)
          multiply_panel<T>(panel.data(), X.data() + t * X.outerStride(), X.outerStride(), W.cols(),
                            Y.data() + t * Y.outerStride() + row, Y.outerStride(), rows);
      };
      run(std::integral_constant<int, token_group>());
      run(std::integral_constant<int, 4>());
      run(std::integral_constant<int, 1>());
    }
  });
}

}  // namespace lowbit::model
