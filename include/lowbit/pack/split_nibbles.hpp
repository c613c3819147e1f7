// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/int.hpp"
#include "lowbit/pack/concept.hpp"

namespace lowbit::pack {
inline namespace LOWBIT_ISA_NAMESPACE {

/// Four-bit codes in blocks of two halves: byte j of a block holds code j in its low nibble and code j + Codes/2 in its
/// high nibble. One mask and one shift turn a register of bytes into two registers of consecutive codes.
/// Codes = 32 is the layout of GGUF's Q4_0 (ggml: qs[j] = q[j] | q[j + 16] << 4).
template <std::size_t Codes>
struct SplitNibbles {
  static_assert(Codes >= 2 && Codes % 2 == 0, "pack::SplitNibbles splits a block into two halves of equal size.");
  static constexpr std::size_t codes_per_block = Codes;
  static constexpr std::size_t bytes_per_block = Codes / 2;

  /// codes: n·codes_per_block codes below 16; bytes: n·bytes_per_block.
  static void pack(std::span<const std::uint8_t> codes, std::span<std::uint8_t> bytes) noexcept {
    const std::size_t blocks = codes.size() / codes_per_block;
    for (std::size_t b = 0; b < blocks; ++b) {
      const std::uint8_t* low = codes.data() + b * codes_per_block;
      const std::uint8_t* high = low + bytes_per_block;
      for (std::size_t j = 0; j < bytes_per_block; ++j)
        bytes[b * bytes_per_block + j] = static_cast<std::uint8_t>(low[j] | (high[j] << 4));
    }
  }

  static void unpack(std::span<const std::uint8_t> bytes, std::span<std::uint8_t> codes) noexcept {
    const std::size_t blocks = codes.size() / codes_per_block;
    for (std::size_t b = 0; b < blocks; ++b) {
      std::uint8_t* low = codes.data() + b * codes_per_block;
      std::uint8_t* high = low + bytes_per_block;
      for (std::size_t j = 0; j < bytes_per_block; ++j) {
        const std::uint8_t byte = bytes[b * bytes_per_block + j];
        low[j] = byte & 0x0f;
        high[j] = byte >> 4;
      }
    }
  }
};

static_assert(LayoutFor<SplitNibbles<32>, Int4>);

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::pack
