// SPDX-License-Identifier: MIT
#pragma once

#include "lowbit/kernel/simd/pairs_avx2.hpp"

#if LOWBIT_HAS_AVX512

/// Pairs of bf16 columns, sixteen rows to a register: one word. With BF16, vdpbf16ps does what two fused multiply-adds do,
/// but for subnormal numbers, which it takes for zeros.

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

struct PairsAvx512 {
  using isa_tag = isa::avx512;
  static constexpr std::size_t rows = 16, strips = 2, most_tokens = 6, pairs_at_once = 8;
  using Pairs = __m512i;
  using Floats = __m512;

  LOWBIT_ALWAYS_INLINE static Pairs load(const std::uint32_t* p) noexcept { return _mm512_loadu_si512(p); }
  LOWBIT_ALWAYS_INLINE static Pairs broadcast2(const std::uint16_t* x) noexcept {
    std::int32_t two;
    std::memcpy(&two, x, 4);
    return _mm512_set1_epi32(two);
  }
  LOWBIT_ALWAYS_INLINE static Floats load_floats(const float* p) noexcept { return _mm512_loadu_ps(p); }
  LOWBIT_ALWAYS_INLINE static void store_floats(float* p, Floats v) noexcept { _mm512_storeu_ps(p, v); }
  LOWBIT_ALWAYS_INLINE static Floats even(Pairs p) noexcept {
    return _mm512_castsi512_ps(_mm512_maskz_slli_epi32(0xffff, p, 16));
  }
  LOWBIT_ALWAYS_INLINE static Floats odd(Pairs p) noexcept {
    return _mm512_castsi512_ps(_mm512_and_si512(p, _mm512_set1_epi32(-65536)));
  }
  LOWBIT_ALWAYS_INLINE static Floats dot(Floats sum, Pairs w, Pairs x) noexcept {
    return _mm512_fmadd_ps(even(w), even(x), _mm512_fmadd_ps(odd(w), odd(x), sum));
  }
  LOWBIT_ALWAYS_INLINE static void interleave(const float* from, std::size_t pitch, std::uint32_t* to) noexcept {
    PairsAvx2::interleave(from, pitch, to);
  }
};

#if LOWBIT_HAS_AVX512_BF16
struct PairsAvx512Bf16 : PairsAvx512 {
  using isa_tag = isa::avx512_bf16;
  static constexpr std::size_t pairs_at_once = 16;
  LOWBIT_ALWAYS_INLINE static Floats dot(Floats sum, Pairs w, Pairs x) noexcept {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(w), reinterpret_cast<__m512bh>(x));
  }
  LOWBIT_ALWAYS_INLINE static void interleave(const float* from, std::size_t pitch, std::uint32_t* to) noexcept {
    __m512i v[16];
    for (std::size_t r = 0; r < 16; ++r) {
      const __m512 low = _mm512_loadu_ps(from + r * pitch), high = _mm512_loadu_ps(from + r * pitch + 16);
      v[r] = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
    }
    transpose(v);
    for (std::size_t p = 0; p < 16; ++p) _mm512_storeu_si512(to + p * 16, v[p]);
  }

 private:
  /// 16 × 16 lanes: within quarters of the registers, then quarters among registers.
  LOWBIT_ALWAYS_INLINE static void transpose(__m512i* v) noexcept {
    constexpr __mmask16 all = 0xffff;
    constexpr __mmask8 wide = 0xff;
    __m512i a[16], b[16];
    for (int i = 0; i < 16; i += 2) {
      a[i] = _mm512_maskz_unpacklo_epi32(all, v[i], v[i + 1]);
      a[i + 1] = _mm512_maskz_unpackhi_epi32(all, v[i], v[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
      b[i] = _mm512_maskz_unpacklo_epi64(wide, a[i], a[i + 2]);
      b[i + 1] = _mm512_maskz_unpackhi_epi64(wide, a[i], a[i + 2]);
      b[i + 2] = _mm512_maskz_unpacklo_epi64(wide, a[i + 1], a[i + 3]);
      b[i + 3] = _mm512_maskz_unpackhi_epi64(wide, a[i + 1], a[i + 3]);
    }
    for (int i = 0; i < 4; ++i) {  // b[i + 4k]: rows 4k … 4k + 3 of columns i, 4 + i, 8 + i and 12 + i
      const __m512i low0 = _mm512_maskz_shuffle_i32x4(all, b[i], b[i + 4], 0x88);
      const __m512i low1 = _mm512_maskz_shuffle_i32x4(all, b[i + 8], b[i + 12], 0x88);
      const __m512i high0 = _mm512_maskz_shuffle_i32x4(all, b[i], b[i + 4], 0xdd);
      const __m512i high1 = _mm512_maskz_shuffle_i32x4(all, b[i + 8], b[i + 12], 0xdd);
      v[i] = _mm512_maskz_shuffle_i32x4(all, low0, low1, 0x88);
      v[i + 4] = _mm512_maskz_shuffle_i32x4(all, high0, high1, 0x88);
      v[i + 8] = _mm512_maskz_shuffle_i32x4(all, low0, low1, 0xdd);
      v[i + 12] = _mm512_maskz_shuffle_i32x4(all, high0, high1, 0xdd);
    }
  }
};
#endif

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
#endif
