// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/int.hpp"
#include "lowbit/pack/concept.hpp"
#include "lowbit/pack/spread.hpp"

namespace lowbit::pack {
inline namespace LOWBIT_ISA_NAMESPACE {

/// ⌊32/Bits⌋ codes to a little-endian 32-bit word, from its low end; the bits left over at the top are written as zero
/// and not read. Codes of 3, 5, 6 and 7 bits in compressed-tensors files before its stream became dense; for 1, 2, 4
/// and 8 bits the same bytes as Dense.
template <int Bits>
struct WordPadded {
  static_assert(Bits >= 1 && Bits <= 8, "pack::WordPadded packs codes of 1 to 8 bits.");
  static constexpr std::size_t codes_per_block = 32 / Bits;
  static constexpr std::size_t bytes_per_block = 4;

  /// codes: n·codes_per_block codes, of which the bits above Bits are ignored; bytes: n·bytes_per_block.
  template <class Isa = isa::native>
  static void pack(std::span<const std::uint8_t> codes, std::span<std::uint8_t> bytes) noexcept {
    const std::uint8_t* from = codes.data();
    for (std::size_t b = 0; b < bytes.size(); b += 4, from += codes_per_block) {
      std::uint32_t word = 0;
      word |= gather<0, Isa>(from);
      word |= gather<8, Isa>(from);
      word |= gather<16, Isa>(from);
      word |= gather<24, Isa>(from);
      std::memcpy(bytes.data() + b, &word, 4);
    }
  }
  template <class Isa = isa::native>
  static void unpack(std::span<const std::uint8_t> bytes, std::span<std::uint8_t> codes) noexcept {
    std::uint8_t* to = codes.data();
    for (std::size_t b = 0; b < bytes.size(); b += 4, to += codes_per_block) {
      const std::uint64_t word = load_word<4>(bytes.data() + b);
      spread<0, Isa>(word, to);
      spread<8, Isa>(word, to);
      spread<16, Isa>(word, to);
      spread<24, Isa>(word, to);
    }
  }

 private:
  /// Codes First … First + 7 of a word, as many as there are.
  template <std::size_t First>
  static constexpr std::size_t count = First >= codes_per_block ? 0 : std::min<std::size_t>(8, codes_per_block - First);

  template <std::size_t First, class Isa>
  LOWBIT_ALWAYS_INLINE static std::uint32_t gather(const std::uint8_t* codes) noexcept {
    if constexpr (count<First> == 0)
      return 0;
    else
      return static_cast<std::uint32_t>(gather_from_bytes<Bits, Isa>(load_word<count<First>>(codes + First))
                                        << (First * Bits));
  }
  template <std::size_t First, class Isa>
  LOWBIT_ALWAYS_INLINE static void spread(std::uint64_t word, std::uint8_t* codes) noexcept {
    if constexpr (count<First> != 0) {
      const std::uint64_t some = spread_to_bytes<Bits, Isa>(word >> (First * Bits));
      std::memcpy(codes + First, &some, count<First>);
    }
  }
};

static_assert(LayoutFor<WordPadded<3>, Int3>);

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::pack
