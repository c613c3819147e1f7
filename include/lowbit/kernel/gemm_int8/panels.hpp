// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "lowbit/kernel/gemm_int8/scalar.hpp"
#include "lowbit/kernel/gemm_int8/slices.hpp"
#include "lowbit/kernel/gemm_int8/tile.hpp"

/// The loops over tokens, panels and chunks around multiply_tile. Tokens come in blocks whose activations fit the second
/// cache; for each of them the panels are read once; a chunk of the panels at hand stays in the first cache while all
/// tokens of the block are multiplied by it.

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// Sets whose products of bytes are exact make one format of all largest bytes.
template <class V, PanelQuantizer Q>
using tile_format = TileFormat<typename PanelStorage<Q>::Codes, PanelStorage<Q>::table,
                               V::exact_bytes || (PanelStorage<Q>::most > 127) ? 255 : 127, PanelLevels<Q>::kind>;

/// One token and one panel, the product that memory bounds. Sums of a long run go to several registers, since each byte
/// product waits for the last one of its register; short runs (Short: at most 32 columns) overlap by themselves.
template <class V, class F, bool Split, bool Short>
void multiply_token(const TileArguments& t) noexcept {
  constexpr std::size_t registers = TileSizes<V>::registers;
  multiply_tile<V, F, Split, false, 1, registers, Short ? 1 : registers == 1 ? 4 : 2>(t);
}

/// Tiles of `most`, 4 and 2 tokens, and one token alone, until all are multiplied.
template <class V, class F, bool Split, bool Short>
void multiply_tokens(TileArguments t, std::size_t tokens) noexcept {
  constexpr std::size_t registers = TileSizes<V>::registers, panels = TileSizes<V>::panels;
  const auto tile = [&]<std::size_t M>() {
    multiply_tile<V, F, Split, true, M, registers * panels, 1>(t);
    t.x += M * t.x_pitch;
    t.sums += M * t.sums_pitch;
    t.f += M * t.f_pitch;
    tokens -= M;
  };
  if constexpr (TileSizes<V>::most == 6)
    while (tokens >= 6) tile.template operator()<6>();
  while (tokens >= 4) tile.template operator()<4>();
  if (tokens >= 2) tile.template operator()<2>();
  if (tokens == 0) return;
  for (std::size_t p = 0; p < panels; ++p) {
    multiply_token<V, F, Split, Short>(t);
    t.f += panel_rows;
    for (std::size_t i = 0; i < registers && panels > 1; ++i) {
      const std::size_t next = (p + 1) % panels * registers + i;
      t.codes[i] = t.codes[next];
      t.scales[i] = t.scales[next];
      t.integers[i] = t.integers[next];
      t.reals[i] = t.reals[next];
    }
  }
}

/// What is the same for all chunks but the last, computed once: divisions cost more than a run.
struct ChunkPlan {
  std::size_t runs, params_bytes, blocks, last_blocks;
  ChunkPlan(const PanelShape& shape, std::size_t chunk) noexcept
      : runs(shape.runs_of_chunk(chunk)),
        params_bytes(shape.params_bytes(chunk)),
        blocks(shape.blocks_of_run(shape.first_run(chunk))),
        last_blocks(shape.blocks_of_run(shape.first_run(chunk) + runs - 1)) {}
};

/// Panels without their quantizer, so that all quantizers of a tile format share the loops.
struct PanelSource {
  const std::uint8_t* bytes;
  std::size_t rows;
  PanelShape shape;
  const std::uint8_t* table;  ///< PanelTable's
  float step;
  const void* view;           ///< what `decode` reads beside the bytes
  void (*decode)(const PanelSource& w, std::size_t row, std::size_t chunk, const std::uint8_t* from, std::size_t begin,
                 std::size_t end, PanelParams& to) noexcept;
};

template <PanelQuantizer Q>
PanelSource panel_source(const PanelView<Q, compute::int8>& w, const PanelTable<Q>& table) noexcept {
  return {.bytes = w.bytes.data(),
          .rows = w.rows,
          .shape = w.shape(),
          .table = table.data(),
          .step = table.step,
          .view = &w,
          .decode = [](const PanelSource& source, std::size_t row, std::size_t chunk, const std::uint8_t* from,
                       std::size_t begin, std::size_t end, PanelParams& to) noexcept {
            const auto& view = *static_cast<const PanelView<Q, compute::int8>*>(source.view);
            const PackedView<Q> facts{.shared = view.shared, .rows = view.rows, .cols = view.cols, .quantizer = view.quantizer};
            PanelDecoder<Q>::decode({.facts = facts, .shape = source.shape, .row = row, .chunk = chunk, .from = from,
                                     .begin = begin, .end = end},
                                    to);
          }};
}

