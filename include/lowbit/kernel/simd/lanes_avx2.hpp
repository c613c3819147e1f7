// SPDX-License-Identifier: MIT
#pragma once

#include "lowbit/kernel/simd/code_bits.hpp"

#if LOWBIT_HAS_AVX2
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "lowbit/core/float16.hpp"

/// Eight float lanes. Lives on vpand/vpor (a code becomes a float), vsubps (less its zero point) and vfmadd231ps.

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// Transposes the 8 × 8 floats at `from` (rows `from_stride` apart) to `to` (rows `to_stride` apart).
LOWBIT_ALWAYS_INLINE void transpose_8x8(const float* from, std::size_t from_stride, float* to, std::size_t to_stride) noexcept {
  __m256 row[8], pair[8], quad[8];
  for (std::size_t i = 0; i < 8; ++i) row[i] = _mm256_loadu_ps(from + i * from_stride);
  for (std::size_t i = 0; i < 4; ++i) {
    pair[2 * i] = _mm256_unpacklo_ps(row[2 * i], row[2 * i + 1]);
    pair[2 * i + 1] = _mm256_unpackhi_ps(row[2 * i], row[2 * i + 1]);
  }
  for (std::size_t h = 0; h < 2; ++h)
    for (std::size_t i = 0; i < 2; ++i) {
      quad[4 * h + 2 * i] = _mm256_shuffle_ps(pair[4 * h + i], pair[4 * h + 2 + i], 0x44);
      quad[4 * h + 2 * i + 1] = _mm256_shuffle_ps(pair[4 * h + i], pair[4 * h + 2 + i], 0xee);
    }
  for (std::size_t i = 0; i < 4; ++i) {
    _mm256_storeu_ps(to + i * to_stride, _mm256_permute2f128_ps(quad[i], quad[4 + i], 0x20));
    _mm256_storeu_ps(to + (i + 4) * to_stride, _mm256_permute2f128_ps(quad[i], quad[4 + i], 0x31));
  }
}

struct LanesAvx2 {
  using Float = __m256;
  struct Words {
    __m256i low, high;
  };
  static constexpr std::size_t count = 8;
  static constexpr std::size_t tokens_at_once = 3;  ///< × 4 rows = 12 sums of blocks, 3 activations, 1 weight: 16 registers

