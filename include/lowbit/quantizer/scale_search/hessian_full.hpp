// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
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
    if constexpr (applies<Q>)
      return detail::search_candidates(q, group, {}, 2.0f, [&](detail::Candidates& candidates) {
        search(candidates, group.size(), context);
      });
    else
      return detail::fit_extremes(q, group);
  }

 private:
  void search(detail::Candidates& candidates, std::size_t size, const FitContext& context) const {
    std::vector<double> scratch(2 * size);
    const std::span<double> e(scratch.data(), size), He(scratch.data() + size, size);
    candidates.differences(1.0f, e);
    double least = form(context, e, He);
    const int steps = static_cast<int>(std::floor(static_cast<double>(max_shrink) * grid + 1e-6));
    for (int i = 1; i < steps; ++i) {
      candidates.differences(1.0f - static_cast<float>(i) / static_cast<float>(grid), e);
      const double sum = form(context, e, He);
      if (sum < least) {
        least = sum;
        candidates.take();
      }
    }
  }

  static double form(const FitContext& context, std::span<const double> e, std::span<double> He) noexcept {
    const std::size_t n = e.size();
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
