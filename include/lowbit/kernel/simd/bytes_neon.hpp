// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "lowbit/core/isa.hpp"
#include "lowbit/kernel/int8_activations/scalar.hpp"

#if LOWBIT_HAS_NEON
#include <arm_neon.h>

/// Four rows of a panel to a register, the twin of BytesAvx2 (which says what each operation is).
///
/// Lives on smull and addp (bytes to 16-bit pairs, exact: 2·127·128 < 2^15) and sadalp (pairs to 32 bits); with dotprod on
/// sdot, with i8mm on usdot. Without usdot, bytes over 127 are multiplied in two parts, the low seven bits and the top one,
/// which as a signed byte is −128.

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

struct BytesNeon {
  using isa_tag = isa::neon;
  static constexpr std::size_t rows = 4;
  static constexpr bool exact_bytes = false;
  using Bytes = uint8x16_t;
  using Ints = int32x4_t;
  using Floats = float32x4_t;

  LOWBIT_ALWAYS_INLINE static Bytes load(const std::uint8_t* p) noexcept { return vld1q_u8(p); }
  LOWBIT_ALWAYS_INLINE static void store(std::uint8_t* p, Bytes v) noexcept { vst1q_u8(p, v); }
  LOWBIT_ALWAYS_INLINE static Bytes splat(int byte) noexcept { return vdupq_n_u8(static_cast<std::uint8_t>(byte)); }
  LOWBIT_ALWAYS_INLINE static Bytes both(Bytes a, Bytes b) noexcept { return vandq_u8(a, b); }
  LOWBIT_ALWAYS_INLINE static Bytes either(Bytes a, Bytes b) noexcept { return vorrq_u8(a, b); }
  LOWBIT_ALWAYS_INLINE static Bytes differ(Bytes a, Bytes b) noexcept { return veorq_u8(a, b); }
  LOWBIT_ALWAYS_INLINE static Bytes plus(Bytes a, Bytes b) noexcept { return vaddq_u8(a, b); }
  LOWBIT_ALWAYS_INLINE static Bytes minus(Bytes a, Bytes b) noexcept { return vsubq_u8(a, b); }
  template <int Mask>
  LOWBIT_ALWAYS_INLINE static Bytes negate(Bytes a, Bytes bits) noexcept {
    static_assert((Mask & (Mask - 1)) == 0, "cmtst asks for any bit");
    return vbslq_u8(vtstq_u8(bits, splat(Mask)), vsubq_u8(splat(0), a), a);
  }
  LOWBIT_ALWAYS_INLINE static Bytes at_least(Bytes a, int least) noexcept { return vcgeq_u8(a, splat(least)); }
  LOWBIT_ALWAYS_INLINE static Bytes splat32(std::uint32_t v) noexcept { return of_words(vdupq_n_u32(v)); }
  template <int N>
  LOWBIT_ALWAYS_INLINE static Bytes left32(Bytes a) noexcept {
    if constexpr (N == 0)
      return a;
    else
      return of_words(vshlq_n_u32(words(a), N));
  }
  template <int N>
  LOWBIT_ALWAYS_INLINE static Bytes right32(Bytes a) noexcept {
    if constexpr (N == 0)
      return a;
    else
      return of_words(vshrq_n_u32(words(a), N));
  }
  template <int N>
  LOWBIT_ALWAYS_INLINE static Bytes funnel32(Bytes high, Bytes low) noexcept {
    return of_words(vsliq_n_u32(vshrq_n_u32(words(low), N), words(high), 32 - N));
  }
  LOWBIT_ALWAYS_INLINE static Bytes multiply_add32(Bytes a, std::uint32_t factor, std::uint32_t addend) noexcept {
    return of_words(vmlaq_u32(vdupq_n_u32(addend), words(a), vdupq_n_u32(factor)));
  }
  LOWBIT_ALWAYS_INLINE static Bytes sum_bytes(Bytes a, std::uint32_t more) noexcept {
    return of_words(vpadalq_u16(vdupq_n_u32(more), vpaddlq_u8(a)));
  }
  template <std::size_t Lane>
  LOWBIT_ALWAYS_INLINE static Bytes next_rows(const std::uint8_t* p) noexcept {
    if constexpr (Lane < 12)
      return load(p + 4);
    else
      return vextq_u8(load(p), load(p - 4 * Lane), 4);
  }
  template <int N>
  LOWBIT_ALWAYS_INLINE static Bytes shift(Bytes a) noexcept {
    if constexpr (N > 0)
      return vshlq_n_u8(a, N);
    else if constexpr (N < 0)
      return vshrq_n_u8(a, -N);
    else
      return a;
  }
  struct Table16 {
    uint8x16_t entries;
    LOWBIT_ALWAYS_INLINE explicit Table16(const std::uint8_t* t) noexcept : entries(vld1q_u8(t)) {}
    LOWBIT_ALWAYS_INLINE Bytes operator()(Bytes index) const noexcept { return vqtbl1q_u8(entries, index); }
  };
  struct Table64 {
    uint8x16x4_t entries;
    LOWBIT_ALWAYS_INLINE explicit Table64(const std::uint8_t* t) noexcept : entries(four(t)) {}
    LOWBIT_ALWAYS_INLINE Bytes operator()(Bytes index) const noexcept { return vqtbl4q_u8(entries, index); }
  };
  struct Table256 {
    const std::uint8_t* entries;
    LOWBIT_ALWAYS_INLINE explicit Table256(const std::uint8_t* t) noexcept : entries(t) {}
    LOWBIT_ALWAYS_INLINE Bytes operator()(Bytes index) const noexcept {
      Bytes found = vqtbl4q_u8(four(entries), index);
      for (int part = 1; part < 4; ++part)
        found = vqtbx4q_u8(found, four(entries + 64 * part), vsubq_u8(index, splat(64 * part)));
      return found;
    }
  };

