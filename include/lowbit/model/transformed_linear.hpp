// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "lowbit/core/contract.hpp"
#include "lowbit/linalg/executor.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/model/linear.hpp"
#include "lowbit/transform/any_transform.hpp"

namespace lowbit::model {

/// A linear map whose weights are stored in another basis: y = Uᵀ·(W'·(T·x)), W' the inner map, T and U the transform's.
///
/// A row of Y has the same bits for any number of threads and whatever other rows X has, as far as the inner map's have.
/// Cost per token: the transform's beside the inner map's; scratch: a copy of X.
class TransformedLinear final : public Linear {
 public:
  TransformedLinear(std::unique_ptr<Linear> inner, std::shared_ptr<const transform::AnyTransform> basis)
      : inner_(std::move(inner)), basis_(std::move(basis)) {
    LOWBIT_EXPECTS(inner_ != nullptr && basis_ != nullptr, "a TransformedLinear needs a linear map and a transform");
  }

  const Linear& inner() const noexcept { return *inner_; }
  const transform::AnyTransform& basis() const noexcept { return *basis_; }
  std::size_t rows() const override { return inner_->rows(); }
  std::size_t cols() const override { return inner_->cols(); }

  void apply(ConstMatrixRef X, MatrixRef Y, Executor& executor) const override {
    LOWBIT_EXPECTS(static_cast<std::size_t>(X.cols()) == cols(), "X holds as many features as W has columns");
    LOWBIT_EXPECTS(Y.rows() == X.rows() && static_cast<std::size_t>(Y.cols()) == rows(),
                   "Y holds one row per token and one column per row of W");
    Matrix inputs(X.rows(), X.cols());
    over_rows(X.rows(), executor, [&](Index first, Index count) {
      inputs.middleRows(first, count) = X.middleRows(first, count);
      basis_->apply_to_inputs(MatrixRef(inputs.middleRows(first, count)));
    });
    inner_->apply(inputs, Y, executor);
    if (basis_->changes_outputs())
      over_rows(Y.rows(), executor,
                [&](Index first, Index count) { basis_->undo_on_outputs(MatrixRef(Y.middleRows(first, count))); });
  }

  Result<std::unique_ptr<Linear>> in(Compute mode) const override {
    LOWBIT_TRY(inner, inner_->in(mode));
    if (inner == nullptr) return std::unique_ptr<Linear>();
    return std::unique_ptr<Linear>(std::make_unique<TransformedLinear>(std::move(inner), basis_));
  }

  /// Ŵ in the original basis, through double.
  Matrix dequantized() const override {
    MatrixD W = inner_->dequantized().cast<double>();
    basis_->unfold_from_weights(MatrixDRef(W));
    return W.cast<float>();
  }
  /// The inner map's, and the transform's seeds and factors.
  std::size_t stored_bytes() const override { return inner_->stored_bytes() + (basis_->stored_bits() + 7) / 8; }
  std::string description() const override { return inner_->description() + " in basis " + basis_->description(); }

 private:
  template <class Task>
  static void over_rows(Index rows, Executor& executor, Task task) {
    constexpr Index block = 8;
    executor.run(static_cast<std::size_t>((rows + block - 1) / block), [&](std::size_t i) {
      const Index first = static_cast<Index>(i) * block;
      task(first, std::min(block, rows - first));
    });
  }

  std::unique_ptr<Linear> inner_;
  std::shared_ptr<const transform::AnyTransform> basis_;
};

}  // namespace lowbit::model
