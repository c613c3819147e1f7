// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace lowbit::pvq {

/// An unsigned integer of 64·Words bits with what enumeration needs: sum, difference, order. Arithmetic is modulo
/// 2^(64·Words). words[0] is the lowest.
template <std::size_t Words>
struct WideUint {
  static_assert(Words >= 1);
  std::array<std::uint64_t, Words> words{};

  constexpr WideUint() noexcept = default;
  constexpr WideUint(std::uint64_t low) noexcept { words[0] = low; }  // NOLINT: numbers are numbers

  friend constexpr WideUint operator+(const WideUint& a, const WideUint& b) noexcept {
    WideUint sum;
    std::uint64_t carry = 0;
    for (std::size_t i = 0; i < Words; ++i) {
      const std::uint64_t part = a.words[i] + carry;
      sum.words[i] = part + b.words[i];
      carry = (part < carry ? 1u : 0u) | (sum.words[i] < part ? 1u : 0u);
    }
    return sum;
  }
  friend constexpr WideUint operator-(const WideUint& a, const WideUint& b) noexcept {
    WideUint rest;
    std::uint64_t borrow = 0;
    for (std::size_t i = 0; i < Words; ++i) {
      const std::uint64_t part = a.words[i] - borrow;
      const bool under = a.words[i] < borrow;
      rest.words[i] = part - b.words[i];
      borrow = under || part < b.words[i] ? 1u : 0u;
    }
    return rest;
  }
  constexpr WideUint& operator+=(const WideUint& b) noexcept { return *this = *this + b; }
  constexpr WideUint& operator-=(const WideUint& b) noexcept { return *this = *this - b; }

  friend constexpr bool operator==(const WideUint&, const WideUint&) noexcept = default;
  friend constexpr std::strong_ordering operator<=>(const WideUint& a, const WideUint& b) noexcept {
    for (std::size_t i = Words; i-- > 0;)
      if (a.words[i] != b.words[i]) return a.words[i] <=> b.words[i];
    return std::strong_ordering::equal;
  }
};

__extension__ typedef unsigned __int128 uint128;

constexpr unsigned bit_width(std::uint64_t x) noexcept { return static_cast<unsigned>(std::bit_width(x)); }
constexpr unsigned bit_width(uint128 x) noexcept {
  const auto high = static_cast<std::uint64_t>(x >> 64);
  return high != 0 ? 64 + bit_width(high) : bit_width(static_cast<std::uint64_t>(x));
}
template <std::size_t Words>
constexpr unsigned bit_width(const WideUint<Words>& x) noexcept {
  for (std::size_t i = Words; i-- > 0;)
    if (x.words[i] != 0) return static_cast<unsigned>(64 * i) + bit_width(x.words[i]);
  return 0;
}

}  // namespace lowbit::pvq