  LOWBIT_ALWAYS_INLINE static Ints set(std::int32_t v) noexcept { return vdupq_n_s32(v); }
  LOWBIT_ALWAYS_INLINE static Ints load_ints(const std::int32_t* p) noexcept { return vld1q_s32(p); }
  LOWBIT_ALWAYS_INLINE static Ints multiply(Ints a, Ints b) noexcept { return vmulq_s32(a, b); }
  LOWBIT_ALWAYS_INLINE static Ints add(Ints a, Ints b) noexcept { return vaddq_s32(a, b); }
  LOWBIT_ALWAYS_INLINE static Bytes broadcast4(const std::int8_t* x) noexcept {
    std::uint32_t bits;
    std::memcpy(&bits, x, 4);
    return splat32(bits);
  }
  template <int Most>
  LOWBIT_ALWAYS_INLINE static Ints dot(Ints sum, Bytes w, Bytes x) noexcept {
    if constexpr (Most <= 127)
      return vpadalq_s16(sum, pairs(w, x));
    else
      return vsubq_s32(vpadalq_s16(sum, pairs(both(w, splat(0x7f)), x)), vpaddlq_s16(pairs(both(w, splat(0x80)), x)));
  }

  LOWBIT_ALWAYS_INLINE static float to_bytes(const float* from, std::uint8_t* to) noexcept {
    uint32x4_t most = vdupq_n_u32(0);
    for (int k = 0; k < 8; ++k)
      most = vmaxq_u32(most, vandq_u32(vreinterpretq_u32_f32(vld1q_f32(from + 4 * k)), vdupq_n_u32(0x7fffffff)));
    const Int8Scale s = int8_scale(vmaxvq_u32(most));
    const auto codes = [&](const float* p) LOWBIT_INLINE_LAMBDA {  // of NaN, 0
      const int16x4_t low = vmovn_s32(vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(p), s.inverse)));
      return vcombine_s16(low, vmovn_s32(vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(p + 4), s.inverse))));
    };
    for (int k = 0; k < 32; k += 16) {
      const int8x16_t bytes = vcombine_s8(vmovn_s16(codes(from + k)), vmovn_s16(codes(from + k + 8)));
      vst1q_u8(to + k, differ(vreinterpretq_u8_s8(bytes), splat(0x80)));
    }
    return s.scale;
  }

  LOWBIT_ALWAYS_INLINE static Floats zero() noexcept { return vdupq_n_f32(0.0f); }
  LOWBIT_ALWAYS_INLINE static Floats set_float(float v) noexcept { return vdupq_n_f32(v); }
  LOWBIT_ALWAYS_INLINE static Floats load_floats(const float* p) noexcept { return vld1q_f32(p); }
  LOWBIT_ALWAYS_INLINE static void store_floats(float* p, Floats v) noexcept { vst1q_f32(p, v); }
  LOWBIT_ALWAYS_INLINE static Floats to_float(Ints v) noexcept { return vcvtq_f32_s32(v); }
  LOWBIT_ALWAYS_INLINE static Floats fma(Floats a, Floats b, Floats c) noexcept { return vfmaq_f32(c, a, b); }
  LOWBIT_ALWAYS_INLINE static void prefetch(const void* p) noexcept { __builtin_prefetch(p, 0, 2); }

 protected:
  LOWBIT_ALWAYS_INLINE static uint32x4_t words(Bytes a) noexcept { return vreinterpretq_u32_u8(a); }
  LOWBIT_ALWAYS_INLINE static Bytes of_words(uint32x4_t a) noexcept { return vreinterpretq_u8_u32(a); }
  LOWBIT_ALWAYS_INLINE static uint8x16x4_t four(const std::uint8_t* t) noexcept {
    return {{vld1q_u8(t), vld1q_u8(t + 16), vld1q_u8(t + 32), vld1q_u8(t + 48)}};
  }
  /// w·x of signed bytes, summed over columns 0, 1 and 2, 3 of each row.
  LOWBIT_ALWAYS_INLINE static int16x8_t pairs(Bytes w, Bytes x) noexcept {
    const int8x16_t a = vreinterpretq_s8_u8(w), b = vreinterpretq_s8_u8(x);
    return vpaddq_s16(vmull_s8(vget_low_s8(a), vget_low_s8(b)), vmull_high_s8(a, b));
  }
};

