// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "lowbit/core/isa.hpp"

#if LOWBIT_HAS_AVX2 && defined(__BMI2__)
#include <immintrin.h>
#endif

/// Eight dense codes at a time, as one 64-bit word: eight codes of b bits fill exactly b bytes.

namespace lowbit::pack {

static_assert(std::endian::native == std::endian::little, "Packed rows are read and written as little-endian words.");

inline namespace LOWBIT_ISA_NAMESPACE {

/// Code i, bits [i·Bits, (i+1)·Bits) of `dense`, to byte i. Bits above 8·Bits are ignored.
template <int Bits>
LOWBIT_ALWAYS_INLINE std::uint64_t spread_to_bytes(std::uint64_t dense) noexcept {
  constexpr std::uint64_t mask = (1u << Bits) - 1u;
#if LOWBIT_HAS_AVX2 && defined(__BMI2__)
  return _pdep_u64(dense, 0x0101010101010101u * mask);
#else
  std::uint64_t bytes = 0;
  for (int i = 0; i < 8; ++i) bytes |= ((dense >> (i * Bits)) & mask) << (8 * i);
  return bytes;
#endif
}

/// The inverse; the bits of a byte above Bits are ignored.
template <int Bits>
LOWBIT_ALWAYS_INLINE std::uint64_t gather_from_bytes(std::uint64_t bytes) noexcept {
  constexpr std::uint64_t mask = (1u << Bits) - 1u;
#if LOWBIT_HAS_AVX2 && defined(__BMI2__)
  return _pext_u64(bytes, 0x0101010101010101u * mask);
#else
  std::uint64_t dense = 0;
  for (int i = 0; i < 8; ++i) dense |= ((bytes >> (8 * i)) & mask) << (i * Bits);
  return dense;
#endif
}

/// `count` ≤ 8 bytes as a little-endian word.
LOWBIT_ALWAYS_INLINE std::uint64_t load_word(const std::uint8_t* p, std::size_t count) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, p, count);
  return word;
}

/// Count bytes as a little-endian word, from loads that go straight to registers: a copy to the stack would stall where
/// its pieces are read as one.
template <int Count>
LOWBIT_ALWAYS_INLINE std::uint64_t load_word(const std::uint8_t* p) noexcept {
  static_assert(Count >= 1 && Count <= 8);
  const auto part = [p]<class T>(T value, int byte) {
    std::memcpy(&value, p + byte, sizeof value);
    return static_cast<std::uint64_t>(value) << (8 * byte);
  };
  if constexpr (Count == 8)
    return part(std::uint64_t{}, 0);
  else if constexpr (Count >= 5)
    return part(std::uint32_t{}, 0) | part(std::uint32_t{}, Count - 4);
  else if constexpr (Count == 4)
    return part(std::uint32_t{}, 0);
  else if constexpr (Count == 3)
    return part(std::uint16_t{}, 0) | part(std::uint16_t{}, 1);
  else if constexpr (Count == 2)
    return part(std::uint16_t{}, 0);
  else
    return *p;
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::pack
