// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstdint>

#include "lowbit/core/isa.hpp"

/// The two 16-bit floats that weights and scales are stored in. Storage only: arithmetic happens in float.
///
///   f16   IEEE 754 binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits; subnormals; largest 65504
///   bf16  the high half of binary32: 1 sign, 8 exponent, 7 fraction bits; subnormals; largest 3.39e38
///
/// From float: round to nearest, ties to even, by integer arithmetic, so the ambient rounding mode and flush-to-zero
/// flags change nothing. Overflow gives infinity; every NaN stays a (quiet) NaN with its sign and leading payload bits.
/// To float: exact.

namespace lowbit {

struct f16 {
  std::uint16_t bits = 0;
  static constexpr const char* name = "f16";
  static constexpr float max = 65504.0f;
  static constexpr float min_positive = 5.9604644775390625e-8f;  // 2^-24

  f16() = default;
  LOWBIT_ALWAYS_INLINE explicit constexpr f16(float value) noexcept : bits(encode(value)) {}
  LOWBIT_ALWAYS_INLINE static constexpr f16 from_bits(std::uint16_t b) noexcept {
    f16 h;
    h.bits = b;
    return h;
  }
  LOWBIT_ALWAYS_INLINE explicit constexpr operator float() const noexcept { return decode(bits); }
  friend constexpr bool operator==(f16, f16) = default;  ///< equality of bits, not of values

  LOWBIT_ALWAYS_INLINE static constexpr std::uint16_t encode(float value) noexcept {
    const auto u = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = (u >> 16) & 0x8000u;
    const std::uint32_t magnitude = u & 0x7fffffffu;
    if (magnitude >= 0x7f800000u) {  // infinity, NaN
      const std::uint32_t payload = (magnitude >> 13) & 0x3ffu;
      return static_cast<std::uint16_t>(sign | 0x7c00u | (magnitude > 0x7f800000u ? payload | 0x200u : 0u));
    }
    if (magnitude >= 0x47800000u) return static_cast<std::uint16_t>(sign | 0x7c00u);  // at least 65536
    if (magnitude >= 0x38800000u) {                                                   // at least 2^-14: normal
      const std::uint32_t rebased = magnitude - 0x38000000u;
      const std::uint32_t rounded = rebased + 0xfffu + ((rebased >> 13) & 1u);
      return static_cast<std::uint16_t>(sign | (rounded >> 13));  // a carry may reach infinity, as it should
    }
    if (magnitude <= 0x33000000u) return static_cast<std::uint16_t>(sign);  // at most 2^-25: ties to even zero
    const std::uint32_t shift = 126u - (magnitude >> 23);                   // 14 .. 24
    const std::uint32_t significand = (magnitude & 0x7fffffu) | 0x800000u;
    const std::uint32_t kept = significand >> shift;
    const std::uint32_t rest = significand & ((1u << shift) - 1u);
    const std::uint32_t half = 1u << (shift - 1u);
    const std::uint32_t up = (rest > half || (rest == half && (kept & 1u) != 0u)) ? 1u : 0u;
    return static_cast<std::uint16_t>(sign | (kept + up));
  }

  LOWBIT_ALWAYS_INLINE static constexpr float decode(std::uint16_t half) noexcept {
    const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
    const std::uint32_t exponent = (half >> 10) & 0x1fu;
    const std::uint32_t fraction = half & 0x3ffu;
    if (exponent == 0x1fu)
      return std::bit_cast<float>(sign | 0x7f800000u | (fraction << 13) | (fraction != 0 ? 0x400000u : 0u));
    if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112u) << 23) | (fraction << 13));
    if (fraction == 0) return std::bit_cast<float>(sign);
    const auto leading = static_cast<std::uint32_t>(std::countl_zero(fraction)) - 21u;  // 1 .. 10
    return std::bit_cast<float>(sign | ((113u - leading) << 23) | (((fraction << leading) & 0x3ffu) << 13));
  }
};

struct bf16 {
  std::uint16_t bits = 0;
  static constexpr const char* name = "bf16";
  static constexpr float max = 3.38953138925153547590470800371487866880e+38f;
  static constexpr float min_positive = 9.18354961579912115600575419704879435795832466228193376178712e-41f;  // 2^-133

  bf16() = default;
  LOWBIT_ALWAYS_INLINE explicit constexpr bf16(float value) noexcept : bits(encode(value)) {}
  LOWBIT_ALWAYS_INLINE static constexpr bf16 from_bits(std::uint16_t b) noexcept {
    bf16 h;
    h.bits = b;
    return h;
  }
  LOWBIT_ALWAYS_INLINE explicit constexpr operator float() const noexcept { return decode(bits); }
  friend constexpr bool operator==(bf16, bf16) = default;  ///< equality of bits, not of values

  LOWBIT_ALWAYS_INLINE static constexpr std::uint16_t encode(float value) noexcept {
    const auto u = std::bit_cast<std::uint32_t>(value);
    if ((u & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>((u >> 16) | 0x40u);
    return static_cast<std::uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
  }

  LOWBIT_ALWAYS_INLINE static constexpr float decode(std::uint16_t half) noexcept {
    return std::bit_cast<float>(static_cast<std::uint32_t>(half) << 16);
  }
};

}  // namespace lowbit
