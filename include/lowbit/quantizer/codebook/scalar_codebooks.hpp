// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lowbit/core/contract.hpp"
#include "lowbit/quantizer/codebook/kmeans1d.hpp"

namespace lowbit::codebook {

/// One small table of real values per dimension: a vector is a tuple of table entries, one digit each.
///
/// The index of a vector is Σ digit_i · values^i, the first dimension in the lowest digit.
/// Bits per vector: dim · log2(values).
/// Source: Hsu et al., "Disentanglement via Latent Quantization" (QLAE), arXiv:2305.18378, there with 10 values that start
/// evenly spaced on [−1/2, 1/2] and learn by gradients; here they learn by Lloyd's iteration or exact k-means.
class ScalarCodebooks {
 public:
  /// values ≥ 2 per dimension, evenly spaced on [−1/2, 1/2].
  explicit ScalarCodebooks(std::size_t dim, std::size_t values = 10) : dim_(dim), values_(values) {
    LOWBIT_EXPECTS(dim >= 1 && values >= 2, "scalar codebooks have a dimension and two values each");
    tables_.resize(dim * values);
    for (std::size_t i = 0; i < dim; ++i)
      for (std::size_t k = 0; k < values; ++k)
        tables_[i * values + k] =
            static_cast<float>(static_cast<double>(k) / static_cast<double>(values - 1) - 0.5);
  }

  std::size_t dim() const noexcept { return dim_; }
  std::size_t values() const noexcept { return values_; }
  std::span<const float> table(std::size_t i) const noexcept {
    return std::span<const float>(tables_).subspan(i * values_, values_);
  }
  double bits() const noexcept { return static_cast<double>(dim_) * std::log2(static_cast<double>(values_)); }

  /// Lloyd's iteration on every dimension's values; the mean squared error over the vectors [n × dim] never rises.
  /// Returns Σ (x − x̂)².
  double learn(std::span<const float> vectors, int passes = 1) {
    return each_dimension(vectors, [&](const SortedSamples& samples, std::span<float> table) {
      return lloyd1d(samples, table, passes);
    });
  }
  /// The values of least error. Returns Σ (x − x̂)².
  double learn_exactly(std::span<const float> vectors) {
    return each_dimension(vectors, [](const SortedSamples& samples, std::span<float> table) {
      return kmeans1d(samples, table);
    });
  }

  void encode(std::span<const float> x, std::span<std::uint32_t> digits) const noexcept {
    for (std::size_t i = 0; i < dim_; ++i) digits[i] = static_cast<std::uint32_t>(nearest_level(table(i), x[i]));
  }
  void decode(std::span<const std::uint32_t> digits, std::span<float> y) const noexcept {
    for (std::size_t i = 0; i < dim_; ++i) y[i] = table(i)[digits[i]];
  }
  /// One number for a tuple of digits; values^dim fits 64 bits.
  std::uint64_t index(std::span<const std::uint32_t> digits) const noexcept {
    std::uint64_t all = 0;
    for (std::size_t i = dim_; i-- > 0;) all = all * values_ + digits[i];
    return all;
  }
  void digits(std::uint64_t index, std::span<std::uint32_t> out) const noexcept {
    for (std::size_t i = 0; i < dim_; ++i, index /= values_) out[i] = static_cast<std::uint32_t>(index % values_);
  }

 private:
  template <class Learn>
  double each_dimension(std::span<const float> vectors, Learn learn) {
    LOWBIT_EXPECTS(vectors.size() % dim_ == 0, "vectors hold dim floats each");
    std::vector<float> column(vectors.size() / dim_);
    double sum = 0.0;
    for (std::size_t i = 0; i < dim_; ++i) {
      for (std::size_t j = 0; j < column.size(); ++j) column[j] = vectors[j * dim_ + i];
      sum += learn(SortedSamples(column), std::span(tables_).subspan(i * values_, values_));
    }
    return sum;
  }

  std::size_t dim_, values_;
  std::vector<float> tables_;
};

}  // namespace lowbit::codebook
