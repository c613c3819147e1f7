// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include "lowbit/core/checked.hpp"
#include "lowbit/core/contract.hpp"
#include "lowbit/linalg/executor.hpp"
#include "lowbit/linalg/matrix.hpp"

namespace lowbit::model {

/// Y = X·Wᵀ in float.
///
///   W  [out × in]
///   X  [tokens × in]
///   Y  [tokens × out]; may not overlap X
///
/// Cut into tasks of 512 rows of W by 64 tokens. The last tile is padded to whole multiples of eight tokens, so that for
/// two tokens or more a row of Y has the same bits whatever rows stand beside it, for any number of threads. One token
/// alone takes a matrix-vector product, whose sums are ordered differently.
/// Cost   2 · tokens · out · in flops; scratch: at most one [64 × in] and one [64 × 512] per thread.
inline void float_product(ConstMatrixRef W, ConstMatrixRef X, MatrixRef Y, Executor& executor) {
  LOWBIT_EXPECTS(X.cols() == W.cols(), "X holds as many features as W has columns");
  LOWBIT_EXPECTS(Y.rows() == X.rows() && Y.cols() == W.rows(), "Y holds one row per token and one column per row of W");
  constexpr Index block = 512, tile = 64, pad = 8;
  const Index blocks = (W.rows() + block - 1) / block;
  const Index tiles = (X.rows() + tile - 1) / tile;
  if (W.cols() == 0) {
    Y.setZero();
    return;
  }
  if (X.rows() == 1) {
    executor.run(static_cast<std::size_t>(blocks), [&](std::size_t task) {
      const Index row = static_cast<Index>(task) * block, rows = std::min(block, W.rows() - row);
      Y.row(0).segment(row, rows).transpose().noalias() = W.middleRows(row, rows) * X.row(0).transpose();
    });
    return;
  }
  executor.run(static_cast<std::size_t>(blocks * tiles), [&](std::size_t task) {
    const Index row = static_cast<Index>(task) % blocks * block, rows = std::min(block, W.rows() - row);
    const Index token = static_cast<Index>(task) / blocks * tile, tokens = std::min(tile, X.rows() - token);
    const auto part = W.middleRows(row, rows);
    if (tokens % pad == 0) {
      Y.block(token, row, tokens, rows).noalias() = X.middleRows(token, tokens) * part.transpose();
      return;
    }
    Matrix padded = Matrix::Zero((tokens + pad - 1) / pad * pad, X.cols());
    padded.topRows(tokens) = X.middleRows(token, tokens);
    Matrix product(padded.rows(), rows);
    product.noalias() = padded * part.transpose();
    Y.block(token, row, tokens, rows) = product.topRows(tokens);
  });
}

}  // namespace lowbit::model
