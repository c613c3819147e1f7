// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "lowbit/core/magnitude_histogram.hpp"
#include "lowbit/quantizer/scale_search/range.hpp"

namespace lowbit {

namespace detail {

/// The value at `rank` (0 … n − 1, real) of `values` in ascending order, linear between neighbours. Reorders them.
inline double order_statistic(std::span<float> values, double rank) noexcept {
  const auto below = static_cast<std::size_t>(std::floor(rank));
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(below);
  std::nth_element(values.begin(), nth, values.end());
  const auto low = static_cast<double>(*nth);
  if (below + 1 >= values.size() || rank == std::floor(rank)) return low;
  const auto high = static_cast<double>(*std::min_element(nth + 1, values.end()));
  return low + (high - low) * (rank - std::floor(rank));
}

}  // namespace detail

/// Clips at an order statistic: at the given percentile of |x|; where a zero point is stored, at that percentile of x and
/// at its mirror image, each side for itself. Between two elements it is interpolated. A clip of 0 (sparse groups) gives
/// way to the extremes, and percent ≥ 100 is AbsMax.
///
/// Exact for groups of up to `exact` elements; beyond, by histograms of 2048 bins, off by at most one bin of max|x|/1024.
/// Cost: O(size); scratch: a copy of the group, or the histograms.
struct Percentile {
  float percent = 99.9f;              ///< above 0
  std::size_t exact = std::size_t{1} << 22;

  template <class Q>
  static constexpr bool applies = RangeFitting<Q>;

  template <Quantizer Q>
  typename Q::params_type fit(const Q& q, std::span<const float> group, const FitContext&) const {
    if constexpr (RangeFitting<Q>)
      if (percent < 100.0f && !group.empty())
        return detail::fit_clipped(q, group, detail::two_sided<Q> ? both_tails(group) : magnitudes(group));
    return detail::fit_extremes(q, group);
  }

 private:
  double rank(std::size_t n) const noexcept {
    return static_cast<double>(n - 1) * static_cast<double>(percent) / 100.0;
  }

  Extremes magnitudes(std::span<const float> group) const {
    double at = 0.0;
    if (group.size() <= exact) {
      std::vector<float> values(group.size());
      std::transform(group.begin(), group.end(), values.begin(), [](float x) { return std::fabs(x); });
      at = detail::order_statistic(values, rank(values.size()));
    } else {
      MagnitudeHistogram all;
      all.add(group);
      at = all.order_statistic(rank(group.size()));
    }
    return {-static_cast<float>(at), static_cast<float>(at)};
  }

  Extremes both_tails(std::span<const float> group) const {
    const double top = rank(group.size()), bottom = static_cast<double>(group.size() - 1) - top;
    double lo = 0.0, hi = 0.0;
    if (group.size() <= exact) {
      std::vector<float> values(group.begin(), group.end());
      lo = detail::order_statistic(values, bottom);
      hi = detail::order_statistic(values, top);
    } else {  // a tail's rank among its own sign: the others come before it
      MagnitudeHistogram above, below;
      for (const float x : group) {
        if (x > 0.0f) above.add(x);
        if (x < 0.0f) below.add(x);
      }
      const auto from_end = [&](const MagnitudeHistogram& side) {
        const double r = top - static_cast<double>(group.size() - side.count());
        return r < 0.0 ? 0.0 : side.order_statistic(r);
      };
      lo = -from_end(below);
      hi = from_end(above);
    }
    return {static_cast<float>(std::fmin(lo, 0.0)), static_cast<float>(std::fmax(hi, 0.0))};
  }
};

}  // namespace lowbit
