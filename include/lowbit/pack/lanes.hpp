// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "lowbit/core/isa.hpp"

/// Registers of bytes side by side, for layouts that treat every byte of a run alike: shift, mask, or. A 64-bit word is
/// such a register; a vector of words takes the same operators, so one body serves every instruction set. Fields never
/// cross the bytes they lie in: they are masked before they move up and after they move down.

namespace lowbit::pack {
inline namespace LOWBIT_ISA_NAMESPACE {
namespace detail {

template <std::size_t Bytes>
struct Register;
template <>
struct Register<1> {
  using type = std::uint8_t;
};
template <>
struct Register<8> {
  using type = std::uint64_t;
};
#if defined(__GNUC__)
template <>
struct Register<16> {
  typedef std::uint64_t type __attribute__((vector_size(16)));
};
#if LOWBIT_HAS_AVX2
template <>
struct Register<32> {
  typedef std::uint64_t type __attribute__((vector_size(32)));
};
#endif
#endif

/// The widest register worth using: more than 32 bytes gain nothing, since runs are 16 or 32 bytes long.
template <class Isa>
constexpr std::size_t register_bytes() noexcept {
#if defined(__GNUC__)
  if (std::derived_from<Isa, isa::avx2>) return 32;
  if (std::derived_from<Isa, isa::neon>) return 16;
#endif
  return 8;
}

template <std::size_t Run, class Isa>
constexpr std::size_t widest_register() noexcept {
  for (std::size_t n = register_bytes<Isa>(); n >= 8; n /= 2)
    if (Run % n == 0) return n;
  return 1;
}

/// The widest register of Isa that a run of Run bytes is a multiple of; single bytes if it is no multiple of 8.
template <std::size_t Run, class Isa>
using Lanes = typename Register<widest_register<Run, Isa>()>::type;

template <class L>
LOWBIT_ALWAYS_INLINE L load_lanes(const std::uint8_t* p) noexcept {
  L lanes;
  std::memcpy(&lanes, p, sizeof lanes);
  return lanes;
}
template <class L>
LOWBIT_ALWAYS_INLINE void store_lanes(std::uint8_t* p, L lanes) noexcept {
  std::memcpy(p, &lanes, sizeof lanes);
}

constexpr std::uint64_t every_byte(unsigned value) noexcept { return 0x0101010101010101u * value; }

/// Bits [From, From + Bits) of every byte, moved to [To, To + Bits).
template <int Bits, int From, int To, class L>
LOWBIT_ALWAYS_INLINE L move_field(L lanes) noexcept {
  static_assert(Bits + From <= 8 && Bits + To <= 8);
  constexpr unsigned field = (1u << Bits) - 1u;
  if constexpr (From >= To)
    return static_cast<L>((lanes >> (From - To)) & static_cast<L>(L{} + every_byte(field << To)));
  else
    return static_cast<L>((lanes & static_cast<L>(L{} + every_byte(field << From))) << (To - From));
}

}  // namespace detail
}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::pack
