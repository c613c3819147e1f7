// SPDX-License-Identifier: MIT
#pragma once

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

/// Four-bit codes, two neighbours to a byte: the first in the high nibble, as bitsandbytes stores NF4 and FP4. Dense<4>
/// has the first in the low nibble.
struct HighNibbleFirst {
  static constexpr std::size_t codes_per_block = 2;
  static constexpr std::size_t bytes_per_block = 1;

  /// codes: 2n codes, of which the bits above the fourth are ignored; bytes: n.
  template <class Isa = isa::native>
  static void pack(std::span<const std::uint8_t> codes, std::span<std::uint8_t> bytes) noexcept {
    std::size_t c = 0, b = 0;
    for (; c + 8 <= codes.size(); c += 8, b += 4) {
      const auto low_first = static_cast<std::uint32_t>(gather_from_bytes<4, Isa>(load_word<8>(codes.data() + c)));
      const std::uint32_t packed = swap_nibbles(low_first);
      std::memcpy(bytes.data() + b, &packed, 4);
    }
    for (; c < codes.size(); c += 2, ++b) bytes[b] = static_cast<std::uint8_t>(codes[c] << 4 | (codes[c + 1] & 0x0f));
  }
  template <class Isa = isa::native>
  static void unpack(std::span<const std::uint8_t> bytes, std::span<std::uint8_t> codes) noexcept {
    std::size_t c = 0, b = 0;
    for (; c + 8 <= codes.size(); c += 8, b += 4) {
      const auto packed = static_cast<std::uint32_t>(load_word<4>(bytes.data() + b));
      const std::uint64_t spread = spread_to_bytes<4, Isa>(swap_nibbles(packed));
      std::memcpy(codes.data() + c, &spread, 8);
    }
    for (; c < codes.size(); c += 2, ++b) {
      codes[c] = bytes[b] >> 4;
      codes[c + 1] = bytes[b] & 0x0f;
    }
  }

 private:
  LOWBIT_ALWAYS_INLINE static std::uint32_t swap_nibbles(std::uint32_t x) noexcept {
    return (x >> 4 & 0x0f0f0f0fu) | (x & 0x0f0f0f0fu) << 4;
  }
};

static_assert(LayoutFor<HighNibbleFirst, Int4>);

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::pack
