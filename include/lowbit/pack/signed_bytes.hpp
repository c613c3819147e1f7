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

/// One byte per code, code c stored as c ^ 0x80: offset binary in memory, two's complement in files. GGUF's Q8_0.
struct SignedBytes {
  static constexpr std::size_t codes_per_block = 1;
  static constexpr std::size_t bytes_per_block = 1;

  static void pack(std::span<const std::uint8_t> codes, std::span<std::uint8_t> bytes) noexcept {
    for (std::size_t i = 0; i < codes.size(); ++i) bytes[i] = codes[i] ^ 0x80u;
  }
  static void unpack(std::span<const std::uint8_t> bytes, std::span<std::uint8_t> codes) noexcept {
    for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = bytes[i] ^ 0x80u;
  }
};

static_assert(LayoutFor<SignedBytes, Int8>);

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::pack
