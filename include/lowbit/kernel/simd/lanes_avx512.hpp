// SPDX-License-Identifier: MIT
#pragma once

#include "lowbit/kernel/simd/lanes_avx2.hpp"

#if LOWBIT_HAS_AVX512

/// Sixteen float lanes. Lives on vpternlogd (a code becomes a float), vsubps (less its zero point) and vfmadd231ps.

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

struct LanesAvx512 {
  using Float = __m512;
  struct Words {
    __m512i low, high;
  };
  static constexpr std::size_t count = 16;
  static constexpr std::size_t tokens_at_once = 3;  ///< × 4 rows = 12 sums of blocks, 12 of stripes, 3 activations, 1 weight: 28 registers

  LOWBIT_ALWAYS_INLINE static Float load(const float* p) noexcept { return _mm512_loadu_ps(p); }
  /// A load that stays one: compilers like to repeat a load as an operand of each use, which the load ports pay for.
  LOWBIT_ALWAYS_INLINE static Float load_once(const float* p) noexcept {
    Float v = load(p);
#if defined(__GNUC__)
    __asm__("" : "+v"(v));
#endif
    return v;
  }
  LOWBIT_ALWAYS_INLINE static void store(float* p, Float v) noexcept { _mm512_storeu_ps(p, v); }
  LOWBIT_ALWAYS_INLINE static Float broadcast(float v) noexcept { return _mm512_set1_ps(v); }
  LOWBIT_ALWAYS_INLINE static Float mul(Float a, Float b) noexcept { return _mm512_mul_ps(a, b); }
  LOWBIT_ALWAYS_INLINE static Float add(Float a, Float b) noexcept { return _mm512_add_ps(a, b); }
  LOWBIT_ALWAYS_INLINE static Float sub(Float a, Float b) noexcept { return _mm512_sub_ps(a, b); }
  LOWBIT_ALWAYS_INLINE static Float fma(Float a, Float b, Float c) noexcept { return _mm512_fmadd_ps(a, b, c); }
  LOWBIT_ALWAYS_INLINE static void prefetch(const void* p) noexcept { LanesAvx2::prefetch(p); }
  /// Lane j takes table[index[j]], index[j] < 16.
  LOWBIT_ALWAYS_INLINE static Float pick(const float* table, const std::int32_t* index) noexcept {
    return _mm512_maskz_permutexvar_ps(0xffff, _mm512_loadu_si512(index), load(table));
  }
  LOWBIT_ALWAYS_INLINE static float sum(Float v) noexcept {
    return LanesAvx2::sum(_mm256_add_ps(_mm512_maskz_extractf32x8_ps(0xff, v, 0), _mm512_maskz_extractf32x8_ps(0xff, v, 1)));
  }

