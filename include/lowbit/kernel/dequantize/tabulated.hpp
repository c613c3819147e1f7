// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "lowbit/core/isa.hpp"
#include "lowbit/kernel/dequantize/runs.hpp"

#if LOWBIT_HAS_AVX2
#include <immintrin.h>
#elif LOWBIT_HAS_NEON
#include <arm_neon.h>
#endif

/// dequantize/scalar.hpp, bit by bit, for quantizers of at most sixteen points that differ from group to group: the group's
/// points are computed once, and looked up eight or sixteen at a time.

namespace lowbit {

template <class Q>
concept TabulatedQuantizer =
    Quantizer<Q> && Q::format_type::dim == 1 && Q::format_type::cardinality <= 16 && requires { Q::tabulated; };

namespace kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// Runs shorter than the table cost less one by one.
inline constexpr std::size_t least_tabulated = 16;

template <TabulatedQuantizer Q>
LOWBIT_ALWAYS_INLINE void fill_points(const Q& q, const point_params_t<Q>& p, float* table) noexcept {
  for (std::size_t c = 0; c < Q::format_type::cardinality; ++c) table[c] = q.dequantize(static_cast<std::uint8_t>(c), p);
}

#if LOWBIT_HAS_AVX2
template <TabulatedQuantizer Q>
isa::avx2 dequantize(isa::avx2, const PackedView<Q>& w, RowRange rows, ColumnRange columns,
                     std::span<float> out) noexcept {
  constexpr bool small = Q::format_type::cardinality <= 8;
  alignas(32) float table[16] = {};
  for_each_run(w, rows, columns, out.data(), [&](const std::uint8_t* codes, std::size_t count, const Q& q, const point_params_t<Q>& p, float* to)
                                        __attribute__((always_inline)) {
    std::size_t i = 0;
    if (count >= least_tabulated) {
      fill_points(q, p, table);
      const __m256 low = _mm256_load_ps(table), high = _mm256_load_ps(table + 8);
      for (; i + 8 <= count; i += 8) {
        const __m256i c = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes + i)));
        __m256 x = _mm256_permutevar8x32_ps(low, c);
        if constexpr (!small)
          x = _mm256_blendv_ps(x, _mm256_permutevar8x32_ps(high, c), _mm256_castsi256_ps(_mm256_slli_epi32(c, 28)));
        _mm256_storeu_ps(to + i, x);
      }
    }
    for (; i < count; ++i) to[i] = q.dequantize(codes[i], p);
  });
  return {};
}
#endif

#if LOWBIT_HAS_AVX512
template <TabulatedQuantizer Q>
isa::avx512 dequantize(isa::avx512, const PackedView<Q>& w, RowRange rows, ColumnRange columns,
                     std::span<float> out) noexcept {
  alignas(64) float table[16] = {};
  for_each_run(w, rows, columns, out.data(), [&](const std::uint8_t* codes, std::size_t count, const Q& q, const point_params_t<Q>& p, float* to)
                                        __attribute__((always_inline)) {
    if (count < least_tabulated) {
      for (std::size_t i = 0; i < count; ++i) to[i] = q.dequantize(codes[i], p);
      return;
    }
    fill_points(q, p, table);
    const __m512 points = _mm512_load_ps(table);
    for (std::size_t i = 0; i < count; i += 16) {
      const __m512i c = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + i)));
      const __m512 x = _mm512_permutexvar_ps(c, points);
      if (count - i >= 16)
        _mm512_storeu_ps(to + i, x);
      else
        _mm512_mask_storeu_ps(to + i, static_cast<__mmask16>((1u << (count - i)) - 1u), x);
    }
  });
  return {};
}
#endif

#if LOWBIT_HAS_NEON
template <TabulatedQuantizer Q>
isa::neon dequantize(isa::neon, const PackedView<Q>& w, RowRange rows, ColumnRange columns,
                     std::span<float> out) noexcept {
  float table[16] = {};
  for_each_run(w, rows, columns, out.data(), [&](const std::uint8_t* codes, std::size_t count, const Q& q, const point_params_t<Q>& p, float* to)
                                        __attribute__((always_inline)) {
    std::size_t i = 0;
    if (count >= least_tabulated) {
      fill_points(q, p, table);
      uint8x16x4_t points;
      for (int k = 0; k < 4; ++k) points.val[k] = vreinterpretq_u8_f32(vld1q_f32(table + 4 * k));
      for (; i + 4 <= count; i += 4) {
        const uint32x4_t c = vmovl_u16(vget_low_u16(vmovl_u8(vld1_u8(codes + i))));
        const uint32x4_t byte = vmlaq_u32(vdupq_n_u32(0x03020100), c, vdupq_n_u32(0x04040404));
        vst1q_f32(to + i, vreinterpretq_f32_u8(vqtbl4q_u8(points, vreinterpretq_u8_u32(byte))));
      }
    }
    for (; i < count; ++i) to[i] = q.dequantize(codes[i], p);
  });
  return {};
}
#endif

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace kernel
}  // namespace lowbit
