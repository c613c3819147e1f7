// SPDX-License-Identifier: MIT
#pragma once

#include "lowbit/kernel/simd/code_bits.hpp"

#if LOWBIT_HAS_NEON
#include <arm_neon.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "lowbit/core/float16.hpp"

/// Four float lanes, the twin of LanesAvx2 (which says what each operation is). Lives on and/orr (a code becomes a float),
/// fsub (less its zero point) and fmla.

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

struct LanesNeon {
  using Float = float32x4_t;
  struct Words {
    uint32x4_t low, high;
  };
  static constexpr std::size_t count = 4;
  static constexpr std::size_t tokens_at_once = 4;  ///< × 4 rows = 16 sums of blocks, 4 activations, 1 weight: 32 registers

  LOWBIT_ALWAYS_INLINE static Float load(const float* p) noexcept { return vld1q_f32(p); }
  LOWBIT_ALWAYS_INLINE static Float load_once(const float* p) noexcept {
    Float v = load(p);
    __asm__("" : "+w"(v));
    return v;
  }
  LOWBIT_ALWAYS_INLINE static void store(float* p, Float v) noexcept { vst1q_f32(p, v); }
  LOWBIT_ALWAYS_INLINE static Float broadcast(float v) noexcept { return vdupq_n_f32(v); }
  LOWBIT_ALWAYS_INLINE static Float mul(Float a, Float b) noexcept { return vmulq_f32(a, b); }
  LOWBIT_ALWAYS_INLINE static Float add(Float a, Float b) noexcept { return vaddq_f32(a, b); }
  LOWBIT_ALWAYS_INLINE static Float sub(Float a, Float b) noexcept { return vsubq_f32(a, b); }
  LOWBIT_ALWAYS_INLINE static Float fma(Float a, Float b, Float c) noexcept { return vfmaq_f32(c, a, b); }
  LOWBIT_ALWAYS_INLINE static void prefetch(const void* p) noexcept { __builtin_prefetch(p); }
  LOWBIT_ALWAYS_INLINE static Float pick(const float* table, const std::int32_t* index) noexcept {
    const float lanes[4] = {table[index[0]], table[index[1]], table[index[2]], table[index[3]]};
    return load(lanes);
  }
  LOWBIT_ALWAYS_INLINE static float sum(Float v) noexcept { return vaddvq_f32(v); }

  /// The lane words of 32 codes; reads exactly 4·Bits bytes.
  template <int Bits>
  LOWBIT_ALWAYS_INLINE static Words words(const std::uint8_t* p) noexcept {
    if constexpr (Bits == 2) {
      return {vmovl_u16(vreinterpret_u16_u8(vld1_u8(p))), vdupq_n_u32(0)};
    } else if constexpr (Bits == 3) {
      std::uint32_t last;
      std::memcpy(&last, p + 8, 4);
      const uint8x16_t all = vcombine_u8(vld1_u8(p), vcreate_u8(last));
      return {spread<Bits, 0, 3>({{all, all}}, 16), vdupq_n_u32(0)};
    } else if constexpr (Bits == 4) {
      return {vreinterpretq_u32_u8(vld1q_u8(p)), vdupq_n_u32(0)};
    } else {
      constexpr int second = 4 * Bits - 16;  // where the last 16 bytes begin
      const uint8x16x2_t all{{vld1q_u8(p), vld1q_u8(p + second)}};
      return {spread<Bits, 0, 4>(all, second), spread<Bits, Bits - 4, 4>(all, second)};
    }
  }

  template <int Bits>
  struct Decoder {
    using Places = CodePlaces<Bits>;
    uint32x4_t mask[Places::count], exponent[Places::count];
    Float offset[Places::count];

    LOWBIT_ALWAYS_INLINE Decoder() noexcept { fill(std::make_index_sequence<8>{}); }

    template <int K>
    LOWBIT_ALWAYS_INLINE Float code(const Words& w) const noexcept {
      using At = CodeBits<Bits, K>;
      constexpr std::size_t i = Places::index(K);
      uint32x4_t v = At::in_high ? w.high : w.low;
      if constexpr (At::shift != 0) v = vshrq_n_u32(v, At::shift);
      return vreinterpretq_f32_u32(vorrq_u32(vandq_u32(v, mask[i]), exponent[i]));
    }

   private:
    template <std::size_t... K>
    LOWBIT_ALWAYS_INLINE void fill(std::index_sequence<K...>) noexcept {
      (set<K>(), ...);
    }
    template <std::size_t K>
    LOWBIT_ALWAYS_INLINE void set() noexcept {
      using At = CodeBits<Bits, K>;
      constexpr std::size_t i = Places::index(K);
      if constexpr (Places::first_with(K) == K) {
        mask[i] = vdupq_n_u32(At::mask);
        exponent[i] = vdupq_n_u32(At::exponent);
        offset[i] = broadcast(At::offset);
      }
    }
  };

  /// x of 32 columns, so that vector k holds columns k, 8 + k, 16 + k, 24 + k.
  LOWBIT_ALWAYS_INLINE static void interleave(const float* x, float* to) noexcept {
    for (int half = 0; half < 8; half += 4) {
      const float32x4_t a = load(x + half), b = load(x + 8 + half), c = load(x + 16 + half), d = load(x + 24 + half);
      const float32x4_t ac0 = vzip1q_f32(a, c), ac1 = vzip2q_f32(a, c), bd0 = vzip1q_f32(b, d), bd1 = vzip2q_f32(b, d);
      store(to + 4 * half, vzip1q_f32(ac0, bd0));
      store(to + 4 * half + 4, vzip2q_f32(ac0, bd0));
      store(to + 4 * half + 8, vzip1q_f32(ac1, bd1));
      store(to + 4 * half + 12, vzip2q_f32(ac1, bd1));
    }
  }

  LOWBIT_ALWAYS_INLINE static void widen(const f16* from, std::size_t n, float* to) noexcept {
    std::size_t i = 0;
    for (; i + 4 <= n; i += 4) {
      std::uint16_t bits[4];
      std::memcpy(bits, from + i, sizeof bits);
      store(to + i, vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(bits))));
    }
    for (; i < n; ++i) to[i] = widen(from[i]);
  }
  LOWBIT_ALWAYS_INLINE static float widen(f16 h) noexcept { return static_cast<float>(h); }

 private:
  /// Lane j takes Count bytes from Bits·j + Shift on; the second register of `all` begins at byte `second`.
  template <int Bits, int Shift, int Count>
  LOWBIT_ALWAYS_INLINE static uint32x4_t spread(const uint8x16x2_t& all, int second) noexcept {
    alignas(16) std::uint8_t index[16];
    for (int i = 0; i < 16; ++i) {
      const int byte = Bits * (i / 4) + Shift + i % 4;
      index[i] = static_cast<std::uint8_t>(i % 4 >= Count ? 255 : byte < 16 ? byte : byte - second + 16);
    }
    return vreinterpretq_u32_u8(vqtbl2q_u8(all, vld1q_u8(index)));
  }
};

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
#endif
