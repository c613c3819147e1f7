// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <limits>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/rounding.hpp"

namespace lowbit {

/// An unsigned float of 4 exponent (bias 7) and 3 mantissa bits, for scales: E4M3FN with sign 0, so the byte is also
/// that of a signed E4M3 scale, as checkpoints store them. Bit 7 is 0.
///
/// 0, subnormals m·2^-9, largest 448; 0x7f is NaN. Bytes from 0x80 up are no scales and decode to NaN.
/// From float: to nearest, ties to even mantissa, whatever the ambient rounding mode; saturates at 448, infinity too;
/// negative values become 0, NaN stays NaN.
/// Source: OCP 8-bit Floating Point Specification (OFP8) 1.0, 2023 (E4M3).
struct UE4M3 {
  std::uint8_t bits = 0;
  static constexpr const char* name = "ue4m3";
  static constexpr float max = 448.0f;
  static constexpr float min_positive = 0x1p-9f;
  static constexpr std::uint8_t nan_bits = 0x7f;

  UE4M3() = default;
  LOWBIT_ALWAYS_INLINE explicit constexpr UE4M3(float value) noexcept : bits(encode(value)) {}
  LOWBIT_ALWAYS_INLINE static constexpr UE4M3 from_bits(std::uint8_t b) noexcept {
    UE4M3 s;
    s.bits = b;
    return s;
  }
  LOWBIT_ALWAYS_INLINE explicit constexpr operator float() const noexcept { return decode(bits); }
  friend constexpr bool operator==(UE4M3, UE4M3) = default;  ///< equality of bits, not of values

  LOWBIT_ALWAYS_INLINE static constexpr std::uint8_t encode(float value) noexcept {
    if (value != value) return nan_bits;
    const float a = value > 0.0f ? (value < max ? value : max) : 0.0f;
    return static_cast<std::uint8_t>(detail::minifloat_code<3, 7, Ties::even>(a));
  }
  LOWBIT_ALWAYS_INLINE static constexpr float decode(std::uint8_t c) noexcept {
    return c < nan_bits ? detail::minifloat_value<3, 7>(c) : std::numeric_limits<float>::quiet_NaN();
  }
};

}  // namespace lowbit
