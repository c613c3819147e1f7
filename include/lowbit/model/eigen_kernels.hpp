// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "lowbit/core/contract.hpp"
#include "lowbit/kernel/dequantize.hpp"
#include "lowbit/kernel/gemm.hpp"
#include "lowbit/kernel/gemv.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/quantizer/matrix.hpp"

/// Products with a QuantizedMatrix for callers who hold Eigen objects. Unlike the kernels behind them, these allocate
/// their results and honour the matrix's column order, so column k of what goes in is column k of W.

namespace lowbit {

namespace model::detail {

/// Rows of X as one block of contiguous floats, with columns gathered in `order` (empty: as they are). Copies only when
/// it must; X must outlive it.
class ContiguousInputs {
 public:
  ContiguousInputs(const ConstMatrixRef& X, std::span<const std::uint32_t> order) {
    if (order.empty() && (X.outerStride() == X.cols() || X.rows() <= 1)) {
      data_ = X.data();
      return;
    }
    copy_.resize(X.rows(), X.cols());
    for (Index t = 0; t < X.rows(); ++t) {
      const float* from = X.data() + t * X.outerStride();
      for (Index c = 0; c < X.cols(); ++c)
        copy_(t, c) = from[order.empty() ? static_cast<std::size_t>(c) : order[static_cast<std::size_t>(c)]];
    }
    data_ = copy_.data();
  }
  ContiguousInputs(const ContiguousInputs&) = delete;
  ContiguousInputs& operator=(const ContiguousInputs&) = delete;
  const float* data() const noexcept { return data_; }

 private:
  Matrix copy_;
  const float* data_ = nullptr;
};

/// Column k goes to column order[k], if there is an order.
inline Matrix in_natural_order(Matrix stored, std::span<const std::uint32_t> order) {
  if (order.empty()) return stored;
  Matrix natural(stored.rows(), stored.cols());
  for (Index k = 0; k < stored.cols(); ++k)
    natural.col(static_cast<Index>(order[static_cast<std::size_t>(k)])) = stored.col(k);
  return natural;
}

}  // namespace model::detail

/// y = Ŵ·x, [rows].
template <Quantizer Q>
Vector gemv(const QuantizedMatrix<Q>& w, ConstVectorRef x) {
  LOWBIT_EXPECTS(static_cast<std::size_t>(x.size()) == w.cols(), "gemv: x holds one float per column");
  const Eigen::Map<const Matrix> row(x.data(), 1, x.size());
  const model::detail::ContiguousInputs inputs(row, w.column_order());
  Vector y(static_cast<Index>(w.rows()));
  gemv(w.view(), std::span<const float>(inputs.data(), w.cols()), std::span<float>(y.data(), w.rows()));
  return y;
}

/// Y = X·Ŵᵀ: X is [tokens × cols], the result [tokens × rows].
template <Quantizer Q>
Matrix gemm(const QuantizedMatrix<Q>& w, ConstMatrixRef X) {
  LOWBIT_EXPECTS(static_cast<std::size_t>(X.cols()) == w.cols(), "gemm: X holds one feature per column");
  const auto tokens = static_cast<std::size_t>(X.rows());
  const model::detail::ContiguousInputs inputs(X, w.column_order());
  Matrix Y(X.rows(), static_cast<Index>(w.rows()));
  gemm(w.view(), std::span<const float>(inputs.data(), tokens * w.cols()),
       std::span<float>(Y.data(), tokens * w.rows()), tokens);
  return Y;
}

/// Ŵ [rows × cols], columns in natural order.
template <Quantizer Q>
Matrix dequantize(const QuantizedMatrix<Q>& w) {
  Matrix stored(static_cast<Index>(w.rows()), static_cast<Index>(w.cols()));
  dequantize(w.view(), 0, w.rows(), std::span<float>(stored.data(), w.rows() * w.cols()));
  return model::detail::in_natural_order(std::move(stored), w.column_order());
}

}  // namespace lowbit
