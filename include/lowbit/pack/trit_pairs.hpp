// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "lowbit/core/isa.hpp"
#include "lowbit/pack/spread.hpp"
#include "lowbit/pack/trits5.hpp"

namespace lowbit::pack {
inline namespace LOWBIT_ISA_NAMESPACE {

/// Five codes below 9 to two bytes, 3.2 bits per code: the codes' quotients by 3 and then their remainders, each five trits
/// as Trits5 packs them. So either plane of two trit planes can be read without the other. What comes out is below 9,
/// whatever bytes go in.
struct TritPairs {
  static constexpr std::size_t codes_per_block = 5;
  static constexpr std::size_t bytes_per_block = 2;

  /// codes: 5n codes below 9; bytes: 2n.
  static void pack(std::span<const std::uint8_t> codes, std::span<std::uint8_t> bytes) noexcept {
    for (std::size_t c = 0, b = 0; c < codes.size(); c += 5, b += 2) {
      std::array<std::uint8_t, 5> high, low;
      for (std::size_t i = 0; i < 5; ++i) {
        high[i] = static_cast<std::uint8_t>(codes[c + i] / 3);
        low[i] = static_cast<std::uint8_t>(codes[c + i] % 3);
      }
      Trits5::pack(high, bytes.subspan(b, 1));
      Trits5::pack(low, bytes.subspan(b + 1, 1));
    }
  }
  static void unpack(std::span<const std::uint8_t> bytes, std::span<std::uint8_t> codes) noexcept {
    const auto five = [&](std::size_t b) {  // bytes of at most 8: no carries
      return 3 * detail::trits_of_byte[bytes[b]] + detail::trits_of_byte[bytes[b + 1]];
    };
    std::size_t c = 0, b = 0;
    for (; c + 8 <= codes.size(); c += 5, b += 2) {  // the three zeros behind are written over
      const std::uint64_t word = five(b);
      std::memcpy(codes.data() + c, &word, 8);
    }
    for (; c < codes.size(); c += 5, b += 2) {
      const std::uint64_t word = five(b);
      std::memcpy(codes.data() + c, &word, 5);
    }
  }
};

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::pack
