// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>

#include "lowbit/kernel/panel/storage.hpp"
#include "lowbit/kernel/simd/indices.hpp"
#include "lowbit/quantizer/declared.hpp"

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// Tiles of a 1MAD trellis in a panel: a block is one tile of 16 columns, or two where K is odd. A word holds 32 bits of
/// every row, lane r those of row r, the first in the stream the most significant; the bits that follow a row's last are
/// the next row's first, row 0's after row 15's (pack/bitshift.hpp).
///
/// A state becomes the sum of the four bytes of 34038481·state + 76625530 (0 … 1020), and that the byte
/// floor((sum + 3) / 4): 4·(byte − 128) lies within 2 of sum − 510, the state's value.
template <int L, int K>
struct PanelTrellis {
  static_assert(L >= K && L <= 16 && K >= 1 && K <= 4);
  static constexpr std::size_t decoded = 4;
  static constexpr std::size_t tiles = K % 2 == 0 ? 1 : 2, columns = 16 * tiles, operands = columns / 4;
  static constexpr std::size_t row_bits = 16 * K, words = row_bits * tiles / 32;
  static constexpr std::uint32_t factor = 34038481u, addend = 76625530u, mask = (1u << L) - 1u;

  /// Sets all bits of a state in blocks of zeros; those of neighbours agree.
  static void put(std::uint8_t* block, std::size_t row, std::size_t column, unsigned state) noexcept {
    for (std::size_t i = 0; i < L; ++i) {
      const Place at = place(row, column, i);
      block[at.byte] = static_cast<std::uint8_t>(block[at.byte] | (state >> (L - 1 - i) & 1u) << at.bit);
    }
  }
  static unsigned get(const std::uint8_t* block, std::size_t row, std::size_t column) noexcept {
    std::uint32_t state = 0;
    for (std::size_t i = 0; i < L; ++i) {
      const Place at = place(row, column, i);
      state = state << 1 | (block[at.byte] >> at.bit & 1u);
    }
    const std::uint32_t x = state * factor + addend;
    return ((x & 255u) + (x >> 8 & 255u) + (x >> 16 & 255u) + (x >> 24) + 3) / 4;
  }

  template <class V, std::size_t Lane>
  struct Block {
    /// 32 bits of the stream of a row of a tile, and what follows.
    static constexpr std::size_t segments = (row_bits - K + L + 31) / 32;
    typename V::Bytes segment[tiles][segments];

    LOWBIT_ALWAYS_INLINE explicit Block(const std::uint8_t* block) noexcept {
      const auto own = [&](std::size_t w) LOWBIT_INLINE_LAMBDA { return V::load(block + w * word_bytes); };
      const auto next = [&](std::size_t w) LOWBIT_INLINE_LAMBDA { return V::template next_rows<Lane>(block + w * word_bytes); };
      const auto joined = [](typename V::Bytes high, typename V::Bytes low) LOWBIT_INLINE_LAMBDA {  // halves
        return V::either(V::template left32<16>(high), V::template right32<16>(low));
      };
      if constexpr (K % 2 == 0) {
        for_each_index<segments>([&](auto s) LOWBIT_INLINE_LAMBDA {
          if constexpr (s < words)
            segment[0][s] = own(s);
          else
            segment[0][s] = next(s - words);
        });
      } else {  // the second tile's bits begin in the lower half of a word
        constexpr std::size_t half = words / 2;
        const auto low_half = [](typename V::Bytes v) LOWBIT_INLINE_LAMBDA { return V::both(v, V::splat32(0xffff)); };
        const auto high_half = [](typename V::Bytes v) LOWBIT_INLINE_LAMBDA {
          return V::both(v, V::splat32(0xffff0000u));
        };
        for_each_index<half>([&](auto s) LOWBIT_INLINE_LAMBDA {
          segment[0][s] = own(s);
          segment[1][s] = joined(own(half + s), own(half + s + 1));
        });
        segment[0][half] = V::either(high_half(own(half)), V::template right32<16>(next(0)));
        segment[1][half] = V::either(V::template left32<16>(own(words - 1)), low_half(next(half)));
      }
    }
    template <std::size_t J>
    LOWBIT_ALWAYS_INLINE typename V::Bytes operand() const noexcept {
      return V::either(V::either(byte<4 * J, 0>(), byte<4 * J + 1, 1>()), V::either(byte<4 * J + 2, 2>(), byte<4 * J + 3, 3>()));
    }

   private:
    /// The byte of column C, in byte At of its lane.
    template <std::size_t C, std::size_t At>
    LOWBIT_ALWAYS_INLINE typename V::Bytes byte() const noexcept {
      constexpr std::size_t tile = C / 16, from = C % 16 * K, s = from / 32, skipped = from % 32;
      typename V::Bytes state;
      if constexpr (skipped + L <= 32)
        state = V::template right32<32 - static_cast<int>(skipped) - L>(segment[tile][s]);
      else
        state = V::template funnel32<64 - static_cast<int>(skipped) - L>(segment[tile][s], segment[tile][s + 1]);
      if constexpr (skipped != 0) state = V::both(state, V::splat32(mask));
      const typename V::Bytes sum = V::sum_bytes(V::multiply_add32(state, factor, addend), 3);
      if constexpr (At == 0)
        return V::template right32<2>(sum);
      else
        return V::both(V::template left32<8 * static_cast<int>(At) - 2>(sum), V::splat32(255u << 8 * At));
    }
  };

 private:
  struct Place {
    std::size_t byte;
    unsigned bit;
  };
  /// Of bit i of the state of a column.
  static Place place(std::size_t row, std::size_t column, std::size_t i) noexcept {
    const std::size_t at = (row * row_bits + column % 16 * K + i) % (16 * row_bits);  // in the tile's stream
    const std::size_t lane = at / row_bits, bit = column / 16 * row_bits + at % row_bits;
    return {bit / 32 * word_bytes + 4 * lane + 3 - bit % 32 / 8, static_cast<unsigned>(7 - bit % 8)};
  }
};

template <trellis::Code C, int L, int K, class Scale, std::size_t G>
  requires std::same_as<C, trellis::OneMad>
struct PanelLevels<TrellisScaled<C, L, K, Scale, G, K>> {
  using Q = TrellisScaled<C, L, K, Scale, G, K>;
  static constexpr PanelOffset kind = PanelOffset::constant;
  static constexpr bool exact = false;
  static constexpr float step = 4.0f * C::step;
  static constexpr int offset = 128;
  LOWBIT_ALWAYS_INLINE static float scale(const typename Q::params_type& p) noexcept { return p.scale * step; }
};

template <trellis::Code C, int L, int K, class Scale, std::size_t G>
  requires std::same_as<C, trellis::OneMad>
struct PanelStorage<TrellisScaled<C, L, K, Scale, G, K>> {
  using Codes = PanelTrellis<L, K>;
  static constexpr bool stores_levels = false;
  static constexpr std::size_t table = 0;
  static constexpr int most = 255;
  static constexpr std::array<std::uint8_t, 64> entries{};
};

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
