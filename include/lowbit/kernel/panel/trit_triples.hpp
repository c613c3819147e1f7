// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "lowbit/kernel/panel/codes.hpp"
#include "lowbit/kernel/simd/indices.hpp"

#if LOWBIT_HAS_AVX512
#include <immintrin.h>
#endif

/// Three trits to an index of five bits, t₀ + 3·t₁ + 9·t₂ of their codes: 1.67 bits each, decoded faster than two bits a trit
/// where a table has 64 bytes. Blocks are large, so it is for long runs; others store PanelTrits.

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// Entry [j][i] is trit j of the index that the low five bits of i are.
alignas(64) inline constexpr auto triple_tables = [] {
  std::array<std::array<std::uint8_t, 64>, 3> all{};
  constexpr std::size_t powers[] = {1, 3, 9};
  for (std::size_t j = 0; j < 3; ++j)
    for (std::size_t i = 0; i < 64; ++i) all[j][i] = static_cast<std::uint8_t>(i % 32 / powers[j] % 3);
  return all;
}();
/// All three in fields of two bits, entries 0 … 15; then what entries 16 … 31 differ by.
alignas(64) inline constexpr auto triple_fields = [] {
  std::array<std::array<std::uint8_t, 16>, 2> all{};
  for (std::size_t i = 0; i < 32; ++i) {
    const auto fields = static_cast<std::uint8_t>(triple_tables[0][i] | triple_tables[1][i] << 2 | triple_tables[2][i] << 4);
    all[i / 16][i % 16] = i < 16 ? fields : static_cast<std::uint8_t>(fields ^ all[0][i % 16]);
  }
  return all;
}();

/// The bits of `a` where Mask has them, those of b in the others.
template <class V, int Mask>
LOWBIT_ALWAYS_INLINE typename V::Bytes joined_bits(typename V::Bytes a, typename V::Bytes b) noexcept {
#if LOWBIT_HAS_AVX512
  if constexpr (sizeof(a) == 64) return _mm512_ternarylogic_epi64(V::splat(Mask), a, b, 0xca);
#endif
  return V::either(V::both(a, V::splat(Mask)), V::both(b, V::splat(~Mask)));
}

/// The eight indices of the bytes of five words: five have a byte's low bits to themselves, three come from the rest.
///
///   byte           0        1         2        3         4
///   bits 0 … 4   index 0     1        2        3         4
///   bit  5       5: bit 0   7: bit 3  6: bit 0  7: bit 4   7: bit 0
///   bits 6, 7       1, 2    5: 3, 4     1, 2   6: 3, 4      1, 2
template <class V>
struct TripleBlock {
  typename V::Bytes index[8];  ///< of a code; bits 5 … 7 are anything. Without tables of 64, fields of two bits.
  static constexpr bool tables = requires { V::has_tables_of_128; };

  LOWBIT_ALWAYS_INLINE explicit TripleBlock(const std::uint8_t* block) noexcept {
    using Bytes = typename V::Bytes;
    for_each_index<5>([&](auto k) LOWBIT_INLINE_LAMBDA { index[k] = V::load(block + k * word_bytes); });
    index[5] = joined_bits<V, 7>(V::template shift<-5>(index[0]), V::template shift<-3>(index[1]));
    index[6] = joined_bits<V, 7>(V::template shift<-5>(index[2]), V::template shift<-3>(index[3]));
    const Bytes rest = joined_bits<V, 8>(V::template shift<-2>(index[1]), V::template shift<-1>(index[3]));
    index[7] = joined_bits<V, 7>(V::template shift<-5>(index[4]), rest);
    if constexpr (!tables) {
      const typename V::Table16 low(triple_fields[0].data()), differences(triple_fields[1].data());
      for_each_index<8>([&](auto k) LOWBIT_INLINE_LAMBDA {
        const Bytes i = V::both(index[k], V::splat(31)), half = V::both(i, V::splat(15));
        index[k] = V::differ(low(half), V::both(differences(half), V::at_least(i, 16)));
      });
    }
  }
  template <std::size_t J>
  LOWBIT_ALWAYS_INLINE typename V::Bytes operand() const noexcept {
    constexpr std::size_t k = J / 3, j = J % 3;
    if constexpr (tables)
      return typename V::Table64(triple_tables[j].data())(index[k]);
    else
      return V::both(V::template shift<-static_cast<int>(2 * j)>(index[k]), V::splat(3));
  }
};

/// The twin of PanelCodes for codes 0, 1, 2: blocks of five words and 96 columns. Byte 4r + b of the words holds columns
/// b, 4 + b, 8 + b, … of row r, three to an index in that order.
struct PanelTriples {
  static constexpr std::size_t columns = 96, words = 5, operands = 24;

  template <class V, std::size_t Lane>
  using Block = TripleBlock<V>;

  static unsigned get(const std::uint8_t* block, std::size_t row, std::size_t column) noexcept {
    return triple_tables[column / 4 % 3][index(block, row, column)];
  }
  /// Sets a code in a place that holds 0.
  static void put(std::uint8_t* block, std::size_t row, std::size_t column, unsigned code) noexcept {
    constexpr unsigned powers[] = {1, 3, 9};
    const unsigned all = index(block, row, column) + code * powers[column / 4 % 3];
    for (std::size_t bit = 0; bit < 5; ++bit) {
      const Place at = place(column / 12, bit);
      std::uint8_t& byte = block[at.word * word_bytes + 4 * row + column % 4];
      byte = static_cast<std::uint8_t>((byte & ~(1u << at.bit)) | (all >> bit & 1u) << at.bit);
    }
  }

 private:
  struct Place {
    std::size_t word;
    unsigned bit;
  };
  static constexpr Place place(std::size_t k, std::size_t bit) noexcept {
    if (k < 5) return {k, static_cast<unsigned>(bit)};
    if (bit < 3) return {2 * (k - 5), static_cast<unsigned>(5 + bit)};
    return k < 7 ? Place{2 * (k - 5) + 1, static_cast<unsigned>(3 + bit)} : Place{bit == 3 ? 1u : 3u, 5u};
  }
  static unsigned index(const std::uint8_t* block, std::size_t row, std::size_t column) noexcept {
    unsigned all = 0;
    for (std::size_t bit = 0; bit < 5; ++bit) {
      const Place at = place(column / 12, bit);
      all |= (block[at.word * word_bytes + 4 * row + column % 4] >> at.bit & 1u) << bit;
    }
    return all;
  }
};

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
