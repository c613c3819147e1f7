// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "lowbit/kernel/dequantize/scalar.hpp"

/// The definition of Ŵ·x, for every Quantizer: float products of ŵ (as `dequantize` gives it) and x, summed in 16 lanes,
/// lane l taking columns l, l + 16, … in order; the lanes are then added in pairs. The order is the same for every number
/// of tokens and every cut of the rows.

#if defined(__GNUC__) && !defined(__clang__)
#define LOWBIT_ONE_BODY __attribute__((noinline, noclone))
#elif defined(__clang__)
#define LOWBIT_ONE_BODY __attribute__((noinline))
#else
#define LOWBIT_ONE_BODY
#endif

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

inline constexpr std::size_t sum_lanes = 16;

/// lanes[i mod 16] += w[i]·x[i]. Never inlined or cloned: one body means one decision on contraction to FMA, hence the
/// same bits for every caller.
LOWBIT_ONE_BODY inline void accumulate(const float* w, const float* x, std::size_t n, float* lanes) noexcept {
  float sum[sum_lanes];
  std::copy(lanes, lanes + sum_lanes, sum);
  std::size_t i = 0;
  for (; i + sum_lanes <= n; i += sum_lanes)
    for (std::size_t l = 0; l < sum_lanes; ++l) sum[l] += w[i + l] * x[i + l];
  for (std::size_t l = 0; i + l < n; ++l) sum[l] += w[i + l] * x[i + l];
  std::copy(sum, sum + sum_lanes, lanes);
}

inline float add_lanes(const float* lanes) noexcept {
  float sum[sum_lanes];
  std::copy(lanes, lanes + sum_lanes, sum);
  for (std::size_t half = sum_lanes / 2; half != 0; half /= 2)
    for (std::size_t l = 0; l < half; ++l) sum[l] += sum[l + half];
  return sum[0];
}

/// y[t·w.rows + r] = Σ_c ŵ(r, c)·x[t·w.cols + c] for the named rows and every token t. Each tile of a row is unpacked once
/// for 64 tokens: codes of vectors cost far more to decode than to multiply.
template <Quantizer Q>
isa::scalar gemm(isa::scalar, const PackedView<Q>& w, RowRange rows, std::span<const float> x, std::span<float> y,
                 std::size_t tokens) noexcept {
  constexpr std::size_t at_once = 64;
  float tile[tile_columns<Q>];
  for (std::size_t r = rows.begin; r < rows.end; ++r)
    for (std::size_t first = 0; first < tokens; first += at_once) {
      const std::size_t count = std::min(at_once, tokens - first);
      float lanes[at_once][sum_lanes];
      for (std::size_t t = 0; t < count; ++t) std::fill_n(lanes[t], sum_lanes, 0.0f);
      for (std::size_t begin = 0; begin < w.cols; begin += tile_columns<Q>) {
        const std::size_t columns = std::min(tile_columns<Q>, w.cols - begin);
        dequantize_tile(w, r, begin, columns, tile);
        for (std::size_t t = 0; t < count; ++t)
          accumulate(tile, x.data() + (first + t) * w.cols + begin, columns, lanes[t]);
      }
      for (std::size_t t = 0; t < count; ++t) y[(first + t) * w.rows + r] = add_lanes(lanes[t]);
    }
  return {};
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
