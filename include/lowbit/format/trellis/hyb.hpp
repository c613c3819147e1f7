// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/trellis/hyb_table.hpp"

#if LOWBIT_HAS_AVX2
#include <immintrin.h>
#endif

namespace lowbit::trellis {

/// HYB: a state's point in the plane is looked up by a hash of the state, and one bit of the hash flips its first
/// component.
///
///   h      state·(state + 1)
///   entry  bits [15 − Q, 15) of h
///   point  table[entry], its first component negated where bit 15 of h is set
///
///   Q      bits of the table's index; 9, the published size (4 KiB of floats), is the one there is a table for
///
/// The table is a constant of this library, made as the paper says (hyb_table.hpp); the authors' has other draws, so
/// codes are not interchangeable with theirs. Source: Tseng et al., "QTIP", arXiv:2406.11235.
template <int Q = 9>
struct Hyb {
  static_assert(Q == 9, "trellis::Hyb has a table of 2^9 points.");
  static constexpr std::size_t dim = 2;
  static constexpr int max_state_bits = 16;
  static constexpr std::string_view name = "hyb";
  static constexpr float rms = 0.96825f;

  LOWBIT_ALWAYS_INLINE static constexpr void value(std::uint32_t state, std::span<float, 2> y) noexcept {
    const std::uint32_t h = state * (state + 1u);
    const std::size_t entry = (h >> (15 - Q)) & ((1u << Q) - 1u);
    const float first = detail::hyb_points[2 * entry];
    y[0] = (h & 0x8000u) != 0 ? -first : first;
    y[1] = detail::hyb_points[2 * entry + 1];
  }

#if LOWBIT_HAS_AVX2
  LOWBIT_ALWAYS_INLINE static void values(isa::avx2, __m256i states, __m256 (&y)[2]) noexcept {
    const __m256i h = _mm256_mullo_epi32(states, _mm256_add_epi32(states, _mm256_set1_epi32(1)));
    const __m256i entry = _mm256_and_si256(_mm256_srli_epi32(h, 15 - Q), _mm256_set1_epi32((1 << Q) - 1));
    const __m256i sign = _mm256_and_si256(_mm256_slli_epi32(h, 16), _mm256_set1_epi32(static_cast<int>(0x80000000u)));
    const float* const from = detail::hyb_points.data();
    y[0] = _mm256_xor_ps(_mm256_i32gather_ps(from, entry, 8), _mm256_castsi256_ps(sign));
    y[1] = _mm256_i32gather_ps(from + 1, entry, 8);
  }
#endif
#if LOWBIT_HAS_AVX512
  LOWBIT_ALWAYS_INLINE static void values(isa::avx512, __m512i states, __m512 (&y)[2]) noexcept {
    const __m512i h = _mm512_mullo_epi32(states, _mm512_add_epi32(states, _mm512_set1_epi32(1)));
    const __m512i entry = _mm512_and_si512(_mm512_srli_epi32(h, 15 - Q), _mm512_set1_epi32((1 << Q) - 1));
    const __m512i sign = _mm512_and_si512(_mm512_slli_epi32(h, 16), _mm512_set1_epi32(static_cast<int>(0x80000000u)));
    const float* const from = detail::hyb_points.data();
    y[0] = _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(_mm512_i32gather_ps(entry, from, 8)), sign));
    y[1] = _mm512_i32gather_ps(entry, from + 1, 8);
  }
#endif
};

}  // namespace lowbit::trellis