  LOWBIT_ALWAYS_INLINE static Float load(const float* p) noexcept { return _mm256_loadu_ps(p); }
  /// A load that stays one: compilers like to repeat a load as an operand of each use, which the load ports pay for.
  LOWBIT_ALWAYS_INLINE static Float load_once(const float* p) noexcept {
    Float v = load(p);
#if defined(__GNUC__)
    __asm__("" : "+x"(v));
#endif
    return v;
  }
  LOWBIT_ALWAYS_INLINE static void store(float* p, Float v) noexcept { _mm256_storeu_ps(p, v); }
  LOWBIT_ALWAYS_INLINE static Float broadcast(float v) noexcept { return _mm256_set1_ps(v); }
  LOWBIT_ALWAYS_INLINE static Float mul(Float a, Float b) noexcept { return _mm256_mul_ps(a, b); }
  LOWBIT_ALWAYS_INLINE static Float add(Float a, Float b) noexcept { return _mm256_add_ps(a, b); }
  LOWBIT_ALWAYS_INLINE static Float sub(Float a, Float b) noexcept { return _mm256_sub_ps(a, b); }
  LOWBIT_ALWAYS_INLINE static Float fma(Float a, Float b, Float c) noexcept { return _mm256_fmadd_ps(a, b, c); }
  LOWBIT_ALWAYS_INLINE static void prefetch(const void* p) noexcept {
    _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0);
  }
  /// Lane j takes table[index[j]], index[j] < 8.
  LOWBIT_ALWAYS_INLINE static Float pick(const float* table, const std::int32_t* index) noexcept {
    return _mm256_permutevar8x32_ps(load(table), _mm256_loadu_si256(reinterpret_cast<const __m256i*>(index)));
  }
  LOWBIT_ALWAYS_INLINE static float sum(Float v) noexcept {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
  }

  /// The lane words of 64 codes; reads exactly 8·Bits bytes.
  template <int Bits>
  LOWBIT_ALWAYS_INLINE static Words words(const std::uint8_t* p) noexcept {
    const auto at = [p](int byte) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + byte)); };
    if constexpr (Bits == 2) {
      return {_mm256_cvtepu16_epi32(at(0)), _mm256_setzero_si256()};
    } else if constexpr (Bits == 3) {
      const __m256i spread = _mm256_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1,  //
                                              4, 5, 6, -1, 7, 8, 9, -1, 10, 11, 12, -1, 13, 14, 15, -1);
      return {_mm256_shuffle_epi8(_mm256_set_m128i(at(8), at(0)), spread), _mm256_setzero_si256()};
    } else if constexpr (Bits == 4) {
      return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)), _mm256_setzero_si256()};
    } else {
      // Lanes 2q and 2q + 1 come from 16 bytes that start at 2·Bits·q; the last pair's from the last 16 bytes.
      constexpr char H = Bits - 4, B = Bits, E = 16 - 2 * Bits, F = 16 - Bits;
      const __m256i first = _mm256_setr_epi8(0, 1, 2, 3, H, H + 1, H + 2, H + 3, B, B + 1, B + 2, B + 3, B + H, B + H + 1,
                                             B + H + 2, B + H + 3, 0, 1, 2, 3, H, H + 1, H + 2, H + 3, B, B + 1, B + 2,
                                             B + 3, B + H, B + H + 1, B + H + 2, B + H + 3);
      const __m256i last = _mm256_setr_epi8(0, 1, 2, 3, H, H + 1, H + 2, H + 3, B, B + 1, B + 2, B + 3, B + H, B + H + 1,
                                            B + H + 2, B + H + 3, E, E + 1, E + 2, E + 3, E + H, E + H + 1, E + H + 2,
                                            E + H + 3, F, F + 1, F + 2, F + 3, F + H, F + H + 1, F + H + 2, F + H + 3);
      const __m256 a = _mm256_castsi256_ps(_mm256_shuffle_epi8(_mm256_set_m128i(at(4 * Bits), at(0)), first));
      const __m256 b = _mm256_castsi256_ps(_mm256_shuffle_epi8(_mm256_set_m128i(at(8 * Bits - 16), at(2 * Bits)), last));
      return {_mm256_castps_si256(_mm256_shuffle_ps(a, b, 0x88)), _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xdd))};
    }
  }

  /// Turns words into floats; holds the constants that this takes.
  template <int Bits>
  struct Decoder {
    using Places = CodePlaces<Bits>;
    __m256i mask[Places::count], exponent[Places::count];
    Float offset[Places::count];

    LOWBIT_ALWAYS_INLINE Decoder() noexcept { fill(std::make_index_sequence<8>{}); }

    /// CodeBits::offset + code K of every lane.
    template <int K>
    LOWBIT_ALWAYS_INLINE Float code(const Words& w) const noexcept {
      using At = CodeBits<Bits, K>;
      constexpr std::size_t i = Places::index(K);
      __m256i v = At::in_high ? w.high : w.low;
      if constexpr (At::shift != 0) v = _mm256_srli_epi32(v, At::shift);
      return _mm256_castsi256_ps(_mm256_or_si256(_mm256_and_si256(v, mask[i]), exponent[i]));
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
        mask[i] = _mm256_set1_epi32(static_cast<int>(At::mask));
        exponent[i] = _mm256_set1_epi32(static_cast<int>(At::exponent));
        offset[i] = broadcast(At::offset);
      }
    }
  };

  /// x of 64 columns, so that vector k holds columns k, 8 + k, 16 + k, …
  LOWBIT_ALWAYS_INLINE static void interleave(const float* x, float* to) noexcept { transpose_8x8(x, 8, to, 8); }

  LOWBIT_ALWAYS_INLINE static void widen(const f16* from, std::size_t n, float* to) noexcept {
    std::size_t i = 0;
    for (; i + 8 <= n; i += 8)
      store(to + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i))));
    for (; i < n; ++i) to[i] = widen(from[i]);
  }
  LOWBIT_ALWAYS_INLINE static float widen(f16 h) noexcept { return _cvtsh_ss(h.bits); }
};

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
#endif
