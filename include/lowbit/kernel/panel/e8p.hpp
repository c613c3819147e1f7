// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>

#include "lowbit/format/lattice/e8p_table.hpp"
#include "lowbit/kernel/panel/storage.hpp"
#include "lowbit/quantizer/declared.hpp"

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// Patterns are numbered anew for panels: those whose last coordinate is negated behind the others. |2·coordinate| is 1, 3
/// or 5: two bits, so two look-ups of a byte give all eight.
struct E8pNumbering {
  std::array<std::uint8_t, 256> place{};                 ///< of a pattern
  std::size_t negated = 0;                               ///< the first place of a negated last coordinate
  alignas(64) std::array<std::uint8_t, 256> fields[2]{};  ///< of coordinates 0 … 3 and 4 … 7, at places
};
inline constexpr E8pNumbering e8p_numbering = [] {
  E8pNumbering n;
  const auto& entries = lattice::E8pTable::entries;
  const auto is_negated = [&](std::size_t pattern) { return entries[pattern][7] < 0; };
  for (std::size_t pattern = 0; pattern < 256; ++pattern) n.negated += is_negated(pattern) ? 0u : 1u;
  std::size_t next[2] = {0, n.negated};
  for (std::size_t pattern = 0; pattern < 256; ++pattern) {
    const std::size_t at = next[is_negated(pattern) ? 1 : 0]++;
    n.place[pattern] = static_cast<std::uint8_t>(at);
    for (std::size_t i = 0; i < 8; ++i) {
      const int magnitude = entries[pattern][i] < 0 ? -entries[pattern][i] : entries[pattern][i];
      auto& byte = n.fields[i / 4][at];
      byte = static_cast<std::uint8_t>(byte | (magnitude - 1) / 2 << 2 * (i % 4));
    }
  }
  return n;
}();

/// E8P in a panel: blocks of 32 columns of 16 rows, two words. Byte 4r + k of the first is the pattern of columns
/// 8k … 8k + 7 of row r, byte 4r + k of the second its signs and shift, as in the code (format/e8p.hpp). Operand j holds
/// coordinate j of the four vectors.
///
/// A byte is 4·point + 16, between 5 and 27.
struct PanelE8p {
  static constexpr std::size_t columns = 32, words = 2, operands = 8;
  static constexpr int offset = 16;
  static constexpr std::size_t decoded = 16;

  static void put(std::uint8_t* block, std::size_t row, std::size_t column, unsigned code) noexcept {
    block[4 * row + column / 8] = e8p_numbering.place[code >> 8];
    block[word_bytes + 4 * row + column / 8] = static_cast<std::uint8_t>(code);
  }
  /// The byte of a column.
  static unsigned get(const std::uint8_t* block, std::size_t row, std::size_t column) noexcept {
    const std::size_t place = block[4 * row + column / 8], i = column % 8;
    const unsigned low = block[word_bytes + 4 * row + column / 8], parity = static_cast<unsigned>(std::popcount(low)) & 1u;
    const bool negative = ((low ^ parity) >> i & 1u) != (i == 7 && place >= e8p_numbering.negated ? 1u : 0u);
    const int twice = 4 * (e8p_numbering.fields[i / 4][place] >> 2 * (i % 4) & 3) + 2;
    return static_cast<unsigned>(offset + (parity != 0 ? -1 : 1) + (negative ? -twice : twice));
  }

  template <class V, std::size_t Lane>
  struct Block {
    typename V::Bytes fields[2], signs, shift;

    LOWBIT_ALWAYS_INLINE explicit Block(const std::uint8_t* block) noexcept {
      const typename V::Bytes place = V::load(block), low = V::load(block + word_bytes);
      for (int i = 0; i < 2; ++i) fields[i] = typename V::Table256(e8p_numbering.fields[i].data())(place);
      alignas(16) static constexpr std::uint8_t odd[16] = {0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0, 1, 1, 0};
      const typename V::Table16 parities(odd);
      const typename V::Bytes nibble = V::splat(15);
      const typename V::Bytes parity =
          V::differ(parities(V::both(low, nibble)), parities(V::both(V::template shift<-4>(low), nibble)));
      const typename V::Bytes last =
          V::both(V::at_least(place, static_cast<int>(e8p_numbering.negated)), V::splat(0x80));
      signs = V::differ(V::differ(low, parity), last);
      shift = V::minus(V::splat(offset + 1), V::plus(parity, parity));
    }
    template <std::size_t J>
    LOWBIT_ALWAYS_INLINE typename V::Bytes operand() const noexcept {
      constexpr int to = 2 - 2 * static_cast<int>(J % 4);  // the field of J to bits 2 and 3
      const typename V::Bytes magnitude =
          V::either(V::both(V::template shift<to>(fields[J / 4]), V::splat(0x0c)), V::splat(2));
      return V::plus(shift, V::template negate<1 << J>(magnitude, signs));
    }
  };
};

template <UnitScaled F, class Scale, std::size_t G, class Layout>
  requires std::same_as<F, E8P>
struct PanelLevels<VectorScaled<F, Scale, G, Layout>> {
  using Q = VectorScaled<F, Scale, G, Layout>;
  static constexpr PanelOffset kind = PanelOffset::constant;
  static constexpr bool exact = true;
  static constexpr float step = 0.25f;
  static constexpr int offset = PanelE8p::offset;
  LOWBIT_ALWAYS_INLINE static float scale(const typename Q::params_type& p) noexcept { return p.scale * step; }
};

template <UnitScaled F, class Scale, std::size_t G, class Layout>
  requires std::same_as<F, E8P>
struct PanelStorage<VectorScaled<F, Scale, G, Layout>> {
  using Codes = PanelE8p;
  static constexpr bool stores_levels = false;
  static constexpr std::size_t table = 0;
  static constexpr int most = 27;
  static constexpr std::array<std::uint8_t, 64> entries{};
};

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
