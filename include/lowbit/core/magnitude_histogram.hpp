// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

namespace lowbit {

/// Counts of |x| in 2048 equal bins over [0, 2^k). k is the least that holds what was seen: when more comes, the range
/// doubles and bins merge in pairs, so they stay aligned and the counts do not depend on the order of the values.
/// Zeros are counted apart too. Memory: 16 KiB. Values must be finite.
class MagnitudeHistogram {
 public:
  static constexpr std::size_t bins = 2048;

  void add(float x) noexcept {
    const double a = std::fabs(static_cast<double>(x));
    if (a == 0.0) {
      ++zeros_;
      return;
    }
    int needed = 0;
    std::frexp(a, &needed);  // a < 2^needed
    if (total_ == 0) exponent_ = needed;
    while (exponent_ < needed) grow();
    most_ = a > most_ ? a : most_;
    const auto bin = static_cast<std::size_t>(std::ldexp(a, log2_bins - exponent_));
    ++counts_[bin];
    ++total_;
  }
  void add(std::span<const float> x) noexcept {
    for (const float v : x) add(v);
  }

  std::uint64_t count() const noexcept { return total_ + zeros_; }
  double bin_width() const noexcept { return total_ == 0 ? 0.0 : std::ldexp(1.0, exponent_ - log2_bins); }
  double largest() const noexcept { return most_; }  ///< exact

  /// The magnitude at `rank` (0 … count − 1, real) in ascending order, linear between neighbours, to within one bin width:
  /// elements are taken to lie evenly spread over their bin. 0 for an empty histogram.
  double order_statistic(double rank) const noexcept {
    if (count() == 0) return 0.0;
    const double below = std::floor(rank);
    const auto index = static_cast<std::uint64_t>(below);
    const double low = element(index);
    return rank > below ? low + (element(index + 1) - low) * (rank - below) : low;
  }

 private:
  static constexpr int log2_bins = 11;
  static_assert(bins == std::size_t{1} << log2_bins);

  /// About the element of that index in ascending order; the last one and the zeros exactly.
  double element(std::uint64_t index) const noexcept {
    if (index < zeros_) return 0.0;
    if (index + 1 >= count()) return most_;
    std::uint64_t before = zeros_;
    for (std::size_t i = 0; i < bins; ++i) {
      if (index < before + counts_[i]) {
        const double inside = (static_cast<double>(index - before) + 0.5) / static_cast<double>(counts_[i]);
        const double at = (static_cast<double>(i) + inside) * bin_width();
        return at < most_ ? at : most_;
      }
      before += counts_[i];
    }
    return most_;
  }

  void grow() noexcept {
    for (std::size_t i = 0; i < bins; ++i) {
      const std::uint64_t merged = i < bins / 2 ? counts_[2 * i] + counts_[2 * i + 1] : 0;
      counts_[i] = merged;
    }
    ++exponent_;
  }

  std::array<std::uint64_t, bins> counts_{};
  std::uint64_t total_ = 0, zeros_ = 0;
  double most_ = 0.0;
  int exponent_ = 0;
};

}  // namespace lowbit
