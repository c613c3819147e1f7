// SPDX-License-Identifier: MIT
#pragma once

#include <limits>

#include "lowbit/quantizer/lanes/grid.hpp"
#include "lowbit/quantizer/uniform.hpp"

#if LOWBIT_HAS_LANES

namespace lowbit::detail {
inline namespace LOWBIT_ISA_NAMESPACE {

/// A division, a rounding and a clamp per register.
template <class F, UniformOptions O>
struct LaneGrid<Uniform<F, O>> {
  using Q = Uniform<F, O>;

  LOWBIT_ALWAYS_INLINE LaneGrid(const Q& q, typename Q::params_type p) noexcept
      : divisor_(broadcast(p.scale != 0.0f ? p.scale : std::numeric_limits<float>::infinity())),
        scale_(broadcast(p.scale)), zero_(broadcast(p.zero_point)),
        low_(broadcast(O.zero_point == ZeroPoint::none && q.rule == SymmetricRule::narrow ? 1.0f : 0.0f)) {}

  LOWBIT_ALWAYS_INLINE i32xn codes(f32xn x) const noexcept { return truncated(code(x)); }
  LOWBIT_ALWAYS_INLINE f32xn points(f32xn x) const noexcept { return scale_ * (code(x) - zero_); }

  LOWBIT_ALWAYS_INLINE static bool fits_extremes(const Q& q) noexcept {
    return O.zero_point != ZeroPoint::none || q.rule != SymmetricRule::signed_max;
  }

 private:
  LOWBIT_ALWAYS_INLINE f32xn code(f32xn x) const noexcept {
    const f32xn steps = x / divisor_;
    const f32xn c = O.zero_point == ZeroPoint::real ? round_half_even_lanes(steps + zero_)
                                                    : round_half_even_lanes(steps) + zero_;
    return larger(smaller(c, broadcast(Q::top_code)), low_);
  }

  f32xn divisor_, scale_, zero_, low_;
};

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::detail

#endif  // LOWBIT_HAS_LANES
