// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "lowbit/core/isa.hpp"

#if LOWBIT_HAS_NEON
#include <arm_neon.h>

/// Pairs of bf16 columns, four rows to a register, the twin of PairsAvx2. (bfdot rounds its sums in another way, so it would
/// give other bits.)

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

struct PairsNeon {
  using isa_tag = isa::neon;
  static constexpr std::size_t rows = 4, strips = 1, most_tokens = 4, pairs_at_once = 4;
  using Pairs = uint32x4_t;
  using Floats = float32x4_t;

  LOWBIT_ALWAYS_INLINE static Pairs load(const std::uint32_t* p) noexcept { return vld1q_u32(p); }
  LOWBIT_ALWAYS_INLINE static Pairs broadcast2(const std::uint16_t* x) noexcept {
    std::uint32_t two;
    std::memcpy(&two, x, 4);
    return vdupq_n_u32(two);
  }
  LOWBIT_ALWAYS_INLINE static Floats load_floats(const float* p) noexcept { return vld1q_f32(p); }
  LOWBIT_ALWAYS_INLINE static void store_floats(float* p, Floats v) noexcept { vst1q_f32(p, v); }
  LOWBIT_ALWAYS_INLINE static Floats even(Pairs p) noexcept { return vreinterpretq_f32_u32(vshlq_n_u32(p, 16)); }
  LOWBIT_ALWAYS_INLINE static Floats odd(Pairs p) noexcept {
    return vreinterpretq_f32_u32(vandq_u32(p, vdupq_n_u32(0xffff0000u)));
  }
  LOWBIT_ALWAYS_INLINE static Floats dot(Floats sum, Pairs w, Pairs x) noexcept {
    return vfmaq_f32(vfmaq_f32(sum, odd(w), odd(x)), even(w), even(x));
  }
  /// Four values as bf16.
  LOWBIT_ALWAYS_INLINE static uint16x4_t rounded(float32x4_t v) noexcept {
    const uint32x4_t u = vreinterpretq_u32_f32(v);
    const uint32x4_t up = vaddq_u32(vdupq_n_u32(0x7fff), vandq_u32(vshrq_n_u32(u, 16), vdupq_n_u32(1)));
    const uint32x4_t number = vceqq_f32(v, v);
    return vshrn_n_u32(vbslq_u32(number, vaddq_u32(u, up), vorrq_u32(u, vdupq_n_u32(0x400000))), 16);
  }
  /// Four pairs of 16 rows, `pitch` floats apart, to four words.
  LOWBIT_ALWAYS_INLINE static void interleave(const float* from, std::size_t pitch, std::uint32_t* to) noexcept {
    for (std::size_t r = 0; r < 16; r += 4) {
      const auto row = [&](std::size_t i) LOWBIT_INLINE_LAMBDA {
        const float* const p = from + (r + i) * pitch;
        return vreinterpretq_u32_u16(vcombine_u16(rounded(vld1q_f32(p)), rounded(vld1q_f32(p + 4))));
      };
      const uint32x4_t a = row(0), b = row(1), c = row(2), d = row(3);
      const uint32x4_t ac0 = vzip1q_u32(a, c), ac1 = vzip2q_u32(a, c), bd0 = vzip1q_u32(b, d), bd1 = vzip2q_u32(b, d);
      vst1q_u32(to + r, vzip1q_u32(ac0, bd0));
      vst1q_u32(to + 16 + r, vzip2q_u32(ac0, bd0));
      vst1q_u32(to + 32 + r, vzip1q_u32(ac1, bd1));
      vst1q_u32(to + 48 + r, vzip2q_u32(ac1, bd1));
    }
  }
};

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
#endif
