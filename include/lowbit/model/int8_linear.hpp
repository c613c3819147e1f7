// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/core/contract.hpp"
#include "lowbit/kernel/gemm_int8.hpp"
#include "lowbit/linalg/executor.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/model/eigen_kernels.hpp"
#include "lowbit/model/linear.hpp"

namespace lowbit::model {

/// Weights in panels, multiplied in compute::int8: every token's inputs become int8 with one scale. Columns that a rounding
/// policy reordered are gathered from the inputs once per call.
///
/// A row of Y has the same bits for any number of threads and any batch. dequantized() gives the weights as this product
/// sees them.
template <PanelQuantizer Q>
class Int8Linear final : public Linear {
 public:
  Int8Linear(Panels<Q> panels, std::vector<std::uint32_t> column_order)
      : panels_(std::move(panels)), column_order_(std::move(column_order)) {
    LOWBIT_EXPECTS(column_order_.empty() || column_order_.size() == panels_.cols(), "a column order names every column once");
  }

  const Panels<Q>& panels() const noexcept { return panels_; }
  std::size_t rows() const override { return panels_.rows(); }
  std::size_t cols() const override { return panels_.cols(); }

  void apply(ConstMatrixRef X, MatrixRef Y, Executor& executor) const override {
    LOWBIT_EXPECTS(static_cast<std::size_t>(X.cols()) == cols(), "X holds as many features as W has columns");
    LOWBIT_EXPECTS(Y.rows() == X.rows() && static_cast<std::size_t>(Y.cols()) == rows(),
                   "Y holds one row per token and one column per row of W");
    const auto tokens = static_cast<std::size_t>(X.rows());
    if (tokens == 0 || rows() == 0) return;
    const detail::ContiguousInputs inputs(X, column_order_);
    const std::span<const float> in(inputs.data(), tokens * cols());
    const bool direct = Y.outerStride() == Y.cols() || tokens == 1;
    Matrix result = direct ? Matrix() : Matrix(Y.rows(), Y.cols());
    const std::span<float> out(direct ? Y.data() : result.data(), tokens * rows());
    Int8Activations quantized(tokens, int8_shape(panels_.view()));
    const Int8View x = quantized.view();
    constexpr std::size_t token_block = 16, row_block = 128;
    executor.run(ceil_div(tokens, token_block), [&](std::size_t i) {
      quantize_activations(in, i * token_block, std::min(tokens, (i + 1) * token_block), x);
    });
    executor.run(ceil_div(rows(), row_block), [&](std::size_t i) {
      gemm(panels_.view(), RowRange{i * row_block, std::min(rows(), (i + 1) * row_block)}, x, out);
    });
    if (!direct) Y = result;
  }

  Matrix dequantized() const override {
    Matrix stored(static_cast<Index>(rows()), static_cast<Index>(cols()));
    lowbit::dequantize(panels_.view(), 0, rows(), std::span<float>(stored.data(), rows() * cols()));
    return detail::in_natural_order(std::move(stored), column_order_);
  }
  std::size_t stored_bytes() const override {
    return panels_.bytes().size() + panels_.view().shared.size_bytes() + column_order_.size() * sizeof(std::uint32_t);
  }
  std::string description() const override { return Q::storage_name() + " in int8"; }

 private:
  Panels<Q> panels_;
  std::vector<std::uint32_t> column_order_;
};

}  // namespace lowbit::model
