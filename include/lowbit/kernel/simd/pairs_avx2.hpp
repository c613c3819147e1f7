// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "lowbit/core/isa.hpp"

#if LOWBIT_HAS_AVX2
#include <immintrin.h>

/// Pairs of bf16 columns, eight rows to a register. A bf16 is the upper half of a float, so a shift and a mask give both
/// columns, and two fused multiply-adds their products.

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

struct PairsAvx2 {
  using isa_tag = isa::avx2;
  static constexpr std::size_t rows = 8, strips = 1, most_tokens = 4, pairs_at_once = 8;
  using Pairs = __m256i;
  using Floats = __m256;

  LOWBIT_ALWAYS_INLINE static Pairs load(const std::uint32_t* p) noexcept {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  LOWBIT_ALWAYS_INLINE static Pairs broadcast2(const std::uint16_t* x) noexcept {
    std::int32_t two;
    std::memcpy(&two, x, 4);
    return _mm256_set1_epi32(two);
  }
  LOWBIT_ALWAYS_INLINE static Floats load_floats(const float* p) noexcept { return _mm256_loadu_ps(p); }
  LOWBIT_ALWAYS_INLINE static void store_floats(float* p, Floats v) noexcept { _mm256_storeu_ps(p, v); }
  LOWBIT_ALWAYS_INLINE static Floats even(Pairs p) noexcept { return _mm256_castsi256_ps(_mm256_slli_epi32(p, 16)); }
  LOWBIT_ALWAYS_INLINE static Floats odd(Pairs p) noexcept {
    return _mm256_castsi256_ps(_mm256_and_si256(p, _mm256_set1_epi32(-65536)));
  }
  LOWBIT_ALWAYS_INLINE static Floats dot(Floats sum, Pairs w, Pairs x) noexcept {
    return _mm256_fmadd_ps(even(w), even(x), _mm256_fmadd_ps(odd(w), odd(x), sum));
  }
  /// Eight values as bf16, each in the low half of a lane.
  LOWBIT_ALWAYS_INLINE static __m256i rounded(__m256 v) noexcept {
    const __m256i u = _mm256_castps_si256(v);
    const __m256i up = _mm256_add_epi32(_mm256_set1_epi32(0x7fff), _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1)));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    return _mm256_srli_epi32(_mm256_blendv_epi8(_mm256_add_epi32(u, up), _mm256_or_si256(u, _mm256_set1_epi32(0x400000)), nan), 16);
  }
  /// Eight pairs of 16 rows, `pitch` floats apart, to eight words.
  LOWBIT_ALWAYS_INLINE static void interleave(const float* from, std::size_t pitch, std::uint32_t* to) noexcept {
    for (std::size_t half = 0; half < 2; ++half) {
      __m256i v[8];
      for (std::size_t r = 0; r < 8; ++r) {
        const float* const row = from + (8 * half + r) * pitch;
        const __m256i two = _mm256_packus_epi32(rounded(_mm256_loadu_ps(row)), rounded(_mm256_loadu_ps(row + 8)));
        v[r] = _mm256_permute4x64_epi64(two, 0xd8);
      }
      transpose(v);
      for (std::size_t p = 0; p < 8; ++p)
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + p * 16 + 8 * half), v[p]);
    }
  }

 private:
  LOWBIT_ALWAYS_INLINE static void transpose(__m256i* v) noexcept {
    __m256i a[8], b[8];
    for (int i = 0; i < 8; i += 2) {
      a[i] = _mm256_unpacklo_epi32(v[i], v[i + 1]);
      a[i + 1] = _mm256_unpackhi_epi32(v[i], v[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
      b[i] = _mm256_unpacklo_epi64(a[i], a[i + 2]);
      b[i + 1] = _mm256_unpackhi_epi64(a[i], a[i + 2]);
      b[i + 2] = _mm256_unpacklo_epi64(a[i + 1], a[i + 3]);
      b[i + 3] = _mm256_unpackhi_epi64(a[i + 1], a[i + 3]);
    }
    for (int i = 0; i < 4; ++i) {
      v[i] = _mm256_permute2x128_si256(b[i], b[i + 4], 0x20);
      v[i + 4] = _mm256_permute2x128_si256(b[i], b[i + 4], 0x31);
    }
  }
};

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
#endif
