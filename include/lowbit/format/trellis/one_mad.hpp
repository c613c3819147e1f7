// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "lowbit/core/isa.hpp"

#if LOWBIT_HAS_AVX2
#include <immintrin.h>
#endif

namespace lowbit::trellis {

/// 1MAD: a state's value is the sum of the four bytes of a linear congruence, nearly normal with variance 1.
///
///   x      state·34038481 + 76625530 mod 2^32
///   value  (sum of the bytes of x − 510) · (1 / 147.800537109375), −3.45 … 3.45
///
/// Computed, never stored. Ours multiplies by the reciprocal rounded to float, one unit in the last place at most from
/// the published quotient. Source: Tseng et al., "QTIP", arXiv:2406.11235.
struct OneMad {
  static constexpr std::size_t dim = 1;
  static constexpr int max_state_bits = 16;
  static constexpr std::string_view name = "1mad";
  static constexpr float rms = 1.0f;
  static constexpr float step = 1.0f / 147.800537109375f;

  static void value(std::uint32_t state, std::span<float, 1> y) noexcept { y[0] = value(state); }
  LOWBIT_ALWAYS_INLINE static constexpr float value(std::uint32_t state) noexcept {
    const std::uint32_t x = state * 34038481u + 76625530u;
    const std::uint32_t sum = (x & 0xffu) + ((x >> 8) & 0xffu) + ((x >> 16) & 0xffu) + (x >> 24);
    return static_cast<float>(static_cast<std::int32_t>(sum) - 510) * step;
  }

#if LOWBIT_HAS_AVX2
  /// The values of eight states. `vpmaddubsw` against ones adds neighbouring bytes (at most 510, no saturation),
  /// `vpmaddwd` the two pairs.
  LOWBIT_ALWAYS_INLINE static void values(isa::avx2, __m256i states, __m256 (&y)[1]) noexcept {
    const __m256i x =
        _mm256_add_epi32(_mm256_mullo_epi32(states, _mm256_set1_epi32(34038481)), _mm256_set1_epi32(76625530));
    const __m256i sum = _mm256_madd_epi16(_mm256_maddubs_epi16(x, _mm256_set1_epi8(1)), _mm256_set1_epi16(1));
    y[0] = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(sum, _mm256_set1_epi32(510))), _mm256_set1_ps(step));
  }
#endif
#if LOWBIT_HAS_AVX512
  LOWBIT_ALWAYS_INLINE static void values(isa::avx512, __m512i states, __m512 (&y)[1]) noexcept {
    const __m512i x =
        _mm512_add_epi32(_mm512_mullo_epi32(states, _mm512_set1_epi32(34038481)), _mm512_set1_epi32(76625530));
    const __m512i sum = _mm512_madd_epi16(_mm512_maddubs_epi16(x, _mm512_set1_epi8(1)), _mm512_set1_epi16(1));
    y[0] = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(sum, _mm512_set1_epi32(510))), _mm512_set1_ps(step));
  }
#endif
};

}  // namespace lowbit::trellis
