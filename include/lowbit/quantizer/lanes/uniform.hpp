// SPDX-License-Identifier: MIT
#pragma once

#include <limits>

#include "lowbit/quantizer/lanes/grid.hpp"
#include "lowbit/quantizer/lanes/quotient.hpp"
#include "lowbit/quantizer/uniform.hpp"

#if LOWBIT_HAS_LANES

namespace lowbit::detail {
inline namespace LOWBIT_ISA_NAMESPACE {

/// A division, a rounding and a clamp per register.
template <class F, UniformOptions O>
struct LaneGrid<Uniform<F, O>> {
  using Q = Uniform<F, O>;

  LOWBIT_ALWAYS_INLINE LaneGrid(const Q& q, typename Q::params_type p) noexcept
      : steps_(p.scale != 0.0f ? p.scale : std::numeric_limits<float>::infinity()), scale_(broadcast(p.scale)),
        zero_(broadcast(p.zero_point)),
        low_(broadcast((O.zero_point == ZeroPoint::none && q.rule == SymmetricRule::narrow ? 1.0f : 0.0f) - shift(p))),
        high_(broadcast(Q::top_code - shift(p))), divisor_(p.scale) {}

  LOWBIT_ALWAYS_INLINE i32xn codes(f32xn x) const noexcept {
    const f32xn c = clamped(steps_(x));
    return truncated(O.zero_point == ZeroPoint::real ? c : c + zero_);
  }
  LOWBIT_ALWAYS_INLINE f32xn points(f32xn x) const noexcept { return point(steps_(x)); }
#if LOWBIT_HAS_AVX2
  bool products_apply(float largest) const noexcept { return steps_.products_apply(divisor_, largest); }
  LOWBIT_ALWAYS_INLINE f32xn points_by_products(f32xn x) const noexcept { return point(steps_.by_products(x)); }
#endif

  LOWBIT_ALWAYS_INLINE static bool fits_extremes(const Q& q) noexcept {
    return O.zero_point != ZeroPoint::none || q.rule != SymmetricRule::signed_max;
  }
  LOWBIT_ALWAYS_INLINE static bool fits_magnitude(const Q&) noexcept { return O.zero_point == ZeroPoint::none; }

 private:
  /// Whole zero points are clamped away: c and c − zero_point are whole and small, so either is exact.
  static float shift(typename Q::params_type p) noexcept {
    return O.zero_point == ZeroPoint::real ? 0.0f : p.zero_point;
  }
  /// The code, less a whole zero point.
  LOWBIT_ALWAYS_INLINE f32xn clamped(f32xn steps) const noexcept {
    const f32xn c = round_half_even_lanes(O.zero_point == ZeroPoint::real ? steps + zero_ : steps);
    return larger(smaller(c, high_), low_);
  }
  LOWBIT_ALWAYS_INLINE f32xn point(f32xn steps) const noexcept {
    const f32xn c = clamped(steps);
    return scale_ * (O.zero_point == ZeroPoint::real ? c - zero_ : c);
  }

  Quotient<typename Q::scale_type> steps_;
  f32xn scale_, zero_, low_, high_;
  float divisor_;
};

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::detail

#endif  // LOWBIT_HAS_LANES
