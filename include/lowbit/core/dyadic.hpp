// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>

#include "lowbit/core/isa.hpp"

namespace lowbit {

/// A dyadic number multiplier / 2^shift: a positive scale that integers can be multiplied by without floats.
///
///   multiplier  2^30 … 2^31 − 1 (normalized), or 0
///   shift       0 … 62
///
/// `apply` is exact: the 64-bit product is rounded once, to nearest, ties away from zero, and clamped to int32.
/// Source: Yao et al., "HAWQ-V3", ICML 2021, arXiv:2011.10680, section 3.1; Jacob et al., arXiv:1712.05877 for the form.
struct Dyadic {
  std::int32_t multiplier = 0;
  int shift = 0;

  constexpr double value() const noexcept {
    return static_cast<double>(multiplier) / static_cast<double>(std::uint64_t{1} << shift);
  }

  LOWBIT_ALWAYS_INLINE constexpr std::int32_t apply(std::int32_t x) const noexcept {
    const std::int64_t product = static_cast<std::int64_t>(x) * multiplier;  // below 2^62
    const auto magnitude = static_cast<std::uint64_t>(product < 0 ? -product : product);
    const std::uint64_t half = shift == 0 ? 0 : std::uint64_t{1} << (shift - 1);
    const std::uint64_t rounded = (magnitude + half) >> shift;
    constexpr std::uint64_t top = 0x7fffffffu;
    if (product < 0) return rounded > top + 1 ? -0x7fffffff - 1 : static_cast<std::int32_t>(-static_cast<std::int64_t>(rounded));
    return static_cast<std::int32_t>(rounded > top ? top : rounded);
  }
  /// apply, plus a zero point, clamped to [lo, hi]: int32 accumulators to int8 codes.
  LOWBIT_ALWAYS_INLINE constexpr std::int32_t requantize(std::int32_t x, std::int32_t zero_point, std::int32_t lo,
                                                         std::int32_t hi) const noexcept {
    const std::int64_t y = static_cast<std::int64_t>(apply(x)) + zero_point;
    return static_cast<std::int32_t>(y < lo ? lo : y > hi ? hi : y);
  }

  friend constexpr bool operator==(const Dyadic&, const Dyadic&) = default;
};

/// The nearest dyadic number to a scale; relative error at most 2^-31. Scales below 2^-32 lose bits, down to 0 below 2^-63:
/// products of int32 with them are below 1. Nothing for negative, infinite, NaN, and 2^31 or more.
inline std::optional<Dyadic> to_dyadic(double scale) noexcept {
  if (!(scale >= 0.0) || !std::isfinite(scale)) return std::nullopt;
  if (scale == 0.0) return Dyadic{};
  int exponent = 0;
  const double fraction = std::frexp(scale, &exponent);  // [1/2, 1)
  int shift = 31 - exponent;
  auto multiplier = static_cast<std::int64_t>(std::llround(std::ldexp(fraction, 31)));
  if (multiplier == std::int64_t{1} << 31) {
    multiplier >>= 1;
    --shift;
  }
  if (shift < 0) return std::nullopt;
  if (shift > 62) {
    multiplier = shift - 62 > 31 ? 0 : std::llround(std::ldexp(static_cast<double>(multiplier), 62 - shift));
    shift = multiplier == 0 ? 0 : 62;
  }
  return Dyadic{static_cast<std::int32_t>(multiplier), shift};
}

}  // namespace lowbit
