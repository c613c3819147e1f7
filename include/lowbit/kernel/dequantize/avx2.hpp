// SPDX-License-Identifier: MIT
#pragma once

#include "lowbit/core/isa.hpp"

#if LOWBIT_HAS_AVX2
#include "lowbit/kernel/dequantize/eights.hpp"
#include "lowbit/kernel/simd/stripe.hpp"

#include <immintrin.h>

/// Eight weights at a time: pdep (codes to bytes), vpmovzxbd and vcvtdq2ps (bytes to floats), then the definition's one
/// subtraction and one product.

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// dequantize/scalar.hpp, bit by bit, for uniform grids of 2 to 8 bits. Groups whose size is not a multiple of 8 take the
/// scalar tile.
template <int B, UniformOptions O>
isa::avx2 dequantize(isa::avx2, const PackedView<Uniform<Int<B>, O>>& w, RowRange rows, ColumnRange columns,
                     std::span<float> out) noexcept {
  if (!lanes_hold_one_group(w.groups())) {
    dequantize(isa::scalar{}, w, rows, columns, out);
    return {};
  }
  for_each_eight(w, rows, columns, out.data(), [](std::uint64_t codes, float scale, float zero_point, float* to)
                                                   LOWBIT_INLINE_LAMBDA {
    const __m256 c = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<long long>(codes))));
    _mm256_storeu_ps(to, _mm256_mul_ps(_mm256_set1_ps(scale), _mm256_sub_ps(c, _mm256_set1_ps(zero_point))));
  });
  return {};
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
#endif
