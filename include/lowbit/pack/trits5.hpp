// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "lowbit/core/isa.hpp"
#include "lowbit/pack/spread.hpp"

namespace lowbit::pack {
inline namespace LOWBIT_ISA_NAMESPACE {
namespace detail {

/// The five lowest base-3 digits of every byte, digit n in byte n of a word.
inline constexpr auto trits_of_byte = [] {
  std::array<std::uint64_t, 256> words{};
  for (std::size_t v = 0; v < 256; ++v)
    for (std::size_t rest = v, n = 0; n < 5; ++n, rest /= 3) words[v] |= std::uint64_t{rest % 3} << (8 * n);
  return words;
}();

}  // namespace detail

/// Five trits to a byte, the first one the lowest digit: v = Σ q_n·3ⁿ, so codes 0, 1, 2 and 1.6 bits per code. Bytes
/// are 0 … 242; 243 … 255 are never written and read as v mod 243: what comes out is a trit whatever went in.
struct Trits5 {
  static constexpr std::size_t codes_per_block = 5;
  static constexpr std::size_t bytes_per_block = 1;

  /// codes: 5n codes below 3; bytes: n.
  static void pack(std::span<const std::uint8_t> codes, std::span<std::uint8_t> bytes) noexcept {
    // Byte 4 of the product is Σ q_n·3ⁿ; the bytes below it are parts of that sum and carry nothing.
    constexpr std::uint64_t powers = 1ull << 32 | 3ull << 24 | 9ull << 16 | 27ull << 8 | 81ull;
    std::size_t c = 0, b = 0;
    for (; c + 8 <= codes.size(); c += 5, ++b)
      bytes[b] = static_cast<std::uint8_t>(load_word<8>(codes.data() + c) * powers >> 32);
    for (; c < codes.size(); c += 5, ++b)
      bytes[b] = static_cast<std::uint8_t>(load_word<5>(codes.data() + c) * powers >> 32);
  }
  static void unpack(std::span<const std::uint8_t> bytes, std::span<std::uint8_t> codes) noexcept {
    std::size_t c = 0, b = 0;
    for (; c + 8 <= codes.size(); c += 5, ++b)  // the three zeros behind are written over
      std::memcpy(codes.data() + c, &detail::trits_of_byte[bytes[b]], 8);
    for (; c < codes.size(); c += 5, ++b) std::memcpy(codes.data() + c, &detail::trits_of_byte[bytes[b]], 5);
  }
};

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::pack
