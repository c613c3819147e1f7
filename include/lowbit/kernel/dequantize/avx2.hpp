// SPDX-License-Identifier: MIT
#pragma once

#include "lowbit/core/isa.hpp"

#if LOWBIT_HAS_AVX2
#include "lowbit/kernel/simd/stripe.hpp"
#include "lowbit/pack/spread.hpp"

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
  const Groups groups = w.groups();
  if (!lanes_hold_one_group(groups)) {
    dequantize(isa::scalar{}, w, rows, columns, out);
    return {};
  }
  float* to = out.data();
  for (std::size_t r = rows.begin; r < rows.end; ++r) {
    const std::uint8_t* from = w.row_codes(r).data() + columns.begin / 8 * B;
    for (std::size_t begin = columns.begin; begin < columns.end;) {
      const std::size_t g = groups.of_column(begin), end = std::min(columns.end, groups.end(g));
      const auto p = w.group_params(r, g);
      const __m256 scale = _mm256_set1_ps(p.scale), zero_point = _mm256_set1_ps(p.zero_point);
      std::size_t count = end - begin;
      for (; count >= 8; count -= 8, to += 8, from += B) {
        const std::uint64_t codes = pack::spread_to_bytes<B>(pack::load_word<B>(from));
        const __m256 c = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<long long>(codes))));
        _mm256_storeu_ps(to, _mm256_mul_ps(scale, _mm256_sub_ps(c, zero_point)));
      }
      if (count != 0) {  // the end of the columns
        const std::size_t bytes = ceil_div(count * static_cast<std::size_t>(B), 8);
        const std::uint64_t codes = pack::spread_to_bytes<B>(pack::load_word(from, bytes));
        for (std::size_t i = 0; i < count; ++i)
          *to++ = w.quantizer.dequantize(static_cast<std::uint8_t>(codes >> (8 * i)), p);
      }
      begin = end;
    }
  }
  return {};
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
#endif
