// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <span>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/int.hpp"
#include "lowbit/pack/concept.hpp"
#include "lowbit/pack/spread.hpp"

namespace lowbit::pack {
inline namespace LOWBIT_ISA_NAMESPACE {

/// The dense little-endian bit stream: code i takes bits [i·Bits, (i+1)·Bits), bit k of the stream is bit k mod 8 of
/// byte k / 8. So a nibble pair has its first code low; 2-bit codes lie four to a byte from the low end; 3-, 5-, 6- and
/// 7-bit codes straddle bytes. The smallest block that ends on a byte is lcm(8, Bits) bits.
template <int Bits>
struct Dense {
  static_assert(Bits >= 1 && Bits <= 8, "pack::Dense packs codes of 1 to 8 bits.");
  static constexpr std::size_t codes_per_block = 8 / std::gcd(8, Bits);
  static constexpr std::size_t bytes_per_block = static_cast<std::size_t>(Bits) / std::gcd(8, Bits);

  /// codes: n·codes_per_block codes, of which the bits above Bits are ignored; bytes: n·bytes_per_block.
  template <class Isa = isa::native>
  static void pack(std::span<const std::uint8_t> codes, std::span<std::uint8_t> bytes) noexcept {
    constexpr std::size_t size = Bits;
    std::size_t c = 0, b = 0;
    for (; c + 8 <= codes.size(); c += 8, b += size) {
      const std::uint64_t dense = gather_from_bytes<Bits, Isa>(load_word<8>(codes.data() + c));
      std::memcpy(bytes.data() + b, &dense, size);
    }
    if (const std::size_t rest = codes.size() - c; rest != 0) {
      const std::uint64_t dense = gather_from_bytes<Bits, Isa>(load_word(codes.data() + c, rest));
      std::memcpy(bytes.data() + b, &dense, rest * size / 8);
    }
  }

  template <class Isa = isa::native>
  static void unpack(std::span<const std::uint8_t> bytes, std::span<std::uint8_t> codes) noexcept {
    constexpr std::size_t size = Bits;
    std::size_t c = 0, b = 0;
    for (; c + 8 <= codes.size(); c += 8, b += size) {
      const std::uint64_t spread = spread_to_bytes<Bits, Isa>(load_word<Bits>(bytes.data() + b));
      std::memcpy(codes.data() + c, &spread, 8);
    }
    if (const std::size_t rest = codes.size() - c; rest != 0) {
      const std::uint64_t spread = spread_to_bytes<Bits, Isa>(load_word(bytes.data() + b, rest * size / 8));
      std::memcpy(codes.data() + c, &spread, rest);
    }
  }
};

/// The layout a format is stored in unless a quantizer says otherwise: dense at the format's own width.
template <Format F>
using dense_for = Dense<std::bit_width(F::cardinality - 1)>;

static_assert(LayoutFor<dense_for<Int3>, Int3> && LayoutFor<dense_for<Int4>, Int4>);

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::pack
