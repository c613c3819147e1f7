// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cmath>
#include <span>

#include "lowbit/quantizer/scale_search/range.hpp"

namespace lowbit {

/// Clips at a constant times the group's spread: the clip of least squared error for a symmetric grid of 2^b points if the
/// values were drawn from that distribution. One pass, no search: for activations, and where a search costs too much.
///
///   normal   α·σ, σ² the mean of x²; α = 1.71, 2.15, 2.55, 2.93, 3.28, 3.61, 3.92 for b = 2 … 8
///   laplace  α·β, β the mean of |x|; α = 2.83, 3.89, 5.03, 6.20, 7.41, 8.64, 9.89
///
/// The clip never leaves the group's range. The constants are for grids whose last points lie half a step inside the clip,
/// as they nearly do under Uniform's default rule; where the last point lies on the clip (full_range, narrow) they clip too
/// little at 2 and 3 bits. Grids of fewer than 4 or more than 256 points, and not a power of two, keep the extremes.
/// Source: the closed forms of Banner et al., arXiv:1810.05723, evaluated.
struct ClosedForm {
  enum class Distribution { normal, laplace };
  Distribution distribution = Distribution::normal;

  static constexpr float normal_clips[] = {1.71f, 2.15f, 2.55f, 2.93f, 3.28f, 3.61f, 3.92f};
  static constexpr float laplace_clips[] = {2.83f, 3.89f, 5.03f, 6.20f, 7.41f, 8.64f, 9.89f};

  template <class Q>
  static constexpr int bits =
      std::has_single_bit(Q::format_type::cardinality) ? std::bit_width(Q::format_type::cardinality) - 1 : 0;
  template <class Q>
  static constexpr bool applies = RangeFitting<Q> && bits<Q> >= 2 && bits<Q> <= 8;

  template <Quantizer Q>
  typename Q::params_type fit(const Q& q, std::span<const float> group, const FitContext&) const noexcept {
    if constexpr (applies<Q>) {
      const float clip = threshold(group, bits<Q>);
      return detail::fit_clipped(q, group, {-clip, clip});
    } else {
      return detail::fit_extremes(q, group);
    }
  }

 private:
  float threshold(std::span<const float> group, int b) const noexcept {
    double sum = 0.0;
    for (const float x : group) {
      const auto v = static_cast<double>(x);
      sum += distribution == Distribution::normal ? v * v : std::fabs(v);
    }
    const double mean = sum / static_cast<double>(group.size());
    return distribution == Distribution::normal ? normal_clips[b - 2] * static_cast<float>(std::sqrt(mean))
                                                : laplace_clips[b - 2] * static_cast<float>(mean);
  }
};

}  // namespace lowbit