template <class V, class F, bool Split, bool Short>
void multiply_panels(const PanelSource& w, RowRange rows, const Int8View& x, float* y, std::size_t first,
                     std::size_t tokens) noexcept {
  constexpr std::size_t at_once = 96, registers = TileSizes<V>::registers, most_panels = TileSizes<V>::panels;
  const PanelShape& shape = w.shape;
  const std::size_t panel_count = ceil_div(w.rows, panel_rows);
  const bool alone = tokens == 1;
  const std::size_t panels = alone ? 1 : most_panels, lanes = panels * panel_rows;
  const std::size_t chunks = shape.chunks(), panel_bytes = shape.panel_bytes();
  const ChunkPlan full(shape, 0), last(shape, chunks - 1);
  const std::size_t full_bytes = shape.chunk_bytes(0), pitch = x.shape.pitch(), all_runs = x.shape.runs();
  constexpr bool decodes = decoded_codes<typename F::Codes>;
  std::conditional_t<decodes, Slice<V>, TileArguments> slice;
  PanelParams params[most_panels];
  alignas(64) float f[at_once * most_panels * panel_rows];
  for (std::size_t row = rows.begin / panel_rows * panel_rows; row < rows.end; row += lanes) {
    std::fill_n(f, tokens * lanes, 0.0f);
    const std::uint8_t* from[most_panels];
    for (std::size_t p = 0; p < panels; ++p) {  // past the last panel, the last one again
      const std::size_t panel = std::min(row / panel_rows + p, panel_count - 1);
      from[p] = w.bytes + panel * panel_bytes;
    }
    for (std::size_t chunk = 0; chunk < chunks; ++chunk) {
      const ChunkPlan& plan = chunk + 1 == chunks ? last : full;
      for (std::size_t begin = 0; begin < plan.runs; begin += PanelShape::most_runs) {
        const std::size_t end = std::min(plan.runs, begin + PanelShape::most_runs);
        const std::size_t run = chunk * full.runs + begin;
        TileArguments t;
        for (std::size_t p = 0; p < panels; ++p) {
          const std::uint8_t* const at = from[p] + chunk * full_bytes;
          w.decode(w, std::min(row + p * panel_rows, (panel_count - 1) * panel_rows), chunk, at, begin, end, params[p]);
          const std::uint8_t* const codes =
              at + plan.params_bytes + (begin != 0 ? shape.run_offset(chunk, begin) : 0);
          for (std::size_t i = 0; i < registers; ++i) {
            const std::size_t k = p * registers + i, lane = i * V::rows;
            t.codes[k] = codes + 4 * lane;
            t.scales[k] = &params[p].scale[0][lane];
            t.integers[k] = &params[p].integer[0][lane];
            t.reals[k] = &params[p].real[0][lane];
          }
        }
        t.x_pitch = pitch;
        t.x = x.codes.data() + first * pitch + run * x.shape.run_stride;
        t.run_stride = x.shape.run_stride;
        t.sums_pitch = all_runs;
        t.sums = x.sums.data() + first * all_runs + run;
        t.runs = end - begin;
        t.blocks = plan.blocks;
        t.last_blocks = end == plan.runs ? plan.last_blocks : plan.blocks;
        t.f = f;
        t.f_pitch = lanes;
        t.table = w.table;
        t.ahead = panels * panel_bytes;
        if (alone) {
          multiply_token<V, F, Split, Short>(t);
          continue;
        }
        if constexpr (decodes)
          if (tokens > F::Codes::decoded) {
            multiply_decoded<V, F>(t, tokens, slice);
            continue;
          }
        multiply_tokens<V, F, Split, Short>(t, tokens);
      }
    }
    const std::size_t low = std::max(row, rows.begin), high = std::min(row + lanes, rows.end);
    for (std::size_t m = 0; m < tokens; ++m)
      for (std::size_t r = low; r < high; ++r)
        y[(first + m) * w.rows + r] = f[m * lanes + r - row] * (x.scales[first + m] * w.step);
  }
}

template <class V, PanelQuantizer Q>
void gemm_by_panels(const PanelView<Q, compute::int8>& w, RowRange rows, const Int8View& x,
                    std::span<float> y) noexcept {
  constexpr std::size_t at_once = 96;
  constexpr bool short_runs = fixed_run<Q> <= 32;
  if (rows.begin == rows.end) return;
  if (w.cols == 0) {
    for (std::size_t t = 0; t < x.tokens; ++t)
      std::fill(y.begin() + static_cast<std::ptrdiff_t>(t * w.rows + rows.begin),
                y.begin() + static_cast<std::ptrdiff_t>(t * w.rows + rows.end), 0.0f);
    return;
  }
  const PanelTable<Q> table(w.shared);
  const PanelSource source = panel_source(w, table);
  for (std::size_t first = 0; first < x.tokens; first += at_once) {
    const std::size_t tokens = std::min(at_once, x.tokens - first);
    if constexpr (half_block_runs<Q>)
      if (source.shape.split) {
        multiply_panels<V, tile_format<V, Q>, true, short_runs>(source, rows, x, y.data(), first, tokens);
        continue;
      }
    multiply_panels<V, tile_format<V, Q>, false, short_runs>(source, rows, x, y.data(), first, tokens);
  }
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
