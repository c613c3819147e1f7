// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "lowbit/core/isa.hpp"
#include "lowbit/pack/bitshift.hpp"
#include "lowbit/pack/concept.hpp"

namespace lowbit::pack {
inline namespace LOWBIT_ISA_NAMESPACE {

/// Tiles of 16 × 16 weights, each one circular sequence of Bitshift, row by row: 32·Shift/V bytes. A band of 16 rows is its tiles
/// from left to right.
///
///   Shift  bits a step   V  weights a step, 1 or 2
template <int L, int Shift, int V = 1>
struct BitshiftTile {
  using sequence = Bitshift<L, Shift, 1, 256 / static_cast<std::size_t>(V)>;
  static constexpr std::size_t tile_rows = 16, tile_codes = 16 / static_cast<std::size_t>(V);
  static constexpr std::size_t bytes_per_tile = sequence::bytes_per_block;

  static void pack_tile(std::span<const std::uint16_t> tile, std::span<std::uint8_t> bytes) noexcept {
    sequence::pack(tile, bytes);
  }
  /// States [first, first + out.size()) of row `row`, 0 … 15, of a band.
  static void unpack_row(std::span<const std::uint8_t> band, std::size_t row, std::size_t first,
                         std::span<std::uint16_t> out) noexcept {
    for (std::size_t done = 0; done < out.size();) {
      const std::size_t tile = (first + done) / tile_codes, from = (first + done) % tile_codes;
      const std::size_t count = std::min(out.size() - done, tile_codes - from);
      sequence::unpack_range(band.subspan(tile * bytes_per_tile, bytes_per_tile), row * tile_codes + from,
                             out.subspan(done, count));
      done += count;
    }
  }
};

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::pack
