// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "lowbit/kernel/int8_activations.hpp"
#include "lowbit/kernel/panel.hpp"
#include "lowbit/kernel/row_range.hpp"

/// The definition of Ŵ·x in compute::int8. For a row and a token, with a over the codes of the activations:
///
///   run    n = Σ byte·a − offset·Σ a, exact in 32 bits;  f = fma(scale, n, f)
///          with real offsets: n = Σ byte·a;  f = fma(scale, n, f);  f = fma(m, −Σ a, f)
///   token  y = f · (scale of the token · step)
///
/// scale, offset and m are PanelLevels', step is PanelTable's (1 but for learned points); runs from the left. Integer sums have one value and float steps one order, so all
/// instruction sets, batches and cuts of the rows give the same bits.

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

template <PanelQuantizer Q>
isa::scalar gemm(isa::scalar, const PanelView<Q, compute::int8>& w, RowRange rows, const Int8View& x,
                 std::span<float> y) noexcept {
  using Storage = PanelStorage<Q>;
  using Levels = PanelLevels<Q>;
  const PanelTable<Q> table(w.shared);
  const PanelShape shape = w.shape();
  const PackedView<Q> facts{.shared = w.shared, .rows = w.rows, .cols = w.cols, .quantizer = w.quantizer};
  PanelParams params;
  for (std::size_t r = rows.begin; r < rows.end; ++r) {
    const std::size_t lane = r % panel_rows;
    const std::uint8_t* const panel = w.bytes.data() + r / panel_rows * shape.panel_bytes();
    for (std::size_t t = 0; t < x.tokens; ++t) y[t * w.rows + r] = 0.0f;
    for (std::size_t chunk = 0; chunk < shape.chunks(); ++chunk) {
      const std::uint8_t* const from = panel + shape.chunk_offset(chunk);
      const std::size_t runs = shape.runs_of_chunk(chunk);
      for (std::size_t i = 0; i < runs; ++i) {
        const std::size_t piece = i % PanelShape::most_runs, run = shape.first_run(chunk) + i;
        if (piece == 0)
          PanelDecoder<Q>::decode({.facts = facts, .shape = shape, .row = r - lane, .chunk = chunk, .from = from,
                                   .begin = i, .end = std::min(runs, i + PanelShape::most_runs)},
                                  params);
        const bool half = shape.split && i % 2 != 0;
        const std::uint8_t* const blocks = from + shape.params_bytes(chunk) + shape.run_offset(chunk, half ? i - 1 : i);
        for (std::size_t t = 0; t < x.tokens; ++t) {
          const std::int8_t* const a = x.codes.data() + t * x.shape.pitch() + run * x.shape.run_stride;
          const std::int32_t sum = x.sums[t * x.shape.runs() + run];
          std::int32_t n = Levels::kind == PanelOffset::real ? 0 : sum;
          if constexpr (Levels::kind == PanelOffset::integer) n *= params.integer[piece][lane];
          for (std::size_t c = 0; c < shape.columns_of_run(run); ++c) {
            const std::size_t at = c + (half ? shape.run : 0);
            const unsigned byte = table.byte(
                Storage::Codes::get(blocks + at / shape.block_columns * shape.block_bytes, lane, at % shape.block_columns), at);
            n += static_cast<std::int32_t>(byte) * a[x.shape.place(c)];
          }
          float& f = y[t * w.rows + r];
          f = std::fma(params.scale[piece][lane], static_cast<float>(n), f);
          if constexpr (Levels::kind == PanelOffset::real)
            f = std::fma(params.real[piece][lane], std::bit_cast<float>(sum), f);
        }
      }
    }
    for (std::size_t t = 0; t < x.tokens; ++t) y[t * w.rows + r] *= x.scales[t] * table.step;
  }
  return {};
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
