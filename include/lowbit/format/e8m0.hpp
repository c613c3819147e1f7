// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstdint>

#include "lowbit/core/isa.hpp"

namespace lowbit {

/// The scale of OCP microscaling blocks: one byte c for 2^(c − 127), c = 0 … 254; 255 is NaN. No sign, zero or
/// infinity.
///
/// Code 0 is 2^-127, a subnormal float: where denormals are taken for zeros (DAZ, FTZ), its float counts as 0.
/// From float: the largest power of two not above the value (`floor`), or with `ceil` the smallest not below it (the
/// rceil of MX: exponent, plus one where the mantissa is not zero). Values below 2^-127, zero included, become 2^-127.
/// NaN, infinities, negative values and, with `ceil`, values above 2^127 become NaN. Integer arithmetic throughout.
/// Source: OCP Microscaling Formats (MX) Specification 1.0, 2023.
struct E8M0 {
  std::uint8_t bits = 0;
  static constexpr const char* name = "e8m0";
  static constexpr float max = 0x1p127f;
  static constexpr float min_positive = 0x1p-127f;
  static constexpr std::uint8_t nan_bits = 255;

  E8M0() = default;
  LOWBIT_ALWAYS_INLINE explicit constexpr E8M0(float value) noexcept : bits(encode_floor(value)) {}
  LOWBIT_ALWAYS_INLINE static constexpr E8M0 from_bits(std::uint8_t b) noexcept {
    E8M0 s;
    s.bits = b;
    return s;
  }
  LOWBIT_ALWAYS_INLINE static constexpr E8M0 floor(float value) noexcept { return from_bits(encode_floor(value)); }
  LOWBIT_ALWAYS_INLINE static constexpr E8M0 ceil(float value) noexcept { return from_bits(encode_ceil(value)); }
  LOWBIT_ALWAYS_INLINE explicit constexpr operator float() const noexcept { return decode(bits); }
  friend constexpr bool operator==(E8M0, E8M0) = default;  ///< equality of bits, not of values

  /// Half the value, exact, for tables that hold doubled elements.
  LOWBIT_ALWAYS_INLINE constexpr float half() const noexcept {
    const std::uint32_t c = bits;
    return std::bit_cast<float>(c == nan_bits ? 0x7fc00000u : c < 2 ? 0x00200000u << c : (c - 1) << 23);
  }

  LOWBIT_ALWAYS_INLINE static constexpr std::uint8_t encode_floor(float value) noexcept {
    const auto u = std::bit_cast<std::uint32_t>(value);
    if (u == 0x80000000u) return 0;
    return static_cast<std::uint8_t>(u >= 0x7f800000u ? 255u : u >> 23);  // below 2^-126 the field is 0: 2^-127
  }
  LOWBIT_ALWAYS_INLINE static constexpr std::uint8_t encode_ceil(float value) noexcept {
    const auto u = std::bit_cast<std::uint32_t>(value);
    if (u == 0x80000000u || u <= 0x00400000u) return 0;  // at most 2^-127
    return static_cast<std::uint8_t>(u >= 0x7f800000u ? 255u : (u + 0x7fffffu) >> 23);
  }
  LOWBIT_ALWAYS_INLINE static constexpr float decode(std::uint8_t c) noexcept {
    return std::bit_cast<float>(c == nan_bits ? 0x7fc00000u
                                : c == 0      ? 0x00400000u
                                              : static_cast<std::uint32_t>(c) << 23);
  }
};

}  // namespace lowbit
