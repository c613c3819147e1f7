// SPDX-License-Identifier: MIT
#pragma once

#include <type_traits>

#include "lowbit/quantizer/lanes/vectors.hpp"

#if LOWBIT_HAS_LANES

namespace lowbit::detail {
inline namespace LOWBIT_ISA_NAMESPACE {

/// x / divisor of every lane, as division rounds it. Divisor: a float as Scale stores it.
///
/// Where there are fused multiplications, by_products gives the same quotient without the divider: q₀ = x·y with y the
/// rounded reciprocal is corrected by (x − q₀·divisor)·y. After one correction q is the rounding of a number within
/// 1.5·2^-24 units in its last place of the true quotient. A divisor of at most 11 significant bits (f16, bf16) keeps the
/// quotient 2^-12 units away from every rounding boundary, so that is its rounding. For others q is faithful, and the second
/// correction is exact: Markstein, IBM J. Res. Dev. 34(1), 1990.
template <class Scale>
class Quotient {
 public:
  LOWBIT_ALWAYS_INLINE explicit Quotient(float divisor) noexcept
      : divisor_(broadcast(divisor)), reciprocal_(broadcast(1.0f / divisor)) {}

  LOWBIT_ALWAYS_INLINE f32xn operator()(f32xn x) const noexcept { return x / divisor_; }

#if LOWBIT_HAS_AVX2
  /// True where by_products is as good as division for magnitudes up to `largest`, but for quotients below 2^-40, which may
  /// come out as others that small.
  static bool products_apply(float divisor, float largest) noexcept {
    return divisor >= 0x1p-80f && divisor <= 0x1p100f && largest <= 0x1p100f && largest / divisor <= 0x1p40f;
  }
  LOWBIT_ALWAYS_INLINE f32xn by_products(f32xn x) const noexcept {
    f32xn q = x * reciprocal_;
    q = fused(fused_negative(q, divisor_, x), reciprocal_, q);
    if constexpr (std::is_same_v<Scale, float>) q = fused(fused_negative(q, divisor_, x), reciprocal_, q);
    return q;
  }
#endif

 private:
  f32xn divisor_, reciprocal_;
};

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::detail

#endif  // LOWBIT_HAS_LANES
