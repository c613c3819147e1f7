// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/int.hpp"
#include "lowbit/pack/concept.hpp"
#include "lowbit/pack/lanes.hpp"

namespace lowbit::pack {
inline namespace LOWBIT_ISA_NAMESPACE {

/// Codes of 1, 2 or 4 bits in blocks of 8/Bits equal parts: with B = Codes·Bits/8 bytes to a block, byte j holds codes
/// j, j + B, j + 2B … from its low end. One mask and one shift turn a register of bytes into a register of consecutive
/// codes, so nothing has to be interleaved.
template <int Bits, std::size_t Codes>
struct SplitFields {
  static constexpr int bits = Bits;
  static constexpr std::size_t parts = 8 / Bits;
  static_assert(Bits == 1 || Bits == 2 || Bits == 4, "pack::SplitFields packs codes of 1, 2 or 4 bits.");
  static_assert(Codes >= parts && Codes % parts == 0,
                "pack::SplitFields splits a block into 8/Bits parts of equal size.");
  static constexpr std::size_t codes_per_block = Codes;
  static constexpr std::size_t bytes_per_block = Codes / parts;

  /// codes: n·codes_per_block codes, of which the bits above Bits are ignored; bytes: n·bytes_per_block.
  template <class Isa = isa::native>
  static void pack(std::span<const std::uint8_t> codes, std::span<std::uint8_t> bytes) noexcept {
    for (std::size_t c = 0, b = 0; c < codes.size(); c += codes_per_block, b += bytes_per_block)
      pack_block<0, Isa>(codes.data() + c, bytes.data() + b);
  }
  template <class Isa = isa::native>
  static void unpack(std::span<const std::uint8_t> bytes, std::span<std::uint8_t> codes) noexcept {
    for (std::size_t c = 0, b = 0; c < codes.size(); c += codes_per_block, b += bytes_per_block)
      unpack_block<0, false, Isa>(bytes.data() + b, codes.data() + c);
  }

  /// One block, of bits [At, At + Bits) of the codes. Unpacking writes the codes, or with Add adds bits that were
  /// clear.
  template <int At, class Isa>
  LOWBIT_ALWAYS_INLINE static void pack_block(const std::uint8_t* codes, std::uint8_t* bytes) noexcept {
    using Lanes = detail::Lanes<bytes_per_block, Isa>;
    for (std::size_t j = 0; j < bytes_per_block; j += sizeof(Lanes))
      detail::store_lanes(bytes + j, gather<At, Lanes>(codes + j, std::make_index_sequence<parts>{}));
  }
  template <int At, bool Add, class Isa>
  LOWBIT_ALWAYS_INLINE static void unpack_block(const std::uint8_t* bytes, std::uint8_t* codes) noexcept {
    using Lanes = detail::Lanes<bytes_per_block, Isa>;
    for (std::size_t j = 0; j < bytes_per_block; j += sizeof(Lanes))
      scatter<At, Add>(detail::load_lanes<Lanes>(bytes + j), codes + j, std::make_index_sequence<parts>{});
  }

 private:
  /// Where part n lies in a byte.
  static constexpr int place(std::size_t n) noexcept { return Bits * static_cast<int>(n); }

  template <int At, class L, std::size_t... N>
  LOWBIT_ALWAYS_INLINE static L gather(const std::uint8_t* codes, std::index_sequence<N...>) noexcept {
    using detail::load_lanes, detail::move_field;
    return static_cast<L>((move_field<Bits, At, place(N)>(load_lanes<L>(codes + N * bytes_per_block)) | ...));
  }
  template <int At, bool Add, class L, std::size_t... N>
  LOWBIT_ALWAYS_INLINE static void scatter(L packed, std::uint8_t* codes, std::index_sequence<N...>) noexcept {
    const auto put = [](std::uint8_t* to, L field) {
      if constexpr (Add) field = static_cast<L>(field | detail::load_lanes<L>(to));
      detail::store_lanes(to, field);
    };
    (put(codes + N * bytes_per_block, detail::move_field<Bits, place(N), At>(packed)), ...);
  }
};

static_assert(LayoutFor<SplitFields<2, 128>, Int2>);

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::pack
