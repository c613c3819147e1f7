// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <span>

#include "lowbit/quantizer/scale_search/range.hpp"

namespace lowbit {

/// Half-quadratic search of a real zero point; the scale stays that of the group's extremes. Alternates
///
///   E = shrink(W − Ŵ),  shrink(v) = sign(v)·max(0, |v| − |v|^(p−1)/β), shrink(0) = 0
///   z = mean of c − (W − E)/s over the codes c just chosen;  β grows by `growth`
///
/// until mean |W − Ŵ| no longer falls, and keeps the best z. Never worse than AbsMax in that mean. z is rounded to its
/// storage type and kept inside the range of codes in every step. Errors are taken in the group's own unit, a power of two,
/// so that p < 1 means the same for small weights and large ones; the release takes the weights as they come.
///
/// scale_points > 1 then tries that many reciprocal scales, evenly from 1 − scale_range to 1 + scale_range times the
/// group's own, by the mean |W − Ŵ| of the codes that are there, and keeps the best; 129 is the release's number, which steps
/// by a part of the mean over all groups. Codes are then chosen for the scale found, so the mean falls further.
///
/// Source: Badri and Shaji, "Half-Quadratic Quantization of Large Machine Learning Models", 2023.
struct Hqq {
  double p = 0.7;
  double beta = 10.0;
  double growth = 1.01;
  int iterations = 20;
  int scale_points = 0;        ///< 0 or 1: the scale stays
  double scale_range = 0.05;

  template <class Q>
  static constexpr bool applies = RangeFitting<Q> && Q::format_type::dim == 1 &&
                                  requires(typename Q::stored_type stored, typename Q::params_type params) {
                                    stored.zero;
                                    params.scale;
                                    params.zero_point;
                                  };

  template <Quantizer Q>
  typename Q::params_type fit(const Q& q, std::span<const float> group, const FitContext&) const noexcept {
    typename Q::params_type best = detail::fit_extremes(q, group);
    if constexpr (applies<Q>) {
      const float magnitude = detail::extremes(group).magnitude();
      if (best.scale == 0.0f || !std::isfinite(best.scale) || magnitude == 0.0f) return best;
      const auto unit = static_cast<double>(detail::unit_of(magnitude));
      const auto scale = static_cast<double>(best.scale);
      typename Q::params_type here = best;
      double least = 0.0, strength = beta;
      for (int i = 0; i <= iterations; ++i) {
        double error = 0.0, zero = 0.0;
        for (const float x : group) {
          const auto code = q.quantize(x, here);
          const double w = static_cast<double>(x), v = (w - static_cast<double>(q.dequantize(code, here))) * unit;
          const double a = std::fabs(v);
          const double kept = a > 0.0 ? std::fmax(0.0, a - std::pow(a, p - 1.0) / strength) : 0.0;
          error += a;
          zero += static_cast<double>(code) - (w - std::copysign(kept, v) / unit) / scale;
        }
        if (i > 0 && !(error < least)) break;
        least = error;
        best = here;
        strength *= growth;
        constexpr auto top = static_cast<double>(Q::format_type::cardinality - 1);
        here.zero_point = static_cast<float>(std::fmin(std::fmax(zero / static_cast<double>(group.size()), 0.0), top));
        here = q.load(q.store(here), 0);
      }
      if (scale_points > 1) best = rescaled(q, group, best, least / unit);
    }
    return best;
  }

 private:
  /// The best of the scales about that of `start`, whose Σ|w − ŵ| is `least`; the codes stay those of `start`.
  template <Quantizer Q>
  typename Q::params_type rescaled(const Q& q, std::span<const float> group, const typename Q::params_type& start,
                                   double least) const noexcept {
    typename Q::params_type best = start;
    for (int k = 0; k < scale_points; ++k) {
      const double factor = 1.0 + scale_range * (2.0 * k / (scale_points - 1) - 1.0);
      typename Q::params_type here = start;
      here.scale = static_cast<float>(static_cast<double>(start.scale) / factor);
      here = q.load(q.store(here), 0);
      if (!std::isfinite(here.scale) || std::fabs(here.scale) < 2.94e-39f) continue;
      double error = 0.0;
      for (const float x : group)
        error += std::fabs(static_cast<double>(x) - static_cast<double>(q.dequantize(q.quantize(x, start), here)));
      if (error < least) {
        least = error;
        best = here;
      }
    }
    return best;
  }
};

}  // namespace lowbit
