// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lowbit/quantizer/scale_search/range.hpp"

namespace lowbit {

/// Clips |x| where the histogram that is left, coarsened to the grid's levels, diverges least from the clipped one.
///
/// With `bins` bins of |x| over [0, A] and L = half the grid's points: for i = L … bins, P is the first i bins with the
/// mass of the others in its last, Q is the first i bins in L equal chunks (the last takes the remainder), each chunk's mass
/// spread over its non-empty bins; the i of least KL(P‖Q) gives the clip (i + ½)·A/bins, at most A. Where P has mass and Q
/// none, Q counts as 10⁻¹². The last of equal i wins, which clips least.
///
/// For large groups: one of fewer than min_size elements keeps its extremes. Cost: O(size + bins · L).
/// Source: the textbook entropy calibration of 8-bit inference engines.
struct KlEntropy {
  std::size_t min_size = 10000;

  static constexpr std::size_t bins = 2048;

  template <class Q>
  static constexpr bool applies = RangeFitting<Q> && Q::format_type::cardinality / 2 <= bins;

  template <Quantizer Q>
  typename Q::params_type fit(const Q& q, std::span<const float> group, const FitContext&) const {
    if constexpr (applies<Q>) {
      const float most = detail::extremes(group).magnitude();
      if (group.size() >= min_size && most > 0.0f) {
        const float clip = threshold(group, most, Q::format_type::cardinality / 2);
        return detail::fit_clipped(q, group, {-clip, clip});
      }
    }
    return detail::fit_extremes(q, group);
  }

  /// The clip for a group whose largest magnitude is `most`, for a grid of that many levels of magnitude.
  static float threshold(std::span<const float> group, float most, std::size_t levels) {
    std::vector<std::uint64_t> histogram(bins);
    const double per_bin = static_cast<double>(bins) / static_cast<double>(most);
    for (const float x : group) {
      const auto bin = static_cast<std::size_t>(std::fabs(static_cast<double>(x)) * per_bin);
      ++histogram[bin < bins ? bin : bins - 1];
    }
    // Sums over the bins before each: mass, number that are not empty, Σ m·ln m.
    std::vector<double> mass(bins + 1), filled(bins + 1), entropy(bins + 1);
    for (std::size_t j = 0; j < bins; ++j) {
      const auto m = static_cast<double>(histogram[j]);
      mass[j + 1] = mass[j] + m;
      filled[j + 1] = filled[j] + (m > 0.0 ? 1.0 : 0.0);
      entropy[j + 1] = entropy[j] + m_log_m(m);
    }
    const double total = mass[bins];
    double least = std::numeric_limits<double>::infinity();
    std::size_t best = bins;
    for (std::size_t i = levels; i <= bins; ++i) {
      const double tail = total - mass[i], last = static_cast<double>(histogram[i - 1]) + tail;
      const std::size_t width = i / levels;
      double sum = entropy[i - 1] + m_log_m(last) - total * std::log(total);  // Σ P·ln(P/total)
      for (std::size_t c = 0; c < levels; ++c) {
        const std::size_t begin = c * width, end = c + 1 == levels ? i : begin + width;
        const double m = mass[end] - mass[begin];
        if (m > 0.0) sum -= m * std::log(m / ((filled[end] - filled[begin]) * mass[i]));
        if (c + 1 == levels && tail > 0.0)
          sum -= tail * std::log(histogram[i - 1] > 0 ? m / ((filled[end] - filled[begin]) * mass[i]) : 1e-12);
      }
      if (sum <= least) {
        least = sum;
        best = i;
      }
    }
    const double clip = (static_cast<double>(best) + 0.5) / per_bin;
    return clip < static_cast<double>(most) ? static_cast<float>(clip) : most;
  }

 private:
  static double m_log_m(double m) noexcept { return m > 0.0 ? m * std::log(m) : 0.0; }
};

}  // namespace lowbit
