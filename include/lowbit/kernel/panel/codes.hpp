// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "lowbit/core/isa.hpp"

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

inline constexpr std::size_t panel_rows = 16;
/// Bytes of a word: four columns of every row at eight bits, eight at four, …
inline constexpr std::size_t word_bytes = 4 * panel_rows;

/// How codes of Bits bits lie in a panel: blocks of `columns` columns of 16 rows, each `words` words of 64 bytes.
///
/// A code is cut into planes of 8, 4, 2 and 1 bits, the low bits first: 7 = 4 + 2 + 1. A word of a plane of P bits holds
/// 32/P columns: byte 4r + b of it belongs to row r, and its field f (bits f·P …) to column 4f + b. So a shift and a mask
/// bring four consecutive columns of each row to one byte each, in the order that a dot product of bytes wants.
template <int Bits>
struct PanelCodes {
  static_assert(Bits >= 1 && Bits <= 8, "A panel holds codes of 1 to 8 bits.");
  static constexpr int bits = Bits;
  static constexpr std::size_t columns = Bits % 2 == 0 ? 16 : 32;
  static constexpr std::size_t words = columns * Bits / 32;
  static constexpr std::size_t operands = columns / 4;  ///< registers of four columns in a block

  /// Columns 4J … 4J + 3 of the rows that a register of V holds. block: the first of those rows in the first word.
  template <class V, std::size_t J>
  LOWBIT_ALWAYS_INLINE static typename V::Bytes operand(const std::uint8_t* block) noexcept {
    if constexpr (Bits == 8)
      return V::load(block + J * word_bytes);
    else
      return planes<V, J, 0>(block);
  }

  /// The scalar twin, for one row and column of a block.
  static unsigned get(const std::uint8_t* block, std::size_t row, std::size_t column) noexcept {
    unsigned code = 0;
    for (int low = 0; low < Bits; low += width(low)) {
      const Place at = place(low, row, column);
      code |= ((block[at.byte] >> at.shift) & ((1u << width(low)) - 1u)) << low;
    }
    return code;
  }
  /// Sets the bits of a code in a block of zeros.
  static void put(std::uint8_t* block, std::size_t row, std::size_t column, unsigned code) noexcept {
    for (int low = 0; low < Bits; low += width(low)) {
      const Place at = place(low, row, column);
      block[at.byte] = static_cast<std::uint8_t>(
          block[at.byte] | ((code >> low) & ((1u << width(low)) - 1u)) << at.shift);
    }
  }

 private:
  struct Place {
    std::size_t byte;
    unsigned shift;
  };
  /// Bits of the plane that begins at bit `low` of the code: the largest power of two that is left.
  static constexpr int width(int low) noexcept {
    int p = 8;
    while (p > Bits - low) p /= 2;
    return p;
  }
  static constexpr std::size_t first_word(int low) noexcept {
    return static_cast<std::size_t>(low) * columns / 32;
  }
  static Place place(int low, std::size_t row, std::size_t column) noexcept {
    const auto p = static_cast<std::size_t>(width(low));
    const std::size_t field = column / 4, per_word = 8 / p;
    return {(first_word(low) + field / per_word) * word_bytes + 4 * row + column % 4,
            static_cast<unsigned>(field % per_word * p)};
  }
  template <class V, std::size_t J, int Low>
  LOWBIT_ALWAYS_INLINE static typename V::Bytes planes(const std::uint8_t* block) noexcept {
    constexpr int p = width(Low);
    constexpr std::size_t per_word = 8 / p;
    constexpr int from = static_cast<int>(J % per_word) * p;
    const typename V::Bytes word = V::load(block + (first_word(Low) + J / per_word) * word_bytes);
    const typename V::Bytes here =
        V::both(V::template shift<Low - from>(word), V::splat(((1 << p) - 1) << Low));
    if constexpr (Low + p < Bits)
      return V::either(here, planes<V, J, Low + p>(block));
    else
      return here;
  }
};

/// Codes that cost more to turn into bytes than a shift and a table: for more tokens than C::decoded that is done once.
template <class C>
concept decoded_codes = requires { C::decoded; };

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
