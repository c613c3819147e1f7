// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "lowbit/core/isa.hpp"
#include "lowbit/core/round.hpp"

/// What a search counts errors in. A metric is a type of sample, of weight and of cost, and these operations on them;
/// the lanes of quantizer/trellis/lanes.hpp are the same operations on a register.
///
///   sample(x, rms)   a weight, or a point's component, in the metric's units; NaN is 0
///   weight(w, most)  of an error, relative to the largest weight of the sequence; NaN, negative and zero are 0
///   distance(x, c)   (x − c)²
///   weighted(d, w)   w·d
///   add(a, b)        of two costs
///   lower(a, base)   a without what all costs of a step have in common, where a metric must keep them small

namespace lowbit::trellis {

/// Squared errors in float. Samples are clamped to ±1e9, so costs stay finite.
struct FloatMetric {
  using sample_type = float;
  using weight_type = float;
  using cost_type = float;
  static constexpr cost_type unreachable = std::numeric_limits<float>::infinity();

  static sample_type sample(float x, float) noexcept { return std::isnan(x) ? 0.0f : std::clamp(x, -1e9f, 1e9f); }
  static weight_type weight(float w, float most) noexcept { return w > 0.0f ? std::min(w, most) / most : 0.0f; }
  LOWBIT_ALWAYS_INLINE static cost_type distance(sample_type x, sample_type c) noexcept { return (x - c) * (x - c); }
  LOWBIT_ALWAYS_INLINE static cost_type weighted(cost_type d, weight_type w) noexcept { return d * w; }
  LOWBIT_ALWAYS_INLINE static cost_type add(cost_type a, cost_type b) noexcept { return a + b; }
  LOWBIT_ALWAYS_INLINE static cost_type lower(cost_type a, cost_type) noexcept { return a; }
};

/// Squared errors in 16-bit integers: twice as many lanes, half the memory, and codes that no compiler flag can change.
///
///   samples  x/rms · 3810, or 2694 where a state is worth two weights; clamped to ±4.3 rms. Their differences fit.
///   costs    (difference² + 2^14) >> 15, of a step below 2^15: one unit is rms²/443, or rms²/221. After each step the
///            least cost of the one before is taken from all, and what is left stops at 2^15, 74 rms² or 148.
///
/// A path is lost only where it costs that much more than the best one. Sequences with larger weights than `range`
/// belong to FloatMetric. The rounding of costs changes the error of tiles by less than one part in 2000 at two bits a
/// weight and by one in 250 at four (measured, L = 12).
template <std::size_t V>
struct FixedMetric {
  static_assert(V == 1 || V == 2, "trellis::FixedMetric counts the errors of one or two weights.");
  using sample_type = std::int16_t;
  using weight_type = std::int16_t;  ///< 2^15 − 1 is 1
  using cost_type = std::uint16_t;
  static constexpr cost_type unreachable = 0x8000;
  static constexpr float unit = V == 1 ? 3810.0f : 2694.0f;  ///< of samples, per rms
  static constexpr float limit = V == 1 ? 16383.0f : 11584.0f;
  static constexpr float range = 4.3f;  ///< in units of rms

  static sample_type sample(float x, float rms) noexcept {
    if (std::isnan(x)) return 0;
    return static_cast<sample_type>(round_half_even(std::clamp(x * (unit / rms), -limit, limit)));
  }
  static weight_type weight(float w, float most) noexcept {
    return w > 0.0f ? static_cast<weight_type>(round_half_even(std::min(w, most) / most * 32767.0f)) : weight_type{0};
  }
  LOWBIT_ALWAYS_INLINE static cost_type distance(sample_type x, sample_type c) noexcept {
    const int d = static_cast<int>(x) - static_cast<int>(c);
    return static_cast<cost_type>((d * d + 0x4000) >> 15);
  }
  LOWBIT_ALWAYS_INLINE static cost_type weighted(cost_type d, weight_type w) noexcept {
    return static_cast<cost_type>((static_cast<int>(d) * static_cast<int>(w) + 0x4000) >> 15);
  }
  LOWBIT_ALWAYS_INLINE static cost_type add(cost_type a, cost_type b) noexcept { return static_cast<cost_type>(a + b); }
  LOWBIT_ALWAYS_INLINE static cost_type lower(cost_type a, cost_type base) noexcept {
    return static_cast<cost_type>(std::min(a - base, 0x8000));
  }
};

}  // namespace lowbit::trellis
