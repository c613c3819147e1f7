// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "lowbit/kernel/gemm_int8/scalar.hpp"
#include "lowbit/kernel/gemm_int8/tile.hpp"

/// The loops over tokens, panels and chunks around multiply_tile. Tokens come in blocks whose activations fit the second
/// cache; for each of them the panels are read once; a chunk of the panels at hand stays in the first cache while all
/// tokens of the block are multiplied by it.

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

template <PanelQuantizer Q>
using tile_format = TileFormat<PanelStorage<Q>::bits, PanelStorage<Q>::table, most_level<Q> <= 127 ? 127 : 255,
                               PanelLevels<Q>::kind>;

/// Shape<V>::wide registers of rows for several tokens, Shape<V>::alone for one; `most` tokens to a tile.
template <class V>
struct TileSizes {
  static constexpr std::size_t wide = 2;
  static constexpr std::size_t most = V::rows == 16 ? 6 : 4;
  static constexpr std::size_t alone = panel_rows / V::rows;  ///< one panel
  static constexpr std::size_t sums_alone = V::rows == 16 ? 4 : 2;
};

/// Tiles of most, 4, 2 and 1 tokens until all are multiplied.
template <class V, class F, bool Split, std::size_t R>
void multiply_tokens(TileArguments t, std::size_t tokens) noexcept {
  const auto step = [&](std::size_t m) {
    t.x += m * t.x_pitch;
    t.sums += m * t.sums_pitch;
    t.f += m * t.f_pitch;
    tokens -= m;
  };
  if constexpr (TileSizes<V>::most == 6)
    while (tokens >= 6) {
      multiply_tile<V, F, Split, 6, R, 1>(t);
      step(6);
    }
  while (tokens >= 4) {
    multiply_tile<V, F, Split, 4, R, 1>(t);
    step(4);
  }
  if (tokens >= 2) {
    multiply_tile<V, F, Split, 2, R, 1>(t);
    step(2);
  }
  if (tokens >= 1) multiply_tile<V, F, Split, 1, R, 2>(t);
}

template <class V, bool Split, PanelQuantizer Q>
void multiply_panels(const PanelView<Q, compute::int8>& w, RowRange rows, const Int8View& x, float* y,
                     std::size_t first, std::size_t tokens) noexcept {
  using F = tile_format<Q>;
  constexpr std::size_t at_once = 96, registers = panel_rows / V::rows;
  constexpr std::size_t most_panels = std::max<std::size_t>(1, TileSizes<V>::wide / registers);
  const PanelShape shape = w.shape();
  const PackedView<Q> facts{.shared = w.shared, .rows = w.rows, .cols = w.cols, .quantizer = w.quantizer};
  const std::size_t panels = tokens == 1 ? 1 : most_panels, lanes = panels * panel_rows;
  PanelParams params[most_panels];
  alignas(64) float f[at_once * most_panels * panel_rows];
  for (std::size_t row = rows.begin / panel_rows * panel_rows; row < rows.end; row += lanes) {
    std::fill_n(f, tokens * lanes, 0.0f);
    const std::uint8_t* from[most_panels];
    for (std::size_t p = 0; p < panels; ++p) {  // past the last panel, the last one again
      const std::size_t panel = std::min(row / panel_rows + p, w.panels() - 1);
      from[p] = w.bytes.data() + panel * shape.panel_bytes();
    }
    for (std::size_t chunk = 0; chunk < shape.chunks(); ++chunk) {
      const std::size_t runs = shape.runs_of_chunk(chunk);
      for (std::size_t begin = 0; begin < runs; begin += PanelShape::most_runs) {
        const std::size_t end = std::min(runs, begin + PanelShape::most_runs);
        const std::size_t run = shape.first_run(chunk) + begin;
        TileArguments t;
        for (std::size_t p = 0; p < panels; ++p) {
          const std::uint8_t* const at = from[p] + shape.chunk_offset(chunk);
          PanelDecoder<Q>::decode({.facts = facts, .shape = shape,
                                   .row = std::min(row + p * panel_rows, (w.panels() - 1) * panel_rows), .chunk = chunk,
                                   .from = at, .begin = begin, .end = end},
                                  params[p]);
          for (std::size_t i = 0; i < registers; ++i) {
            const std::size_t k = p * registers + i, lane = i * V::rows;
            t.codes[k] = at + shape.params_bytes(chunk) + shape.run_offset(chunk, begin) + 4 * lane;
            t.scales[k] = &params[p].scale[0][lane];
            t.integers[k] = &params[p].integer[0][lane];
            t.reals[k] = &params[p].real[0][lane];
          }
        }
        t.x_pitch = x.shape.pitch();
        t.x = x.codes.data() + first * t.x_pitch + run * x.shape.run_stride;
        t.run_stride = x.shape.run_stride;
        t.sums_pitch = x.shape.runs();
        t.sums = x.sums.data() + first * t.sums_pitch + run;
        t.runs = end - begin;
        t.blocks = shape.blocks_of_run(run);
        t.last_blocks = shape.blocks_of_run(run + t.runs - 1);
        t.f = f;
        t.f_pitch = lanes;
        t.offset = PanelLevels<Q>::kind == PanelOffset::integer ? 0 : PanelLevels<Q>::offset;
        t.table = PanelStorage<Q>::entries.data();
        // Few tokens are read from memory at the speed of the first tile; many leave time to fetch the next panels.
        t.ahead = tokens <= TileSizes<V>::most ? 4096 : panels * shape.panel_bytes();
        if (tokens == 1)
          multiply_tile<V, F, Split, 1, TileSizes<V>::alone, TileSizes<V>::sums_alone>(t);
        else
          multiply_tokens<V, F, Split, most_panels * registers>(t, tokens);
      }
    }
    const std::size_t low = std::max(row, rows.begin), high = std::min(row + lanes, rows.end);
    for (std::size_t m = 0; m < tokens; ++m)
      for (std::size_t r = low; r < high; ++r)
        y[(first + m) * w.rows + r] = f[m * lanes + r - row] * x.scales[first + m];
  }
}

template <class V, PanelQuantizer Q>
void gemm_by_panels(const PanelView<Q, compute::int8>& w, RowRange rows, const Int8View& x,
                    std::span<float> y) noexcept {
  constexpr std::size_t at_once = 96;
  if (rows.begin == rows.end) return;
  for (std::size_t first = 0; first < x.tokens; first += at_once) {
    const std::size_t tokens = std::min(at_once, x.tokens - first);
    if constexpr (half_block_runs<Q>)
      if (w.shape().split) {
        multiply_panels<V, true>(w, rows, x, y.data(), first, tokens);
        continue;
      }
    multiply_panels<V, false>(w, rows, x, y.data(), first, tokens);
  }
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