#if LOWBIT_HAS_NEON_DOTPROD
/// BytesNeon with sdot and udot.
struct BytesNeonDotprod : BytesNeon {
  using isa_tag = isa::neon_dotprod;
  template <int Most>
  LOWBIT_ALWAYS_INLINE static Ints dot(Ints sum, Bytes w, Bytes x) noexcept {
    const int8x16_t b = vreinterpretq_s8_u8(x);
    if constexpr (Most <= 127) return vdotq_s32(sum, vreinterpretq_s8_u8(w), b);
    const int32x4_t less = vdotq_s32(vdupq_n_s32(0), vdupq_n_s8(-128), b);  // w − 128 is a signed byte
    return vsubq_s32(vdotq_s32(sum, vreinterpretq_s8_u8(differ(w, splat(0x80))), b), less);
  }
  LOWBIT_ALWAYS_INLINE static Bytes sum_bytes(Bytes a, std::uint32_t more) noexcept {
    return of_words(vdotq_u32(vdupq_n_u32(more), a, splat(1)));
  }
};
#endif

#if LOWBIT_HAS_NEON_I8MM
/// BytesNeonDotprod with usdot: exact for every byte.
struct BytesNeonI8mm : BytesNeonDotprod {
  using isa_tag = isa::neon_i8mm;
  static constexpr bool exact_bytes = true;
  template <int Most>
  LOWBIT_ALWAYS_INLINE static Ints dot(Ints sum, Bytes w, Bytes x) noexcept {
    return vusdotq_s32(sum, w, vreinterpretq_s8_u8(x));
  }
};
#endif

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
#endif
