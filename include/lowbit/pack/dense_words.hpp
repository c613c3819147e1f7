// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <span>

#include "lowbit/core/isa.hpp"
#include "lowbit/pack/concept.hpp"
#include "lowbit/pack/spread.hpp"

namespace lowbit::pack {
inline namespace LOWBIT_ISA_NAMESPACE {

/// The dense little-endian bit stream of Dense for codes wider than a byte: code i takes bits [i·Bits, (i+1)·Bits), bit k
/// of the stream is bit k mod 8 of byte k / 8. Widths 8, 16, 32 and 64 of a type as wide are the codes' own bytes.
///
///   Bits  1 … 64, at most the width of Code
///   Code  an unsigned integer; its bits above Bits are ignored when packing and zero when unpacked
///
/// A block is lcm(8, Bits) bits: one code where Bits is a multiple of 8, at most eight. Eight codes fill Bits bytes, and
/// that is the unit of work: a load, a constant shift and a mask per code (a second load above 57 bits).
template <int Bits, std::unsigned_integral Code>
struct DenseWords {
  static_assert(Bits >= 1 && Bits <= std::numeric_limits<Code>::digits,
                "pack::DenseWords packs codes of 1 bit to the width of their type.");
  static constexpr std::size_t codes_per_block = 8 / std::gcd(8, Bits);
  static constexpr std::size_t bytes_per_block = static_cast<std::size_t>(Bits) / std::gcd(8, Bits);

  /// codes: n·codes_per_block; bytes: n·bytes_per_block.
  static void pack(std::span<const Code> codes, std::span<std::uint8_t> bytes) noexcept {
    if constexpr (Bits == std::numeric_limits<Code>::digits) {
      if (!codes.empty()) std::memcpy(bytes.data(), codes.data(), codes.size_bytes());
    } else {
      std::size_t c = 0;
      std::uint8_t* to = bytes.data();
      for (; c + 8 <= codes.size(); c += 8, to += Bits) join<8>(codes.data() + c, to);
      if constexpr (codes_per_block < 8)
        for (; c < codes.size(); c += codes_per_block, to += bytes_per_block)
          join<codes_per_block>(codes.data() + c, to);
    }
  }

  static void unpack(std::span<const std::uint8_t> bytes, std::span<Code> codes) noexcept {
    if constexpr (Bits == std::numeric_limits<Code>::digits) {
      if (!codes.empty()) std::memcpy(codes.data(), bytes.data(), codes.size_bytes());
    } else {
      std::size_t c = 0;
      const std::uint8_t* from = bytes.data();
      for (; c + 8 <= codes.size(); c += 8, from += Bits) part<8>(from, codes.data() + c);
      if constexpr (codes_per_block < 8)
        for (; c < codes.size(); c += codes_per_block, from += bytes_per_block)
          part<codes_per_block>(from, codes.data() + c);
    }
  }

 private:
  static constexpr std::uint64_t mask = ~std::uint64_t{0} >> (64 - Bits);

  /// Count codes, which end on a byte, to their bytes.
  template <std::size_t Count>
  LOWBIT_ALWAYS_INLINE static void join(const Code* codes, std::uint8_t* to) noexcept {
    constexpr std::size_t size = Count * Bits / 8;
    std::uint64_t word = 0;
    std::size_t filled = 0, at = 0;  // bits of word, bytes written; both are constants once unrolled
#pragma GCC unroll 8
    for (std::size_t i = 0; i < Count; ++i) {
      const std::uint64_t code = static_cast<std::uint64_t>(codes[i]) & mask;
      word |= code << filled;
      if (filled + Bits >= 64) {
        std::memcpy(to + at, &word, 8);
        at += 8;
        word = filled == 0 ? 0 : code >> (64 - filled);
        filled = filled + Bits - 64;
      } else {
        filled += Bits;
      }
    }
    if constexpr (size % 8 != 0) std::memcpy(to + at, &word, size % 8);
  }

  /// Bytes to the Count codes they hold. No byte outside them is read.
  template <std::size_t Count>
  LOWBIT_ALWAYS_INLINE static void part(const std::uint8_t* from, Code* codes) noexcept {
    constexpr std::size_t size = Count * Bits / 8;
    if constexpr (size <= 8) {
      const std::uint64_t word = load_word<static_cast<int>(size)>(from);
#pragma GCC unroll 8
      for (std::size_t i = 0; i < Count; ++i) codes[i] = static_cast<Code>((word >> (i * Bits)) & mask);
    } else {
#pragma GCC unroll 8
      for (std::size_t i = 0; i < Count; ++i) {
        const std::size_t byte = i * Bits / 8 < size - 8 ? i * Bits / 8 : size - 8;
        const std::size_t shift = i * Bits - 8 * byte;
        std::uint64_t code = load_word<8>(from + byte) >> shift;
        if (shift + Bits > 64) code |= static_cast<std::uint64_t>(from[byte + 8]) << (64 - shift);
        codes[i] = static_cast<Code>(code & mask);
      }
    }
  }
};

/// The dense layout of a format whose codes are wider than a byte.
template <Format F>
using dense_words_for = DenseWords<std::bit_width(F::cardinality - 1), typename F::code_type>;

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::pack
