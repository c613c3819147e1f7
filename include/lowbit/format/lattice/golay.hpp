// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace lowbit::lattice {

/// The extended binary Golay code: 4096 words of 24 bits; 1, 759, 2576, 759 and 1 of weight 0, 8, 12, 16 and 24.
///
/// Bits 0 … 22 are a multiple of x^11 + x^10 + x^6 + x^5 + x^4 + x^2 + 1 modulo x^23 − 1, bit 23 is their parity.
/// Systematic: bits 0 … 11 of word k are those of k.
struct Golay24 {
  static constexpr std::array<std::uint32_t, 12> generators = [] {
    std::array<std::uint32_t, 12> rows{};
    for (std::size_t k = 0; k < 12; ++k) rows[k] = std::uint32_t{0xc75} << k;
    for (std::size_t k = 12; k-- > 1;)  // row k starts at bit k: it clears that bit from the rows before
      for (std::size_t above = 0; above < k; ++above)
        if ((rows[above] >> k & 1u) != 0) rows[above] ^= rows[k];
    for (std::uint32_t& row : rows) row |= static_cast<std::uint32_t>(std::popcount(row) & 1) << 23;
    return rows;
  }();

  static constexpr std::array<std::uint32_t, 4096> codewords = [] {
    std::array<std::uint32_t, 4096> all{};
    for (std::uint32_t k = 1; k < 4096; ++k)
      all[k] = all[k & (k - 1)] ^ generators[static_cast<std::size_t>(std::countr_zero(k))];
    return all;
  }();

  static constexpr bool contains(std::uint32_t word) noexcept { return codewords[word & 0xfffu] == word; }
};

}  // namespace lowbit::lattice
