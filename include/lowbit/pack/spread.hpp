// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <concepts>
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

namespace detail {

#if LOWBIT_HAS_AVX2 && defined(__BMI2__)
template <class Isa>
inline constexpr bool has_deposit = std::derived_from<Isa, isa::avx2>;
#else
template <class Isa>
inline constexpr bool has_deposit = false;
#endif

/// Fields of Width bits, two to a slot of Slot bits and next to each other at its low end, to the two halves of the
/// slot.
template <int Width, int Slot>
LOWBIT_ALWAYS_INLINE std::uint64_t part_pairs(std::uint64_t x) noexcept {
  constexpr std::uint64_t slots = Slot == 64 ? 1u : Slot == 32 ? 0x0000000100000001u : 0x0001000100010001u;
  constexpr std::uint64_t low = ((std::uint64_t{1} << Width) - 1u) * slots;
  return (x & low) | ((x & (low << Width)) << (Slot / 2 - Width));
}

/// The inverse; what lies above the fields is dropped.
template <int Width, int Slot>
LOWBIT_ALWAYS_INLINE std::uint64_t join_pairs(std::uint64_t x) noexcept {
  constexpr std::uint64_t slots = Slot == 64 ? 1u : Slot == 32 ? 0x0000000100000001u : 0x0001000100010001u;
  constexpr std::uint64_t low = ((std::uint64_t{1} << Width) - 1u) * slots;
  return (x & low) | ((x >> (Slot / 2 - Width)) & (low << Width));
}

}  // namespace detail

/// Code i, bits [i·Bits, (i+1)·Bits) of `dense`, to byte i. Bits above 8·Bits are ignored.
template <int Bits, class Isa = isa::native>
LOWBIT_ALWAYS_INLINE std::uint64_t spread_to_bytes(std::uint64_t dense) noexcept {
#if LOWBIT_HAS_AVX2 && defined(__BMI2__)
  if constexpr (detail::has_deposit<Isa>) return _pdep_u64(dense, 0x0101010101010101u * ((1u << Bits) - 1u));
#endif
  const std::uint64_t halves = detail::part_pairs<4 * Bits, 64>(dense);
  return detail::part_pairs<Bits, 16>(detail::part_pairs<2 * Bits, 32>(halves));
}

/// The inverse; the bits of a byte above Bits are ignored.
template <int Bits, class Isa = isa::native>
LOWBIT_ALWAYS_INLINE std::uint64_t gather_from_bytes(std::uint64_t bytes) noexcept {
#if LOWBIT_HAS_AVX2 && defined(__BMI2__)
  if constexpr (detail::has_deposit<Isa>) return _pext_u64(bytes, 0x0101010101010101u * ((1u << Bits) - 1u));
#endif
  const std::uint64_t pairs = detail::join_pairs<2 * Bits, 32>(detail::join_pairs<Bits, 16>(bytes));
  return detail::join_pairs<4 * Bits, 64>(pairs);
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
