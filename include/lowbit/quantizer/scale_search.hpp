// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <span>
#include <variant>

#include "lowbit/core/contract.hpp"
#include "lowbit/quantizer/concept.hpp"

/// Scale search: which parameters a group gets, apart from what they are and how they are stored. Every policy answers
///
///   fit(q, group, context) → q's params_type
///
/// where the context holds what is known beside the values (FitContext). New policies are new alternatives of
/// ScaleSearch; they work with every quantizer that can fit a range.

namespace lowbit {

/// Quantizers whose parameters can be fitted to a range narrower than the group's own.
template <class Q>
concept RangeFitting = Quantizer<Q> && requires(const Q q, float x) {
  { q.fit_range(x, x) } noexcept -> std::same_as<typename Q::params_type>;
};

/// The extremes of the group: no clipping, no search.
struct AbsMax {
  template <Quantizer Q>
  typename Q::params_type fit(const Q& q, std::span<const float> group, const FitContext&) const noexcept {
    return q.fit(group);
  }
};

/// Tries the group's range shrunk by 1 − i/grid, i = 0 … ⌊max_shrink·grid⌋ − 1, and keeps the first with the least
/// Σ h|x̂ − x|^p. Never worse than AbsMax in that sum, since i = 0 is AbsMax. Cost: ⌊max_shrink·grid⌋ passes.
/// Source: the "mse" option of the GPTQ release (Frantar et al., arXiv:2210.17323), p = 2.4.
struct LpGrid {
  float p = 2.4f;
  int grid = 100;
  float max_shrink = 0.8f;
  bool weighted = false;  ///< h = importance where given; otherwise h = 1

  template <Quantizer Q>
  typename Q::params_type fit(const Q& q, std::span<const float> group, const FitContext& context) const noexcept {
    typename Q::params_type best = q.fit(group);
    if constexpr (RangeFitting<Q>) {
      float lo = 0.0f, hi = 0.0f;
      for (const float x : group) {
        lo = x < lo ? x : lo;
        hi = x > hi ? x : hi;
      }
      const std::span<const float> h = weighted ? context.importance : std::span<const float>{};
      double least = error(q, best, group, h);
      const int steps = static_cast<int>(std::floor(static_cast<double>(max_shrink) * grid + 1e-6));
      for (int i = 1; i < steps; ++i) {
        const float keep = 1.0f - static_cast<float>(i) / static_cast<float>(grid);
        const typename Q::params_type candidate = q.fit_range(keep * lo, keep * hi);
        const double e = error(q, candidate, group, h);
        if (e < least) {
          least = e;
          best = candidate;
        }
      }
    }
    return best;
  }

 private:
  template <class Q>
  double error(const Q& q, const typename Q::params_type& params, std::span<const float> group,
               std::span<const float> h) const noexcept {
    double sum = 0.0;
    for (std::size_t i = 0; i < group.size(); ++i) {
      const auto point = point_params(q, params, i);
      const float e = std::fabs(q.dequantize(q.quantize(group[i], point), point) - group[i]);
      const float term = p == 2.0f ? e * e : std::pow(e, p);
      sum += static_cast<double>(h.empty() ? term : h[i] * term);
    }
    return sum;
  }
};

using ScaleSearch = std::variant<AbsMax, LpGrid>;

/// Parameters of one group.
template <Quantizer Q>
typename Q::params_type fit_scale(const ScaleSearch& search, const Q& q, std::span<const float> group,
                                  const FitContext& context = {}) {
  LOWBIT_ASSERT(context.importance.empty() || context.importance.size() == group.size(), "one importance per element");
  return std::visit([&](const auto& policy) { return policy.fit(q, group, context); }, search);
}

}  // namespace lowbit
