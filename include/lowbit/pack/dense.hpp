// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstdint>
#include <numeric>
#include <span>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/int.hpp"
#include "lowbit/pack/concept.hpp"

namespace lowbit::pack {
inline namespace LOWBIT_ISA_NAMESPACE {

/// The dense little-endian bit stream: code i takes bits [i·Bits, (i+1)·Bits), bit k of the stream is bit k mod 8 of byte
/// k / 8. So a nibble pair has its first code low; 2-bit codes lie four to a byte from the low end; 3-, 5-, 6- and 7-bit
/// codes straddle bytes. The smallest block that ends on a byte is lcm(8, Bits) bits.
template <int Bits>
struct Dense {
  static_assert(Bits >= 1 && Bits <= 8, "pack::Dense packs codes of 1 to 8 bits.");
  static constexpr std::size_t codes_per_block = 8 / std::gcd(8, Bits);
  static constexpr std::size_t bytes_per_block = static_cast<std::size_t>(Bits) / std::gcd(8, Bits);

  /// codes: n·codes_per_block codes below 2^Bits; bytes: n·bytes_per_block.
  static void pack(std::span<const std::uint8_t> codes, std::span<std::uint8_t> bytes) noexcept {
    const std::size_t blocks = codes.size() / codes_per_block;
    for (std::size_t b = 0; b < blocks; ++b) {
      std::uint64_t word = 0;
      for (std::size_t i = 0; i < codes_per_block; ++i)
        word |= static_cast<std::uint64_t>(codes[b * codes_per_block + i]) << (i * Bits);
      for (std::size_t k = 0; k < bytes_per_block; ++k)
        bytes[b * bytes_per_block + k] = static_cast<std::uint8_t>(word >> (8 * k));
    }
  }

  static void unpack(std::span<const std::uint8_t> bytes, std::span<std::uint8_t> codes) noexcept {
    constexpr auto mask = static_cast<std::uint8_t>((1u << Bits) - 1u);
    const std::size_t blocks = codes.size() / codes_per_block;
    for (std::size_t b = 0; b < blocks; ++b) {
      std::uint64_t word = 0;
      for (std::size_t k = 0; k < bytes_per_block; ++k)
        word |= static_cast<std::uint64_t>(bytes[b * bytes_per_block + k]) << (8 * k);
      for (std::size_t i = 0; i < codes_per_block; ++i)
        codes[b * codes_per_block + i] = static_cast<std::uint8_t>(word >> (i * Bits)) & mask;
    }
  }
};

/// The layout a format is stored in unless a quantizer says otherwise: dense at the format's own width.
template <Format F>
using dense_for = Dense<std::bit_width(F::cardinality - 1)>;

static_assert(LayoutFor<dense_for<Int3>, Int3> && LayoutFor<dense_for<Int4>, Int4>);

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::pack
