// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/core/contract.hpp"
#include "lowbit/kernel/gemm_bf16.hpp"
#include "lowbit/kernel/gemm_int8.hpp"
#include "lowbit/kernel/task_executor.hpp"
#include "lowbit/linalg/executor.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/model/eigen_kernels.hpp"
#include "lowbit/model/linear.hpp"

namespace lowbit::model {

namespace detail {

template <class View>
Int8Activations activations_for(compute::int8, const View& w, std::size_t tokens) {
  return {tokens, int8_shape(w)};
}
template <class View>
Bf16Activations activations_for(compute::bf16, const View& w, std::size_t tokens) {
  return {tokens, w.cols};
}
inline void fill_activations(std::span<const float> x, std::size_t begin, std::size_t end, const Int8View& to) {
  quantize_activations(x, begin, end, to);
}
inline void fill_activations(std::span<const float> x, std::size_t begin, std::size_t end, const Bf16View& to) {
  round_activations(x, begin, end, to);
}

/// Y = X·Ŵᵀ: activations are filled in tasks of tokens, then multiplied in tasks of rows.
/// multiply(range, x, y [tokens × rows]) writes the columns `range` of y for all tokens of the view x.
template <class Activations>
void apply_computed(std::size_t rows, std::size_t cols, std::span<const std::uint32_t> order, ConstMatrixRef X, MatrixRef Y,
                    Executor& executor, Activations activations,
                    const std::function<void(RowRange, const decltype(activations.view())&, std::span<float>)>& multiply) {
  LOWBIT_EXPECTS(static_cast<std::size_t>(X.cols()) == cols, "X holds as many features as W has columns");
  LOWBIT_EXPECTS(Y.rows() == X.rows() && static_cast<std::size_t>(Y.cols()) == rows,
                 "Y holds one row per token and one column per row of W");
  const auto tokens = static_cast<std::size_t>(X.rows());
  if (tokens == 0 || rows == 0) return;
  const ContiguousInputs inputs(X, order);
  const std::span<const float> in(inputs.data(), tokens * cols);
  const bool direct = Y.outerStride() == Y.cols() || tokens == 1;
  Matrix result = direct ? Matrix() : Matrix(Y.rows(), Y.cols());
  const std::span<float> out(direct ? Y.data() : result.data(), tokens * rows);
  const auto x = activations.view();
  constexpr std::size_t token_block = 16;
  executor.run(ceil_div(tokens, token_block), [&](std::size_t i) {
    fill_activations(in, i * token_block, std::min(tokens, (i + 1) * token_block), x);
  });
  for_each_row_part(executor, rows, 64, tokens, [&](RowRange range) { multiply(range, x, out); });
  if (!direct) Y = result;
}

}  // namespace detail

/// Weights multiplied in compute::int8 or compute::bf16, as Panels or as a QuantizedMatrix: every token's inputs are turned
/// into what Compute multiplies, once per call. Columns that a rounding policy reordered are gathered from the inputs.
///
/// A row of Y has the same bits for any number of threads and any batch. dequantized() gives the weights as they are stored;
/// products may round them (see the kernels' bounds), those of panels see just these.
template <class Weights, class Compute>
class ComputedLinear final : public Linear {
 public:
  ComputedLinear(Weights weights, std::vector<std::uint32_t> column_order)
      : weights_(std::move(weights)), column_order_(std::move(column_order)) {
    LOWBIT_EXPECTS(column_order_.empty() || column_order_.size() == weights_.cols(), "a column order names every column once");
  }

  const Weights& weights() const noexcept { return weights_; }
  std::size_t rows() const override { return weights_.rows(); }
  std::size_t cols() const override { return weights_.cols(); }

  void apply(ConstMatrixRef X, MatrixRef Y, Executor& executor) const override {
    detail::apply_computed(rows(), cols(), column_order_, X, Y, executor,
                           detail::activations_for(Compute{}, weights_.view(), static_cast<std::size_t>(X.rows())),
                           [this](RowRange range, const auto& x, std::span<float> y) { gemm(weights_.view(), range, x, y); });
  }

  Matrix dequantized() const override {
    Matrix stored(static_cast<Index>(rows()), static_cast<Index>(cols()));
    lowbit::dequantize(weights_.view(), 0, rows(), std::span<float>(stored.data(), rows() * cols()));
    return detail::in_natural_order(std::move(stored), column_order_);
  }
  std::size_t stored_bytes() const override {
    const bool counted = requires { weights_.column_order(); };
    return weights_.stored_bytes() + (counted ? 0 : column_order_.size() * sizeof(std::uint32_t));
  }
  std::string description() const override {
    return std::decay_t<decltype(weights_.view().quantizer)>::storage_name() + " in " + Compute::name;
  }

 private:
  Weights weights_;
  std::vector<std::uint32_t> column_order_;
};

}  // namespace lowbit::model
