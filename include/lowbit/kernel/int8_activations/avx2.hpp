// SPDX-License-Identifier: MIT
#pragma once

#include <cstring>

#include "lowbit/kernel/int8_activations/scalar.hpp"

#if LOWBIT_HAS_AVX2
#include <immintrin.h>

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// Lives on vpmaxud (over the bits of magnitudes), vroundps with its own rounding mode, and vpackssdw, vpacksswb.
inline float quantize_token(isa::avx2, const Int8Shape& shape, const float* x, std::int8_t* codes,
                            std::int32_t* sums) noexcept {
  const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
  __m256i most = _mm256_setzero_si256();
  std::size_t c = 0;
  for (; c + 8 <= shape.cols; c += 8)
    most = _mm256_max_epu32(
        most, _mm256_and_si256(magnitude, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + c))));
  std::uint32_t lanes[8];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), most);
  std::uint32_t largest = *std::max_element(lanes, lanes + 8);
  for (; c < shape.cols; ++c) largest = std::max(largest, std::bit_cast<std::uint32_t>(x[c]) & 0x7fffffffu);
  const Int8Scale s = int8_scale(largest);
  const __m256 inverse = _mm256_set1_ps(s.inverse);
  const auto round8 = [&](const float* from) {
    const __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps(from), inverse);
    return _mm256_cvttps_epi32(_mm256_round_ps(scaled, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  };
  for (std::size_t i = 0; i < shape.runs(); ++i) {
    const std::size_t begin = i * shape.run, count = std::min(shape.run, shape.cols - begin);
    std::int8_t* to = codes + i * shape.run_stride;
    const float* from = x + begin;
    std::memset(to, 0, i + 1 == shape.runs() ? shape.pitch() - i * shape.run_stride : shape.run_stride);
    std::int32_t rest = 0;
    __m256i sum = _mm256_setzero_si256();
    if (s.inverse != 0.0f) {
      std::size_t k = 0;
      for (; k + 16 <= count; k += 16) {
        const __m256i a = round8(from + k), b = round8(from + k + 8);
        sum = _mm256_add_epi32(sum, _mm256_add_epi32(a, b));
        const __m256i pairs = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to + k),
                         _mm_packs_epi16(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1)));
      }
      for (; k < count; ++k) {
        const auto code = static_cast<std::int32_t>(round_half_even(from[k] * s.inverse));
        to[k] = static_cast<std::int8_t>(code);
        rest += code;
      }
    }
    std::int32_t parts[8];
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(parts), sum);
    for (const std::int32_t part : parts) rest += part;
    sums[i] = shape.kept(rest);
  }
  if (shape.runs() == 0) std::memset(codes, 0, shape.pitch());
  return s.scale;
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
#endif
