// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <utility>

#include "lowbit/core/contract.hpp"
#include "lowbit/core/result.hpp"
#include "lowbit/linalg/executor.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/linalg/product.hpp"

namespace lowbit::calib {

struct MomentsOptions {
  bool fp64_products = false;  ///< x·xᵀ in double too; otherwise in float over at most 256 tokens, summed in double
};

/// Second moments of a layer's inputs, accumulated batch by batch: H = Σ w·x·xᵀ / Σ w over tokens x with weights w.
///
/// A global factor of H changes no rounding decision, so where the literature writes 2/T this is 1/T. Deterministic for
/// any number of threads; depends on how tokens are cut into batches only by rounding in the last place.
/// Cost: tokens · in² flops; memory: one [in × in] of double.
class Moments {
 public:
  Moments() = default;
  explicit Moments(Index in, MomentsOptions options = {}) : options_(options), sum_(MatrixD::Zero(in, in)) {}

  /// Wraps a known H [in × in], symmetric; for tests and for statistics read from elsewhere.
  static Moments from_mean(MatrixD H) {
    LOWBIT_EXPECTS(H.rows() == H.cols(), "second moments are a square matrix");
    Moments m;
    m.sum_ = std::move(H);
    m.weight_ = 1.0;
    m.tokens_ = 1;
    return m;
  }

  /// Adds X [tokens × in]; token_weights: empty (all 1) or one non-negative weight per token.
  /// Errors: not_finite with token (row) and input (column); nothing is added then. shape_mismatch.
  Result<> add(const ConstMatrixRef& X, Executor& executor, std::span<const float> token_weights = {}) {
    if (X.cols() != sum_.cols())
      return Error{.code = Errc::shape_mismatch,
                   .message = "inputs have " + std::to_string(X.cols()) + " features where " +
                              std::to_string(sum_.cols()) + " were expected"};
    if (!token_weights.empty() && token_weights.size() != static_cast<std::size_t>(X.rows()))
      return Error{.code = Errc::shape_mismatch, .message = "one weight per token is needed"};
    if (!X.allFinite()) return first_not_finite(X);
    for (std::size_t t = 0; t < token_weights.size(); ++t)
      if (!(token_weights[t] >= 0.0f) || std::isinf(token_weights[t]))
        return Error{.code = Errc::not_finite,
                     .message = "token weights must be finite and not negative",
                     .row = t,
                     .value = static_cast<double>(token_weights[t])};
    for (Index begin = 0; begin < X.rows(); begin += max_batch) {
      const Index count = std::min(max_batch, X.rows() - begin);
      Matrix batch = X.middleRows(begin, count);
      for (Index t = 0; t < count; ++t) {
        const double w = token_weights.empty() ? 1.0 : static_cast<double>(token_weights[static_cast<std::size_t>(begin + t)]);
        weight_ += w;
        if (w != 1.0) batch.row(t) *= static_cast<float>(std::sqrt(w));
      }
      add_lower(batch, executor);
    }
    tokens_ += static_cast<std::size_t>(X.rows());
    return {};
  }

  Index inputs() const noexcept { return sum_.cols(); }
  std::size_t tokens() const noexcept { return tokens_; }

  /// H [in × in], symmetric. All zero when no token was seen: then every rounding policy is rounding to nearest.
  MatrixD mean() const {
    MatrixD H = sum_.selfadjointView<Eigen::Lower>();
    if (weight_ > 0.0) H /= weight_;
    return H;
  }
  /// diag H: the mean square of each input.
  VectorD mean_square() const { return weight_ > 0.0 ? VectorD(sum_.diagonal() / weight_) : VectorD(sum_.diagonal()); }

 private:
  static constexpr Index max_batch = 256, tile = 64;

  void add_lower(const Matrix& batch, Executor& executor) {
    const auto tiles = static_cast<std::size_t>((sum_.cols() + tile - 1) / tile);
    executor.run(tiles, [&](std::size_t i) {
      const Index begin = static_cast<Index>(tiles - 1 - i) * tile;  // longest rows first
      const Index rows = std::min(tile, sum_.cols() - begin), cols = begin + rows;
      if (options_.fp64_products) {
        linalg::add_product(sum_.block(begin, 0, rows, cols), batch.middleCols(begin, rows).transpose().cast<double>(),
                            batch.leftCols(cols).cast<double>());
      } else {
        sum_.block(begin, 0, rows, cols) +=
            linalg::product_in_float(batch.middleCols(begin, rows).transpose(), batch.leftCols(cols)).cast<double>();
      }
    });
  }

  static Error first_not_finite(const ConstMatrixRef& X) {
    for (Index t = 0; t < X.rows(); ++t)
      for (Index j = 0; j < X.cols(); ++j)
        if (!std::isfinite(X(t, j)))
          return Error{.code = Errc::not_finite,
                       .message = "calibration inputs must be finite (row is the token, column the input)",
                       .row = static_cast<std::uint64_t>(t),
                       .column = static_cast<std::uint64_t>(j),
                       .value = static_cast<double>(X(t, j))};
    return Error{.code = Errc::not_finite, .message = "calibration inputs must be finite"};
  }

  MomentsOptions options_;
  MatrixD sum_;  // lower triangle
  double weight_ = 0.0;
  std::size_t tokens_ = 0;
};

}  // namespace lowbit::calib
