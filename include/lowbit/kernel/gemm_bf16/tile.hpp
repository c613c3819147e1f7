// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "lowbit/kernel/gemm_bf16/scalar.hpp"
#include "lowbit/kernel/simd/indices.hpp"
#include "lowbit/kernel/simd/weight_source.hpp"

/// compute::bf16 for every format: a slice of 16 rows at a time is dequantized, rounded and laid out as words of two
/// columns of every row; all tokens are multiplied by it. V is a set of lanes of pairs (PairsAvx2, …).

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

inline constexpr std::size_t pair_rows = 16;  ///< of a word of 64 bytes

inline constexpr std::size_t pair_slice = 512;  ///< columns at a time

/// M tokens times R registers of rows over `pairs` words, added to f.
template <class V, std::size_t M, std::size_t R>
void multiply_pairs(const std::uint32_t* const* words, const std::uint16_t* x, std::size_t pitch, std::size_t pairs,
                    float* f, std::size_t f_pitch) noexcept {
  typename V::Floats sum[M * R];
  for_each_index<M>([&](auto m) LOWBIT_INLINE_LAMBDA {
    for_each_index<R>([&](auto i) LOWBIT_INLINE_LAMBDA { sum[m * R + i] = V::load_floats(f + m * f_pitch + i * V::rows); });
  });
  const std::uint32_t* at[R];
  for_each_index<R>([&](auto i) LOWBIT_INLINE_LAMBDA { at[i] = words[i]; });
  for (std::size_t p = 0; p < pairs; ++p) {
    typename V::Pairs w[R];
    for_each_index<R>([&](auto i) LOWBIT_INLINE_LAMBDA { w[i] = V::load(at[i] + p * pair_rows); });
    for_each_index<M>([&](auto m) LOWBIT_INLINE_LAMBDA {
      const typename V::Pairs a = V::broadcast2(x + m * pitch + 2 * p);
      for_each_index<R>([&](auto i) LOWBIT_INLINE_LAMBDA { sum[m * R + i] = V::dot(sum[m * R + i], w[i], a); });
    });
  }
  for_each_index<M>([&](auto m) LOWBIT_INLINE_LAMBDA {
    for_each_index<R>([&](auto i) LOWBIT_INLINE_LAMBDA { V::store_floats(f + m * f_pitch + i * V::rows, sum[m * R + i]); });
  });
}

/// Two columns of 16 rows to a word, in bf16; rows past `rows` and a column past an odd end are zeros.
template <class V>
void interleave_pairs(const float* from, std::size_t rows, std::size_t columns, std::uint32_t* to) noexcept {
  const std::size_t pairs = columns / 2;
  std::size_t done = 0;
  if (rows == pair_rows)
    for (; done + V::pairs_at_once <= pairs; done += V::pairs_at_once)
      V::interleave(from + 2 * done, columns, to + done * pair_rows);
  for (std::size_t r = 0; r < pair_rows; ++r)
    for (std::size_t p = done; p < (columns + 1) / 2; ++p) {
      std::uint32_t both = 0;
      if (r < rows) {
        both = bf16::encode(from[r * columns + 2 * p]);
        if (2 * p + 1 < columns) both |= static_cast<std::uint32_t>(bf16::encode(from[r * columns + 2 * p + 1])) << 16;
      }
      to[p * pair_rows + r] = both;
    }
}

template <class V>
void gemm_by_pairs(const WeightSource& w, RowRange rows, const Bf16View& x, float* y) noexcept {
  constexpr std::size_t registers = pair_rows / V::rows, strips = V::strips, all = registers * strips;
  constexpr std::size_t at_once = 512, lanes = strips * pair_rows;
  alignas(64) float weights[pair_rows * pair_slice];
  alignas(64) std::uint32_t words[strips][pair_rows * pair_slice / 2 + 80];  // not a power of two apart
  alignas(64) float f[at_once * lanes];
  for (std::size_t first = 0; first < x.tokens; first += at_once) {
    const std::size_t tokens = std::min(at_once, x.tokens - first);
    for (std::size_t row = rows.begin; row < rows.end; row += lanes) {
      std::fill_n(f, tokens * lanes, 0.0f);
      for (std::size_t begin = 0; begin < w.cols; begin += w.slice) {
        const std::size_t end = std::min(w.cols, begin + w.slice);
        const std::uint32_t* at[all];
        for (std::size_t s = 0; s < strips; ++s) {
          const std::size_t low = std::min(rows.end, row + s * pair_rows), high = std::min(rows.end, low + pair_rows);
          w.dequantize(w.view, {low, high}, {begin, end}, weights);
          interleave_pairs<V>(weights, high - low, end - begin, words[s]);
          for (std::size_t i = 0; i < registers; ++i) at[s * registers + i] = words[s] + i * V::rows;
        }
        const std::size_t pairs = (end - begin + 1) / 2;
        const std::uint16_t* a = x.bits.data() + first * x.pitch() + begin;
        float* to = f;
        std::size_t left = tokens;
        const auto tile = [&]<std::size_t M>() {
          multiply_pairs<V, M, all>(at, a, x.pitch(), pairs, to, lanes);
          a += M * x.pitch();
          to += M * lanes;
          left -= M;
        };
        while (left >= V::most_tokens) tile.template operator()<V::most_tokens>();
        if (left >= 4 && V::most_tokens > 4) tile.template operator()<4>();
        while (left >= 2) tile.template operator()<2>();
        if (left != 0) tile.template operator()<1>();
      }
      const std::size_t count = std::min(lanes, rows.end - row);
      for (std::size_t t = 0; t < tokens; ++t) std::copy_n(f + t * lanes, count, y + (first + t) * w.rows + row);
    }
  }
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
