// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

#include "lowbit/core/isa.hpp"

/// Arithmetic on sizes that came from somebody else: the result, or nothing when it would wrap.

namespace lowbit {

constexpr std::optional<std::uint64_t> checked_mul(std::uint64_t a, std::uint64_t b) noexcept {
  if (a != 0 && b > std::numeric_limits<std::uint64_t>::max() / a) return std::nullopt;
  return a * b;
}

constexpr std::optional<std::uint64_t> checked_add(std::uint64_t a, std::uint64_t b) noexcept {
  if (b > std::numeric_limits<std::uint64_t>::max() - a) return std::nullopt;
  return a + b;
}

/// The least multiple of `alignment` (≥ 1) at or above n.
constexpr std::optional<std::uint64_t> checked_round_up(std::uint64_t n, std::uint64_t alignment) noexcept {
  const std::uint64_t rest = n % alignment;
  return rest == 0 ? std::optional(n) : checked_add(n, alignment - rest);
}

/// ⌈n / d⌉ for d ≥ 1, without wrapping.
LOWBIT_ALWAYS_INLINE constexpr std::size_t ceil_div(std::size_t n, std::size_t d) noexcept { return n / d + (n % d != 0 ? 1 : 0); }

}  // namespace lowbit
