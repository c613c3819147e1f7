// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <span>
#include <vector>

#include "lowbit/quantizer/scale_search/range.hpp"

namespace lowbit {

/// Least (ŵ − w)ᵀ H_g (ŵ − w) over the group's range shrunk by 1 − i/grid, i = 0 … ⌊max_shrink·grid⌋ − 1, H_g the group's
/// block of the Hessian: what rounding the group to nearest adds to the layer's output error, its own columns alone. Never
/// worse than AbsMax in that form. Without a Hessian in the context H_g is the diagonal `importance`, and without that the
/// identity.
///
/// Cost: ⌊max_shrink·grid⌋ · size² multiplications in double; scratch: two groups of double.
struct HessianFull {
  int grid = 50;
  float max_shrink = 0.8f;

  template <class Q>
  static constexpr bool applies = RangeFitting<Q> && Q::format_type::dim == 1;

  template <Quantizer Q>
  typename Q::params_type fit(const Q& q, std::span<const float> group, const FitContext& context) const {
    typename Q::params_type best = detail::fit_extremes(q, group);
    if constexpr (applies<Q>) {
      const detail::ClipErrors range(q, group, {}, 2.0f);
      if (!range.searchable(best)) return best;
      std::vector<double> scratch(2 * group.size());
      double least = form(q, best, group, context, scratch);
      const int steps = static_cast<int>(std::floor(static_cast<double>(max_shrink) * grid + 1e-6));
      for (int i = 1; i < steps; ++i) {
        const typename Q::params_type candidate = range.shrunk(1.0f - static_cast<float>(i) / static_cast<float>(grid));
        const double e = form(q, candidate, group, context, scratch);
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
  static double form(const Q& q, const typename Q::params_type& params, std::span<const float> group,
                     const FitContext& context, std::span<double> scratch) noexcept {
    const std::size_t n = group.size();
    const std::span<double> e = scratch.first(n), He = scratch.subspan(n);
    for (std::size_t i = 0; i < n; ++i) {
      const auto point = point_params(q, params, i);
      e[i] = static_cast<double>(q.dequantize(q.quantize(group[i], point), point)) - static_cast<double>(group[i]);
    }
    if (context.hessian != nullptr) {
      std::fill(He.begin(), He.end(), 0.0);
      for (std::size_t i = 0; i < n; ++i) {  // H is symmetric: its rows are its columns
        const double* row = context.hessian + i * context.hessian_stride;
        for (std::size_t j = 0; j < n; ++j) He[j] += e[i] * row[j];
      }
    } else {
      for (std::size_t i = 0; i < n; ++i)
        He[i] = context.importance.empty() ? e[i] : static_cast<double>(context.importance[i]) * e[i];
    }
    double sum = 0.0;
    for (std::size_t i = 0; i < n; ++i) sum += e[i] * He[i];
    return sum;
  }
};

}  // namespace lowbit