  /// The lane words of 128 codes; reads exactly 16·Bits bytes.
  template <int Bits>
  LOWBIT_ALWAYS_INLINE static Words words(const std::uint8_t* p) noexcept {
    if constexpr (Bits == 2) {
      return {_mm512_maskz_cvtepu16_epi32(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))), _mm512_setzero_si512()};
    } else if constexpr (Bits == 3) {
      const __m512i quarter = _mm512_setr_epi32(0, 1, 2, 2, 3, 4, 5, 5, 6, 7, 8, 8, 9, 10, 11, 11);
      const __m512i spread = repeat(_mm_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1));
      const __m512i packed = _mm512_maskz_loadu_epi32(0x0fff, p);
      return {_mm512_shuffle_epi8(_mm512_maskz_permutexvar_epi32(0xffff, quarter, packed), spread), _mm512_setzero_si512()};
    } else if constexpr (Bits == 4) {
      return {_mm512_loadu_si512(p), _mm512_setzero_si512()};
    } else {
      const __m512i a = pairs<Bits>(p), b = pairs<Bits>(p + 8 * Bits);
      const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
      const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
      return {_mm512_permutex2var_epi32(a, even, b), _mm512_permutex2var_epi32(a, odd, b)};
    }
  }

  /// Turns words into floats; holds the constants that this takes, in registers.
  template <int Bits>
  struct Decoder {
    using Places = CodePlaces<Bits>;
    __m512i mask[Places::count], exponent[Places::count];
    Float offset[Places::count];

    LOWBIT_ALWAYS_INLINE Decoder() noexcept { fill(std::make_index_sequence<8>{}); }

    /// CodeBits::offset + code K of every lane.
    template <int K>
    LOWBIT_ALWAYS_INLINE Float code(const Words& w) const noexcept {
      using At = CodeBits<Bits, K>;
      constexpr std::size_t i = Places::index(K);
      __m512i v = At::in_high ? w.high : w.low;
      if constexpr (At::shift != 0) v = _mm512_maskz_srli_epi32(0xffff, v, At::shift);
      constexpr int and_or = 0xea;  // (v & mask) | exponent
      return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(v, mask[i], exponent[i], and_or));
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
        mask[i] = _mm512_set1_epi32(static_cast<int>(At::mask));
        exponent[i] = _mm512_set1_epi32(static_cast<int>(At::exponent));
        offset[i] = broadcast(At::offset);
#if defined(__GNUC__)
        // Without this the compiler makes each constant anew in the loop, on the port of the shuffles.
        __asm__("" : "+v"(mask[i]), "+v"(exponent[i]));
#endif
      }
    }
  };

  /// x of 128 columns, so that vector k holds columns k, 8 + k, 16 + k, …
  LOWBIT_ALWAYS_INLINE static void interleave(const float* x, float* to) noexcept {
    transpose_8x8(x, 8, to, 16);
    transpose_8x8(x + 64, 8, to + 8, 16);
  }

  LOWBIT_ALWAYS_INLINE static void widen(const f16* from, std::size_t n, float* to) noexcept {
    LanesAvx2::widen(from, n, to);
  }
  LOWBIT_ALWAYS_INLINE static float widen(f16 h) noexcept { return LanesAvx2::widen(h); }

 private:
  LOWBIT_ALWAYS_INLINE static __m512i repeat(__m128i v) noexcept { return _mm512_maskz_broadcast_i32x4(0xffff, v); }

  /// Eight lanes of Bits bytes each as pairs (first four bytes, last four bytes); reads exactly 8·Bits bytes.
  template <int Bits>
  LOWBIT_ALWAYS_INLINE static __m512i pairs(const std::uint8_t* p) noexcept {
    if constexpr (Bits == 8) {
      return _mm512_loadu_si512(p);
    } else {
      // Two lanes are Bits 16-bit words: bring words Bits·q … to quarter q, then spread the bytes.
      constexpr short B = Bits;
      const __m512i quarter = _mm512_set_epi16(
          3 * B + 7, 3 * B + 6, 3 * B + 5, 3 * B + 4, 3 * B + 3, 3 * B + 2, 3 * B + 1, 3 * B, 2 * B + 7, 2 * B + 6,
          2 * B + 5, 2 * B + 4, 2 * B + 3, 2 * B + 2, 2 * B + 1, 2 * B, B + 7, B + 6, B + 5, B + 4, B + 3, B + 2, B + 1, B,
          7, 6, 5, 4, 3, 2, 1, 0);
      constexpr char C = Bits, H = Bits - 4;
      const __m512i spread = repeat(_mm_setr_epi8(0, 1, 2, 3, H, H + 1, H + 2, H + 3, C, C + 1, C + 2, C + 3, C + H,
                                                  C + H + 1, C + H + 2, C + H + 3));
      const __m512i packed = _mm512_maskz_loadu_epi16((1u << (4 * Bits)) - 1u, p);
      return _mm512_shuffle_epi8(_mm512_permutexvar_epi16(quarter, packed), spread);
    }
  }
};

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
#endif
