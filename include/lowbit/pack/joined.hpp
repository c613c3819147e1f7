// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "lowbit/core/isa.hpp"
#include "lowbit/pack/concept.hpp"

namespace lowbit::pack {
inline namespace LOWBIT_ISA_NAMESPACE {

/// Bits [At, At + Layout::bits) of every code, packed by Layout.
template <class Layout, int At>
struct Part {
  using layout = Layout;
  static constexpr int at = At;
  static constexpr unsigned mask = ((1u << Layout::bits) - 1u) << At;
};

/// Codes whose bits lie in several places: a block of Codes codes is the bytes of its parts, one part after the other,
/// and each part holds some bits of all the block's codes. Parts have pack_block and unpack_block as SplitFields has
/// them. The first part is unpacked to the codes and the others are added there, so a part should load registers no
/// wider than those the one before it stored.
template <std::size_t Codes, class First, class... Rest>
struct Joined {
  static constexpr int bits = (First::layout::bits + ... + Rest::layout::bits);
  static constexpr std::size_t codes_per_block = Codes;
  static constexpr std::size_t bytes_per_block = codes_per_block * static_cast<std::size_t>(bits) / 8;
  static_assert(codes_per_block % First::layout::codes_per_block == 0 &&
                    ((codes_per_block % Rest::layout::codes_per_block == 0) && ...),
                "pack::Joined takes parts whose blocks divide its own.");
  static_assert((First::mask + ... + Rest::mask) == (1u << bits) - 1u,
                "pack::Joined takes parts that hold every bit of a code once.");

  /// codes: n·codes_per_block codes, of which the bits above `bits` are ignored; bytes: n·bytes_per_block.
  template <class Isa = isa::native>
  static void pack(std::span<const std::uint8_t> codes, std::span<std::uint8_t> bytes) noexcept {
    std::uint8_t* to = bytes.data();
    for (std::size_t c = 0; c < codes.size(); c += codes_per_block) {
      pack_part<First, Isa>(codes.data() + c, to);
      (pack_part<Rest, Isa>(codes.data() + c, to), ...);
    }
  }
  template <class Isa = isa::native>
  static void unpack(std::span<const std::uint8_t> bytes, std::span<std::uint8_t> codes) noexcept {
    const std::uint8_t* from = bytes.data();
    for (std::size_t c = 0; c < codes.size(); c += codes_per_block) {
      unpack_part<First, false, Isa>(from, codes.data() + c);
      (unpack_part<Rest, true, Isa>(from, codes.data() + c), ...);
    }
  }

 private:
  template <class P, class Isa>
  LOWBIT_ALWAYS_INLINE static void pack_part(const std::uint8_t* codes, std::uint8_t*& bytes) noexcept {
    using L = typename P::layout;
    for (std::size_t i = 0; i < codes_per_block; i += L::codes_per_block, bytes += L::bytes_per_block)
      L::template pack_block<P::at, Isa>(codes + i, bytes);
  }
  template <class P, bool Add, class Isa>
  LOWBIT_ALWAYS_INLINE static void unpack_part(const std::uint8_t*& bytes, std::uint8_t* codes) noexcept {
    using L = typename P::layout;
    for (std::size_t i = 0; i < codes_per_block; i += L::codes_per_block, bytes += L::bytes_per_block)
      L::template unpack_block<P::at, Add, Isa>(bytes, codes + i);
  }
};

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::pack
