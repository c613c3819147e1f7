// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <span>
#include <vector>

#include "lowbit/quantizer/ggml_search.hpp"
#include "lowbit/quantizer/scale_search/range.hpp"

namespace lowbit {

/// The searches of the ggml family: least-squares parameters for the codes of slightly larger and smaller scales, weighted.
///
/// GGUF's own blocks weigh theirs by the importance in the context (without it, this is their plain fit). Uniform grids
/// take make_qx where they are symmetric and make_qkx2 with 37 candidates where they store a zero point, with weights
/// importance·√(mean square + x²), or x² without importance; the result is rounded to its storage, and given up for
/// AbsMax where the extremes give a smaller Σ w(x̂ − x)². The mean square is the row's where the context knows it, else the
/// group's. Cost: 19 or 2 · 37 passes; scratch: two copies of the group.
struct GgmlSearch {
  template <class Q>
  static constexpr bool evenly_spaced = RangeFitting<Q> && requires(typename Q::params_type p) {
    p.scale;
    p.zero_point;
    Q::symmetric_zero;
    Q::top_code;
  };
  template <class Q>
  static constexpr bool applies = WeightedFitting<Q> || evenly_spaced<Q>;

  template <Quantizer Q>
  typename Q::params_type fit(const Q& q, std::span<const float> group, const FitContext& context) const {
    if constexpr (WeightedFitting<Q>) {
      return q.fit(group, context);
    } else if constexpr (evenly_spaced<Q>) {
      const typename Q::params_type plain = detail::fit_extremes(q, group);
      const float magnitude = detail::extremes(group).magnitude();
      if (magnitude == 0.0f || !params_finite<Q>(plain)) return plain;
      // The searches know no subnormals: they see the group in its own unit.
      const float unit = detail::unit_of(magnitude);
      std::vector<float> x(group.size()), weights(group.size());
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = group[i] * unit;
      if (context.importance.empty()) {
        for (std::size_t i = 0; i < x.size(); ++i) weights[i] = x[i] * x[i];
      } else {
        ggml::importance_weights(x, context.importance, ggml::mean_square(x, context.row_mean_square * unit * unit),
                                 weights.data());
      }
      typename Q::params_type found = plain;
      constexpr auto top = static_cast<int>(Q::top_code);
      if constexpr (detail::two_sided<Q>) {
        const ggml::AffineFit fit = ggml::make_qkx2(x, weights, top, ggml::weighted_search);
        if (!(fit.scale > 0.0f)) return plain;
        float zero = fit.min / fit.scale;
        if constexpr (Q::zero_bits != 0) zero = round_half_even(zero);
        found = {fit.scale / unit, zero > 0.0f ? (zero < Q::top_code ? zero : Q::top_code) : 0.0f};
      } else {
        found = {ggml::make_qx(x, weights, (top + 1) / 2).scale / unit, Q::symmetric_zero};
      }
      found = q.load(q.store(found), q.store_zero(found));
      if (!params_finite<Q>(found) || std::fabs(found.scale) < 2.94e-39f) return plain;
      const double before = detail::error_sum(q, plain, group, weights, 2.0f, unit, infinite);
      return detail::error_sum(q, found, group, weights, 2.0f, unit, before) < before ? found : plain;
    } else {
      return detail::fit_extremes(q, group);
    }
  }

 private:
  static constexpr double infinite = std::numeric_limits<double>::infinity();
};

}  // namespace lowbit
