// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "lowbit/core/isa.hpp"
#include "lowbit/kernel/dequantize/runs.hpp"
#include "lowbit/kernel/simd/level_table.hpp"

/// dequantize/scalar.hpp, bit by bit, for quantizers whose levels fit registers: a tile of codes is unpacked to bytes, then eight or
/// sixteen at a time are widened, turned into points (level_table.hpp), scaled and stored.

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

#if LOWBIT_HAS_AVX2
template <RegisterLevels<32> Q>
isa::avx2 dequantize(isa::avx2, const PackedView<Q>& w, RowRange rows, ColumnRange columns,
                     std::span<float> out) noexcept {
  const LevelTableAvx2<Q> level;
  for_each_run(w, rows, columns, out.data(), [&](const std::uint8_t* codes, std::size_t count, const Q& q, const point_params_t<Q>& p, float* to)
                                        __attribute__((always_inline)) {
    const __m256 scale = _mm256_set1_ps(p.scale);
    std::size_t i = 0;
    for (; i + 8 <= count; i += 8) {
      const __m256i c = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes + i)));
      __m256 x = _mm256_mul_ps(scale, level(c));
      if constexpr (has_offset<Q>) {
        asm("" : "+x"(x));  // no fused multiply-add: the definition rounds the product
        x = _mm256_sub_ps(x, _mm256_set1_ps(p.offset));
      }
      _mm256_storeu_ps(to + i, x);
    }
    for (; i < count; ++i) to[i] = q.dequantize(codes[i], p);
  });
  return {};
}
#endif

#if LOWBIT_HAS_AVX512
template <RegisterLevels<64> Q>
isa::avx512 dequantize(isa::avx512, const PackedView<Q>& w, RowRange rows, ColumnRange columns,
                     std::span<float> out) noexcept {
  const LevelTableAvx512<Q> level;
  for_each_run(w, rows, columns, out.data(), [&](const std::uint8_t* codes, std::size_t count, const Q&, const point_params_t<Q>& p, float* to)
                                        __attribute__((always_inline)) {
    const __m512 scale = _mm512_set1_ps(p.scale);
    for (std::size_t i = 0; i < count; i += 16) {
      const __m512i c = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + i)));
      __m512 x = _mm512_mul_ps(scale, level(c));
      if constexpr (has_offset<Q>) {
        asm("" : "+v"(x));  // no fused multiply-add: the definition rounds the product
        x = _mm512_sub_ps(x, _mm512_set1_ps(p.offset));
      }
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
template <RegisterLevels<64> Q>
isa::neon dequantize(isa::neon, const PackedView<Q>& w, RowRange rows, ColumnRange columns,
                     std::span<float> out) noexcept {
  const LevelTableNeon<Q> level;
  for_each_run(w, rows, columns, out.data(), [&](const std::uint8_t* codes, std::size_t count, const Q& q, const point_params_t<Q>& p, float* to)
                                        __attribute__((always_inline)) {
    std::size_t i = 0;
    for (; i + 8 <= count; i += 8) {
      const uint16x8_t c = vmovl_u8(vld1_u8(codes + i));
      const uint32x4_t half[2] = {vmovl_u16(vget_low_u16(c)), vmovl_u16(vget_high_u16(c))};
      for (std::size_t k = 0; k < 2; ++k) {
        float32x4_t x = vmulq_n_f32(level(half[k]), p.scale);
        if constexpr (has_offset<Q>) {
          asm("" : "+w"(x));  // no fused multiply-add: the definition rounds the product
          x = vsubq_f32(x, vdupq_n_f32(p.offset));
        }
        vst1q_f32(to + i + 4 * k, x);
      }
    }
    for (; i < count; ++i) to[i] = q.dequantize(codes[i], p);
  });
  return {};
}
#endif

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
