// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "lowbit/core/contract.hpp"
#include "lowbit/core/magnitude_histogram.hpp"
#include "lowbit/core/result.hpp"

/// Observers of activations: what range a tensor takes over many batches, for grids that are fixed before the model runs.
/// Batches of any size, also empty ones; values that are not finite are an error and leave the observer as it was.

namespace lowbit::calib {

/// A range of values, zero inside: lo ≤ 0 ≤ hi. What q.fit_range takes.
struct ValueRange {
  float lo = 0.0f;
  float hi = 0.0f;
  friend bool operator==(const ValueRange&, const ValueRange&) = default;
};

namespace detail {

inline Result<ValueRange> range_of(std::span<const float> batch) {
  ValueRange range;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (!std::isfinite(batch[i]))
      return Error{.code = Errc::not_finite,
                   .message = "observed activations must be finite",
                   .column = i,
                   .value = static_cast<double>(batch[i])};
    range.lo = batch[i] < range.lo ? batch[i] : range.lo;
    range.hi = batch[i] > range.hi ? batch[i] : range.hi;
  }
  return range;
}

}  // namespace detail

/// The smallest and largest value of all batches, in whatever order they come.
class MinMaxObserver {
 public:
  Result<> add(std::span<const float> batch) {
    LOWBIT_TRY(seen, detail::range_of(batch));
    range_ = {seen.lo < range_.lo ? seen.lo : range_.lo, seen.hi > range_.hi ? seen.hi : range_.hi};
    return {};
  }
  ValueRange range() const noexcept { return range_; }

 private:
  ValueRange range_;
};

/// m ← m + c·(extreme of the batch − m) for both ends; the first batch that is not empty sets them.
class MovingAverageObserver {
 public:
  /// c: above 0, at most 1 (where it is the last batch alone).
  explicit MovingAverageObserver(double c = 0.01) : c_(c) {
    LOWBIT_EXPECTS(c > 0.0 && c <= 1.0, "a moving average keeps a part of the past");
  }

  Result<> add(std::span<const float> batch) {
    LOWBIT_TRY(seen, detail::range_of(batch));
    if (batch.empty()) return {};
    const double keep = started_ ? 1.0 - c_ : 0.0, take = 1.0 - keep;
    lo_ = keep * lo_ + take * static_cast<double>(seen.lo);
    hi_ = keep * hi_ + take * static_cast<double>(seen.hi);
    started_ = true;
    return {};
  }
  ValueRange range() const noexcept { return {static_cast<float>(lo_), static_cast<float>(hi_)}; }

 private:
  double c_, lo_ = 0.0, hi_ = 0.0;
  bool started_ = false;
};

/// The clip that leaves a share of all |x| outside, from a histogram of 2048 bins whose range doubles as it has to: the
/// order of values and batches does not matter. A percentile of 0 (sparse activations) gives way to the largest |x|.
/// Memory: 16 KiB.
class PercentileObserver {
 public:
  /// percent: above 0, at most 100 (where the clip is the largest |x|).
  explicit PercentileObserver(double percent = 99.9) : percent_(percent) {
    LOWBIT_EXPECTS(percent > 0.0 && percent <= 100.0, "a percentile lies between 0 and 100");
  }

  Result<> add(std::span<const float> batch) {
    LOWBIT_CHECK(detail::range_of(batch));
    histogram_.add(batch);
    return {};
  }
  std::uint64_t count() const noexcept { return histogram_.count(); }
  double bin_width() const noexcept { return histogram_.bin_width(); }
  /// ± the clip, to within one bin.
  ValueRange range() const noexcept {
    if (count() == 0) return {};
    double clip = histogram_.largest();
    if (percent_ < 100.0) {
      const double at = histogram_.order_statistic(static_cast<double>(count() - 1) * percent_ / 100.0);
      clip = at > 0.0 ? at : clip;
    }
    return {-static_cast<float>(clip), static_cast<float>(clip)};
  }

 private:
  double percent_;
  MagnitudeHistogram histogram_;
};

}  // namespace lowbit::calib
