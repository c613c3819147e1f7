// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

#include "lowbit/kernel/bf16_activations.hpp"
#include "lowbit/kernel/dequantize.hpp"

/// The definition of Ŵ·x in compute::bf16, for every Quantizer: weights as `dequantize` gives them, rounded to bf16; for
/// each pair of columns, from the left, a fused multiply-add of the odd column and then one of the even column, in float.

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

template <Quantizer Q>
isa::scalar gemm(isa::scalar, const PackedView<Q>& w, RowRange rows, const Bf16View& x, std::span<float> y) noexcept {
  const auto rounded = [](float v) { return static_cast<float>(bf16(v)); };
  float tile[tile_columns<Q>];
  for (std::size_t r = rows.begin; r < rows.end; ++r) {
    for (std::size_t t = 0; t < x.tokens; ++t) y[t * w.rows + r] = 0.0f;
    for (std::size_t begin = 0; begin < w.cols; begin += tile_columns<Q>) {
      const std::size_t count = std::min(tile_columns<Q>, w.cols - begin);
      dequantize_tile(w, r, begin, count, tile);
      for (std::size_t t = 0; t < x.tokens; ++t) {
        const std::uint16_t* const a = x.bits.data() + t * x.pitch() + begin;
        float& sum = y[t * w.rows + r];
        for (std::size_t c = 0; c < count; c += 2) {
          if (c + 1 < count) sum = std::fma(rounded(tile[c + 1]), bf16::decode(a[c + 1]), sum);
          sum = std::fma(rounded(tile[c]), bf16::decode(a[c]), sum);
        }
      }
    }
  }
  return {};
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
