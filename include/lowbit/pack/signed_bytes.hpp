// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/int.hpp"
#include "lowbit/pack/concept.hpp"
#include "lowbit/pack/lanes.hpp"

namespace lowbit::pack {
inline namespace LOWBIT_ISA_NAMESPACE {

/// One byte per code, code c stored as c ^ 0x80: offset binary in memory, two's complement in files. GGUF's Q8_0.
struct SignedBytes {
  static constexpr std::size_t codes_per_block = 1;
  static constexpr std::size_t bytes_per_block = 1;

  template <class Isa = isa::native>
  static void pack(std::span<const std::uint8_t> codes, std::span<std::uint8_t> bytes) noexcept {
    flip_signs<Isa>(codes.data(), bytes.data(), codes.size());
  }
  template <class Isa = isa::native>
  static void unpack(std::span<const std::uint8_t> bytes, std::span<std::uint8_t> codes) noexcept {
    flip_signs<Isa>(bytes.data(), codes.data(), codes.size());
  }

 private:
  template <class Isa>
  LOWBIT_ALWAYS_INLINE static void flip_signs(const std::uint8_t* from, std::uint8_t* to, std::size_t n) noexcept {
    using Lanes = detail::Lanes<32, Isa>;
    std::size_t i = 0;
    for (; i + sizeof(Lanes) <= n; i += sizeof(Lanes))
      detail::store_lanes(to + i, detail::load_lanes<Lanes>(from + i) ^ detail::every_byte(0x80));
    for (; i < n; ++i) to[i] = from[i] ^ 0x80u;
  }
};

static_assert(LayoutFor<SignedBytes, Int8>);

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::pack
