// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/core/contract.hpp"
#include "lowbit/kernel/gemm.hpp"
#include "lowbit/kernel/task_executor.hpp"
#include "lowbit/linalg/executor.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/model/computed_linear.hpp"
#include "lowbit/model/eigen_kernels.hpp"
#include "lowbit/model/linear.hpp"
#include "lowbit/quantizer/matrix.hpp"

namespace lowbit::model {

namespace detail {

/// Y = X·Ŵᵀ, a long run of rows to a thread for a few tokens; for more in tasks of row blocks and tiles of tokens, so that
/// the packed rows of a task stay in cache for its tile.
/// multiply(range, x [tokens × cols], y [tokens × rows], tokens) writes the columns `range` of y.
inline void apply_in_tasks(
    std::size_t rows, std::size_t cols, std::span<const std::uint32_t> order, ConstMatrixRef X, MatrixRef Y,
    Executor& executor,
    const std::function<void(RowRange, std::span<const float>, std::span<float>, std::size_t)>& multiply) {
  LOWBIT_EXPECTS(static_cast<std::size_t>(X.cols()) == cols, "X holds as many features as W has columns");
  LOWBIT_EXPECTS(Y.rows() == X.rows() && static_cast<std::size_t>(Y.cols()) == rows,
                 "Y holds one row per token and one column per row of W");
  const auto tokens = static_cast<std::size_t>(X.rows());
  if (tokens == 0 || rows == 0) return;
  const ContiguousInputs inputs(X, order);
  const bool direct = Y.outerStride() == Y.cols() || tokens == 1;
  Matrix result = direct ? Matrix() : Matrix(Y.rows(), Y.cols());
  float* const out = direct ? Y.data() : result.data();
  constexpr std::size_t row_block = 64, token_tile = 256, few = 16;
  if (tokens < few) {
    const std::span<const float> in(inputs.data(), tokens * cols);
    for_each_row_part(executor, rows, 16, tokens,
                      [&](RowRange range) { multiply(range, in, std::span<float>(out, tokens * rows), tokens); });
    if (!direct) Y = result;
    return;
  }
  const std::size_t blocks = ceil_div(rows, row_block);
  executor.run(blocks * ceil_div(tokens, token_tile), [&](std::size_t task) {
    const std::size_t row = task % blocks * row_block, token = task / blocks * token_tile;
    const std::size_t count = std::min(token_tile, tokens - token);
    multiply(RowRange{row, std::min(rows, row + row_block)},
             std::span<const float>(inputs.data() + token * cols, count * cols),
             std::span<float>(out + token * rows, count * rows), count);
  });
  if (!direct) Y = result;
}

}  // namespace detail

/// Packed weights, multiplied as they lie by the widest kernel of this build. Columns that a rounding policy reordered
/// are gathered from the inputs once per call.
///
/// Every output has the bits of lowbit::gemv for that token: for any number of threads and any batch.
template <Quantizer Q>
class QuantizedLinear final : public Linear {
 public:
  explicit QuantizedLinear(QuantizedMatrix<Q> weights) : weights_(std::move(weights)) {}

  const QuantizedMatrix<Q>& weights() const noexcept { return weights_; }
  std::size_t rows() const override { return weights_.rows(); }
  std::size_t cols() const override { return weights_.cols(); }

  void apply(ConstMatrixRef X, MatrixRef Y, Executor& executor) const override {
    detail::apply_in_tasks(rows(), cols(), weights_.column_order(), X, Y, executor,
                           [&](RowRange range, std::span<const float> in, std::span<float> out, std::size_t tokens) {
                             gemm(weights_.view(), range, in, out, tokens);
                           });
  }

  Result<std::unique_ptr<Linear>> in(Compute mode) const override {
    const auto order = weights_.column_order();
    std::vector<std::uint32_t> columns(order.begin(), order.end());
    if (mode == Compute::int8) {
      if constexpr (PanelQuantizer<Q>) {
        LOWBIT_TRY(panels, to_panels(weights_.view()));
        return computed<compute::int8>(std::move(panels), std::move(columns));
      } else {
        return computed<compute::int8>(weights_, std::move(columns));
      }
    }
    if (mode == Compute::bf16) return computed<compute::bf16>(weights_, std::move(columns));
    return std::unique_ptr<Linear>();
  }

  Matrix dequantized() const override { return lowbit::dequantize(weights_); }
  std::size_t stored_bytes() const override {
    return weights_.codes().size() + weights_.params().size() * sizeof(typename Q::stored_type) +
           weights_.zeros().size() + weights_.column_order().size() * sizeof(std::uint32_t);
  }
  std::string description() const override { return Q::storage_name(); }

 private:
  template <class C, class Weights>
  static std::unique_ptr<Linear> computed(Weights weights, std::vector<std::uint32_t> columns) {
    return std::make_unique<ComputedLinear<Weights, C>>(std::move(weights), std::move(columns));
  }

  QuantizedMatrix<Q> weights_;
};

}  // namespace lowbit::model
