// SPDX-License-Identifier: MIT
#pragma once

#include "lowbit/kernel/int8_activations/scalar.hpp"

#if LOWBIT_HAS_AVX512
#include <immintrin.h>

#include <cstring>

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// Lives on vpmaxud (over the bits of magnitudes), vcvtps2dq with its own rounding mode, and vpmovdb.
inline float quantize_token(isa::avx512, const Int8Shape& shape, const float* x, std::int8_t* codes,
                            std::int32_t* sums) noexcept {
  const auto tail = [](std::size_t n) { return static_cast<__mmask16>((1u << n) - 1u); };
  const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
  __m512i most[4] = {};
  std::size_t at = 0;
  for (; at + 64 <= shape.cols; at += 64)
    for (std::size_t k = 0; k < 4; ++k)
      most[k] = _mm512_maskz_max_epu32(0xffff, most[k], _mm512_and_si512(magnitude, _mm512_loadu_si512(x + at + 16 * k)));
  for (; at < shape.cols; at += 16) {
    const __mmask16 some = shape.cols - at >= 16 ? static_cast<__mmask16>(0xffffu) : tail(shape.cols - at);
    most[0] = _mm512_maskz_max_epu32(0xffff, most[0], _mm512_and_si512(magnitude, _mm512_maskz_loadu_epi32(some, x + at)));
  }
  const __m512i top = _mm512_maskz_max_epu32(0xffff, _mm512_maskz_max_epu32(0xffff, most[0], most[1]),
                                             _mm512_maskz_max_epu32(0xffff, most[2], most[3]));
  const Int8Scale s = int8_scale(_mm512_reduce_max_epu32(top));
  const __m512 inverse = _mm512_set1_ps(s.inverse);
  const auto code = [&](__m512 v) {
    constexpr __mmask16 all = 0xffff;
    return _mm512_maskz_cvt_roundps_epi32(all, _mm512_mul_ps(v, inverse), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  };
  const bool zero = s.inverse == 0.0f;
  if (zero || shape.runs() == 0) std::memset(codes, 0, shape.pitch());
  for (std::size_t i = 0; i < shape.runs(); ++i) {
    sums[i] = shape.kept(0);
    if (zero) continue;
    const std::size_t begin = i * shape.run, count = std::min(shape.run, shape.cols - begin);
    const float* from = x + begin;
    std::int8_t* to = codes + i * shape.run_stride;
    __m512i sum = _mm512_setzero_si512();
    std::size_t c = 0;
    for (; c + 16 <= count; c += 16) {
      const __m512i here = code(_mm512_loadu_ps(from + c));
      sum = _mm512_add_epi32(sum, here);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + c), _mm512_maskz_cvtepi32_epi8(0xffff, here));
    }
    if (c < count) {
      const __mmask16 some = tail(count - c);
      const __m512i here = code(_mm512_maskz_loadu_ps(some, from + c));
      sum = _mm512_add_epi32(sum, here);
      _mm_mask_storeu_epi8(to + c, some, _mm512_maskz_cvtepi32_epi8(0xffff, here));
    }
    const std::size_t padded = i + 1 == shape.runs() ? shape.pitch() - i * shape.run_stride : shape.run_stride;
    if (padded != count) std::memset(to + count, 0, padded - count);
    sums[i] = shape.kept(_mm512_reduce_add_epi32(sum));
  }
  return s.scale;
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
#endif
