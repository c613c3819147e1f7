// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "lowbit/kernel/gemm_int8/tile.hpp"

/// Products with bytes that were made before: weights whose decoding costs more than a few tokens' products are decoded
/// slice by slice, and all tokens are multiplied by each.

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// For several tokens: registers of rows, and the most tokens of a tile. The sums must stay in registers.
template <class V>
struct TileSizes {
  static constexpr std::size_t registers = panel_rows / V::rows;  ///< of a panel
  static constexpr std::size_t panels = registers == 1 ? 2 : 1;   ///< at a time
  static constexpr std::size_t most = registers == 1 ? 6 : 4;
};

/// Bytes and scales of the panels at hand.
template <class V>
struct Slice {
  static constexpr std::size_t columns = 1024, registers = TileSizes<V>::registers, panels = TileSizes<V>::panels;
  alignas(64) std::uint8_t bytes[panels][panel_rows * columns + 5 * word_bytes];  // not a power of two apart

  /// The code pointers of t.
  void point(TileArguments& t) const noexcept {
    for (std::size_t i = 0; i < panels * registers; ++i)
      t.codes[i] = bytes[i / registers] + 4 * V::rows * (i % registers);
  }
};

/// All tokens times bytes of a constant offset.
template <class V>
void multiply_bytes(TileArguments t, std::size_t tokens) noexcept {
  using F = TileFormat<PanelCodes<8>, 0, 255, PanelOffset::constant>;
  constexpr std::size_t all = TileSizes<V>::registers * TileSizes<V>::panels, most = TileSizes<V>::most;
  const auto tile = [&]<std::size_t M>() {
    multiply_tile<V, F, false, false, M, all, 1>(t);
    t.x += M * t.x_pitch;
    t.sums += M * t.sums_pitch;
    t.f += M * t.f_pitch;
    tokens -= M;
  };
  while (tokens >= most) tile.template operator()<most>();
  while (tokens >= 2) tile.template operator()<2>();
  if (tokens != 0) tile.template operator()<1>();
}

/// The runs of t, of codes of vectors, for any number of tokens. A run is not longer than a slice.
template <class V, class F>
void multiply_decoded(TileArguments t, std::size_t tokens, Slice<V>& slice) noexcept {
  using Codes = typename F::Codes;
  static_assert(F::kind == PanelOffset::constant);
  const TileTable<V, F::table> table(t.table);
  constexpr std::size_t registers = TileSizes<V>::registers, panels = TileSizes<V>::panels;
  constexpr std::size_t per_block = Codes::columns / PanelCodes<8>::columns;
  const std::size_t runs = t.runs, blocks = t.blocks, last_blocks = t.last_blocks;
  const std::size_t together = std::max<std::size_t>(1, Slice<V>::columns / t.run_stride);
  const std::uint8_t* codes[panels];
  for (std::size_t p = 0; p < panels; ++p) codes[p] = t.codes[p * registers];
  slice.point(t);
  for (std::size_t run = 0; run < runs; run += t.runs) {
    t.runs = std::min(runs - run, together);
    const std::size_t last = run + t.runs == runs ? last_blocks : blocks, count = (t.runs - 1) * blocks + last;
    for (std::size_t p = 0; p < panels; ++p)
      for_each_index<registers>([&](auto i) LOWBIT_INLINE_LAMBDA {
        constexpr std::size_t lane = V::rows * i;
        const std::uint8_t* from = codes[p] + 4 * lane;
        std::uint8_t* to = slice.bytes[p] + 4 * lane;
        for (std::size_t k = 0; k < count; ++k, from += Codes::words * word_bytes, to += Codes::operands * word_bytes) {
          const TileBlock<V, F, lane> block(from, table);
          for_each_index<Codes::operands>(
              [&](auto j) LOWBIT_INLINE_LAMBDA { V::store(to + j * word_bytes, block.template operand<j>()); });
        }
      });
    for (std::size_t p = 0; p < panels; ++p) codes[p] += count * Codes::words * word_bytes;
    t.blocks = blocks * per_block;
    t.last_blocks = last * per_block;
    multiply_bytes<V>(t, tokens);
    t.x += t.runs * t.run_stride;
    t.sums += t.runs;
    for (std::size_t i = 0; i < panels * registers; ++i) t.scales[i] += t.runs * panel_rows;
  }
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
