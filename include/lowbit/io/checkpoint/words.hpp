// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "lowbit/core/checked.hpp"
#include "lowbit/io/bytes.hpp"

/// Codes in 32-bit little-endian words. Internal to io/checkpoint.

namespace lowbit::io::detail {

/// How a run of codes fills its words.
///
///   dense   code i takes bits [i·b, (i+1)·b) of the concatenated words, straddling them where b does not divide 32
///   padded  floor(32/b) codes per word from the low end, the top bits unused
///
/// The same for 1, 2, 4 and 8 bits.
enum class WordLayout : std::uint8_t { dense, padded };

constexpr std::uint64_t words_for(WordLayout layout, std::uint64_t codes, unsigned bits) noexcept {
  return layout == WordLayout::dense ? codes / 32 * bits + (codes % 32 * bits + 31) / 32
                                     : codes / (32 / bits) + (codes % (32 / bits) != 0 ? 1 : 0);
}

/// Reads `count` codes from words `word_stride` bytes apart into codes `code_stride` apart.
inline void unpack_words(WordLayout layout, unsigned bits, const std::uint8_t* words, std::size_t word_stride,
                         std::size_t count, std::uint8_t* codes, std::size_t code_stride) noexcept {
  const std::uint64_t mask = (1u << bits) - 1u;
  std::uint64_t held = 0;
  unsigned available = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (available < bits) {
      const std::uint64_t word = load_le<std::uint32_t>(words);
      words += word_stride;
      if (layout == WordLayout::dense) {
        held |= word << available;
        available += 32;
      } else {
        held = word;
        available = 32 / bits * bits;
      }
    }
    codes[i * code_stride] = static_cast<std::uint8_t>(held & mask);
    held >>= bits;
    available -= bits;
  }
}

/// The inverse. Bits past the last code are zero.
inline void pack_words(WordLayout layout, unsigned bits, const std::uint8_t* codes, std::size_t code_stride,
                       std::size_t count, std::uint8_t* words, std::size_t word_stride) noexcept {
  const unsigned full = layout == WordLayout::dense ? 32 : 32 / bits * bits;
  std::uint64_t held = 0;
  unsigned filled = 0;
  for (std::size_t i = 0; i < count; ++i) {
    held |= std::uint64_t{codes[i * code_stride]} << filled;
    filled += bits;
    if (filled < full) continue;
    store_le(static_cast<std::uint32_t>(held), words);
    words += word_stride;
    held >>= 32;
    filled -= full;
  }
  if (filled != 0) store_le(static_cast<std::uint32_t>(held), words);
}

}  // namespace lowbit::io::detail
