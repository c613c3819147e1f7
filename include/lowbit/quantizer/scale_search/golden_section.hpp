// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <span>

#include "lowbit/quantizer/scale_search/range.hpp"

namespace lowbit {

/// Least Σ h|x̂ − x|^p over shrunken ranges by golden sections: 9 factors from 1 down to 0.2 (0.1 for at most 8 points),
/// then 12 sections of the interval between the neighbours of the best. The sum has many small local minima, so this need
/// not find what LpGrid finds; it remembers the best factor it visited. Never worse than AbsMax in that sum. 23 passes.
struct GoldenSection {
  float p = 2.0f;         ///< above 0, at most 16
  bool weighted = false;  ///< h = importance where given; otherwise h = 1

  static constexpr int coarse = 9, sections = 12;

  template <class Q>
  static constexpr bool applies = RangeFitting<Q>;

  template <Quantizer Q>
  typename Q::params_type fit(const Q& q, std::span<const float> group, const FitContext& context) const noexcept {
    constexpr float lowest = Q::format_type::cardinality <= 8 ? 0.1f : 0.2f;
    return detail::search_candidates(q, group, weighted ? context.importance : std::span<const float>{}, p,
                                     [](detail::Candidates& candidates) { search(candidates, lowest); });
  }

 private:
  static void search(detail::Candidates& candidates, float lowest) noexcept {
    const double none = std::numeric_limits<double>::infinity();
    double least = candidates.error(1.0f, none);
    const auto at = [&](float keep) {
      const double e = candidates.error(keep, none);
      if (e < least) {
        least = e;
        candidates.take();
      }
      return e;
    };
    const auto factor = [&](int k) {
      return lowest + (1.0f - lowest) * static_cast<float>(k) / static_cast<float>(coarse - 1);
    };
    int nearest = coarse - 1;
    for (int k = coarse - 2; k >= 0; --k) {
      const double before = least;
      if (at(factor(k)) < before) nearest = k;
    }
    constexpr float golden = 0.6180339887f;
    float low = factor(std::max(nearest - 1, 0)), high = factor(std::min(nearest + 1, coarse - 1));
    float left = high - golden * (high - low), right = low + golden * (high - low);
    double at_left = at(left), at_right = at(right);
    for (int i = 0; i < sections; ++i) {
      if (at_left < at_right) {
        high = right;
        right = left;
        at_right = at_left;
        left = high - golden * (high - low);
        at_left = at(left);
      } else {
        low = left;
        left = right;
        at_left = at_right;
        right = low + golden * (high - low);
        at_right = at(right);
      }
    }
  }
};

}  // namespace lowbit
