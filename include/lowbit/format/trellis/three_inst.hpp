// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "lowbit/core/float16.hpp"
#include "lowbit/core/isa.hpp"

#if LOWBIT_HAS_AVX2
#include <immintrin.h>
#endif

namespace lowbit::trellis {

/// 3INST: a state's value is the sum of two half floats whose signs, low exponent bits and fractions are the bits of a
/// linear congruence.
///
///   x      state·89226354 + 64248484 mod 2^32
///   r      (x & 0x8fff8fff) xor 0x3b603b60
///   value  f16(high half of r) + f16(low half of r), summed in float, where it is exact (published: in half)
///
/// Computed, never stored. The exponent fields of r are 12 … 15, so |value| < 4.
/// Source: Tseng et al., "QTIP", arXiv:2406.11235.
struct ThreeInst {
  static constexpr std::size_t dim = 1;
  static constexpr int max_state_bits = 16;
  static constexpr std::string_view name = "3inst";
  static constexpr float rms = 1.2437f;

  static void value(std::uint32_t state, std::span<float, 1> y) noexcept { y[0] = value(state); }
  LOWBIT_ALWAYS_INLINE static constexpr float value(std::uint32_t state) noexcept {
    const std::uint32_t r = bits(state);
    return f16::decode(static_cast<std::uint16_t>(r >> 16)) + f16::decode(static_cast<std::uint16_t>(r));
  }

#if LOWBIT_HAS_AVX2
  /// The values of eight states. `vcvtph2ps` on the halves of r, gathered by a byte shuffle.
  LOWBIT_ALWAYS_INLINE static void values(isa::avx2, __m256i states, __m256 (&y)[1]) noexcept {
    const __m256i x =
        _mm256_add_epi32(_mm256_mullo_epi32(states, _mm256_set1_epi32(89226354)), _mm256_set1_epi32(64248484));
    const __m256i r = _mm256_xor_si256(_mm256_and_si256(x, _mm256_set1_epi32(static_cast<int>(0x8fff8fffu))),
                                       _mm256_set1_epi32(0x3b603b60));
    const __m256i apart = _mm256_permute4x64_epi64(
        _mm256_shuffle_epi8(r, _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15,  //
                                                0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15)),
        0xd8);  // the low halves, then the high ones
    y[0] = _mm256_add_ps(_mm256_cvtph_ps(_mm256_extracti128_si256(apart, 1)),
                         _mm256_cvtph_ps(_mm256_castsi256_si128(apart)));
  }
#endif
#if LOWBIT_HAS_AVX512
  LOWBIT_ALWAYS_INLINE static void values(isa::avx512, __m512i states, __m512 (&y)[1]) noexcept {
    const __m512i x =
        _mm512_add_epi32(_mm512_mullo_epi32(states, _mm512_set1_epi32(89226354)), _mm512_set1_epi32(64248484));
    const __m512i r = _mm512_xor_si512(_mm512_and_si512(x, _mm512_set1_epi32(static_cast<int>(0x8fff8fffu))),
                                       _mm512_set1_epi32(0x3b603b60));
    y[0] = _mm512_add_ps(_mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(r, 16))),
                         _mm512_cvtph_ps(_mm512_cvtepi32_epi16(r)));
  }
#endif

 private:
  static constexpr std::uint32_t bits(std::uint32_t state) noexcept {
    return ((state * 89226354u + 64248484u) & 0x8fff8fffu) ^ 0x3b603b60u;
  }
};

}  // namespace lowbit::trellis
