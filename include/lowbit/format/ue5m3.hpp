// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <limits>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/rounding.hpp"

namespace lowbit {

/// An unsigned float of 5 exponent (bias 15) and 3 mantissa bits, for scales: the spacing of UE4M3 over a range wide
/// enough to go without a scale per tensor.
///
/// 0, subnormals m·2^-17, largest 114688; 0xff is NaN (as in E4M3FN; no standard fixes it).
/// From float: to nearest, ties to even mantissa, whatever the ambient rounding mode; saturates at 114688, infinity
/// too; negative values become 0, NaN stays NaN.
struct UE5M3 {
  std::uint8_t bits = 0;
  static constexpr const char* name = "ue5m3";
  static constexpr float max = 114688.0f;
  static constexpr float min_positive = 0x1p-17f;
  static constexpr std::uint8_t nan_bits = 0xff;

  UE5M3() = default;
  LOWBIT_ALWAYS_INLINE explicit constexpr UE5M3(float value) noexcept : bits(encode(value)) {}
  LOWBIT_ALWAYS_INLINE static constexpr UE5M3 from_bits(std::uint8_t b) noexcept {
    UE5M3 s;
    s.bits = b;
    return s;
  }
  LOWBIT_ALWAYS_INLINE explicit constexpr operator float() const noexcept { return decode(bits); }
  friend constexpr bool operator==(UE5M3, UE5M3) = default;  ///< equality of bits, not of values

  LOWBIT_ALWAYS_INLINE static constexpr std::uint8_t encode(float value) noexcept {
    if (value != value) return nan_bits;
    const float a = value > 0.0f ? (value < max ? value : max) : 0.0f;
    return static_cast<std::uint8_t>(detail::minifloat_code<3, 15, Ties::even>(a));
  }
  LOWBIT_ALWAYS_INLINE static constexpr float decode(std::uint8_t c) noexcept {
    return c < nan_bits ? detail::minifloat_value<3, 15>(c) : std::numeric_limits<float>::quiet_NaN();
  }
};

}  // namespace lowbit
