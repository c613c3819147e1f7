// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "lowbit/kernel/gemm_int8/slices.hpp"
#include "lowbit/kernel/int8_activations.hpp"
#include "lowbit/kernel/row_range.hpp"
#include "lowbit/kernel/simd/weight_source.hpp"

/// compute::int8 for every format as it is stored, vectors and trellises among them: weights are dequantized and become
/// int8 themselves, with one scale for 32 columns of a row.
///
///   run    s = max|ŵ| / 127, b = ŵ · (127 / max|ŵ|) to nearest, ties to even (int8_activations/scalar.hpp)
///          n = Σ (b + 128)·a − 128·Σ a, exact in 32 bits;  f = fma(s, n, f)
///   token  y = f · (scale of the token)
///
/// Runs from the left; all instruction sets, batches and cuts of the rows give the same bits.

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

inline constexpr std::size_t requantized_run = 32, requantized_slice = 1024;

template <Quantizer Q>
isa::scalar gemm(isa::scalar, const PackedView<Q>& w, RowRange rows, const Int8View& x, std::span<float> y) noexcept {
  constexpr Int8Shape one{.cols = requantized_run, .run = requantized_run, .run_stride = requantized_run};
  const WeightSource source = weight_source<isa::scalar, requantized_run, requantized_slice>(w);
  float slice[requantized_slice];
  for (std::size_t r = rows.begin; r < rows.end; ++r) {
    for (std::size_t t = 0; t < x.tokens; ++t) y[t * w.rows + r] = 0.0f;
    for (std::size_t begin = 0; begin < w.cols; begin += source.slice) {
      const std::size_t end = std::min(w.cols, begin + source.slice);
      std::fill_n(slice, requantized_slice, 0.0f);
      source.dequantize(source.view, {r, r + 1}, {begin, end}, slice);
      for (std::size_t column = begin; column < end; column += requantized_run) {
        std::int8_t codes[one.pitch()];
        std::int32_t sum;
        const float scale = quantize_token(isa::scalar{}, one, slice + (column - begin), codes, &sum);
        const std::size_t run = column / requantized_run;
        for (std::size_t t = 0; t < x.tokens; ++t) {
          const std::int8_t* const a = x.codes.data() + t * x.shape.pitch() + column;
          std::int32_t n = x.sums[t * x.shape.runs() + run];
          for (std::size_t c = 0; c < requantized_run; ++c) n += (codes[c] + 128) * a[c];
          float& f = y[t * w.rows + r];
          f = std::fma(scale, static_cast<float>(n), f);
        }
      }
    }
    for (std::size_t t = 0; t < x.tokens; ++t) y[t * w.rows + r] *= x.scales[t];
  }
  return {};
}

template <class V>
void gemm_by_requantizing(const WeightSource& w, RowRange rows, const Int8View& x, float* y) noexcept {
  constexpr std::size_t registers = TileSizes<V>::registers, panels = TileSizes<V>::panels, all = registers * panels;
  constexpr std::size_t at_once = 512, lanes = panels * panel_rows, runs_at_once = requantized_slice / requantized_run;
  alignas(64) float slice[requantized_slice];
  static_assert(requantized_slice <= Slice<V>::columns);
  Slice<V> decoded;
  alignas(64) float scales[panels][runs_at_once][panel_rows];
  alignas(64) float f[at_once * lanes];
  for (std::size_t first = 0; first < x.tokens; first += at_once) {
    const std::size_t tokens = std::min(at_once, x.tokens - first);
    for (std::size_t row = rows.begin; row < rows.end; row += lanes) {
      const std::size_t count = std::min(lanes, rows.end - row);
      std::fill_n(f, tokens * lanes, 0.0f);
      for (std::size_t begin = 0; begin < w.cols; begin += w.slice) {
        const std::size_t end = std::min(w.cols, begin + w.slice), runs = ceil_div(end - begin, requantized_run);
        for (std::size_t r = 0; r < lanes; ++r) {
          const std::size_t p = r / panel_rows, lane = r % panel_rows;
          if (r < count) {
            w.dequantize(w.view, {row + r, row + r + 1}, {begin, end}, slice);
            std::fill(slice + (end - begin), slice + runs * requantized_run, 0.0f);
          }
          for (std::size_t i = 0; i < runs; ++i) {
            alignas(32) std::uint8_t run[requantized_run] = {};
            scales[p][i][lane] = r < count ? V::to_bytes(slice + i * requantized_run, run) : 0.0f;
            for (std::size_t k = 0; k < requantized_run / 4; ++k)
              std::memcpy(decoded.bytes[p] + (i * requantized_run / 4 + k) * word_bytes + 4 * lane, run + 4 * k, 4);
          }
        }
        TileArguments t{};
        decoded.point(t);
        for (std::size_t i = 0; i < all; ++i) t.scales[i] = scales[i / registers][0] + V::rows * (i % registers);
        t.x = x.codes.data() + first * x.shape.pitch() + begin;
        t.x_pitch = x.shape.pitch();
        t.run_stride = requantized_run;
        t.sums = x.sums.data() + first * x.shape.runs() + begin / requantized_run;
        t.sums_pitch = x.shape.runs();
        t.runs = runs;
        t.blocks = t.last_blocks = requantized_run / PanelCodes<8>::columns;
        t.f = f;
        t.f_pitch = lanes;
        multiply_bytes<V>(t, tokens);
      }
      for (std::size_t m = 0; m < tokens; ++m)
        for (std::size_t r = 0; r < count; ++r)
          y[(first + m) * w.rows + row + r] = f[m * lanes + r] * x.scales[first + m];
    }
  }
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
