// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "lowbit/core/result.hpp"
#include "lowbit/linalg/executor.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/model/float_product.hpp"

namespace lowbit::model {

/// What products compute with: kernel/compute.hpp's modes, chosen at run time.
enum class Compute : std::uint8_t { f32, bf16, int8 };

/// A linear map without bias, W [rows × cols], however its weights are stored. Immutable once built.
class Linear {
 public:
  virtual ~Linear() = default;
  virtual std::size_t rows() const = 0;
  virtual std::size_t cols() const = 0;

  /// Y = X·Wᵀ: X is [tokens × cols], Y is [tokens × rows] and may not overlap X. A row of Y has the same bits for any
  /// number of threads, and for two tokens or more whatever other rows X has.
  virtual void apply(ConstMatrixRef X, MatrixRef Y, Executor& executor) const = 0;

  /// The same packed weights, multiplied in another mode; null where they are not packed, or the mode is this one's.
  /// Errors   not_finite: int8 panels cannot hold a scale or point that is NaN or infinite; names row and column.
  virtual Result<std::unique_ptr<Linear>> in(Compute) const { return std::unique_ptr<Linear>(); }

  /// W in float, with its columns in natural order.
  virtual Matrix dequantized() const = 0;
  /// Bytes of codes and parameters, as a file would hold them.
  virtual std::size_t stored_bytes() const = 0;
  /// How the weights are stored, for reports: "f32", or the name of a quantizer's storage.
  virtual std::string description() const = 0;
};

/// Float weights, possibly shared with something else (a tied head shares the embedding).
class FloatLinear final : public Linear {
 public:
  explicit FloatLinear(Matrix weights) : weights_(std::make_shared<const Matrix>(std::move(weights))) {}
  explicit FloatLinear(std::shared_ptr<const Matrix> weights) : weights_(std::move(weights)) {
    LOWBIT_EXPECTS(weights_ != nullptr, "a FloatLinear needs weights");
  }

  const Matrix& weights() const noexcept { return *weights_; }
  std::size_t rows() const override { return static_cast<std::size_t>(weights_->rows()); }
  std::size_t cols() const override { return static_cast<std::size_t>(weights_->cols()); }
  void apply(ConstMatrixRef X, MatrixRef Y, Executor& executor) const override {
    float_product(*weights_, X, Y, executor);
  }
  Matrix dequantized() const override { return *weights_; }
  std::size_t stored_bytes() const override { return static_cast<std::size_t>(weights_->size()) * sizeof(float); }
  std::string description() const override { return "f32"; }

 private:
  std::shared_ptr<const Matrix> weights_;
};

}  // namespace lowbit::model
