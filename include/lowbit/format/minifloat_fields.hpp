// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "lowbit/core/round.hpp"
#include "lowbit/format/rounding.hpp"

namespace lowbit {

/// The points of Minifloat<E, M> without special values, E and M being known at run time: for searches over formats. The
/// bias is Minifloat's own, 2^(E−1) − 1; other biases are scales (real_bias_minifloat.hpp).
///
///   exponent_bits   1 … 7
///   mantissa_bits   0 … 7 − exponent_bits
struct MinifloatFields {
  int exponent_bits = 2;
  int mantissa_bits = 1;
  friend constexpr bool operator==(const MinifloatFields&, const MinifloatFields&) = default;

  constexpr int bias() const noexcept { return (1 << (exponent_bits - 1)) - 1; }
  constexpr int bits() const noexcept { return 1 + exponent_bits + mantissa_bits; }
  /// (2 − 2^−M) · 2^(2^E − 1 − bias).
  constexpr float largest() const noexcept {
    return static_cast<float>((2 << mantissa_bits) - 1) *
           detail::power_of_two((1 << exponent_bits) - 1 - bias() - mantissa_bits);
  }
  /// The nearest point, ties to even mantissa, ±largest beyond it. NaN becomes ±largest.
  float nearest(float x) const noexcept {
    const float a = detail::clamped_magnitude(x, largest());
    const int exponent = static_cast<int>(std::bit_cast<std::uint32_t>(a) >> 23) - 127;
    const int step = (exponent > 1 - bias() ? exponent : 1 - bias()) - mantissa_bits;
    const float steps = a * detail::power_of_two(-step);
    return std::copysign(round_half_even(steps) * detail::power_of_two(step), x);
  }
};

}  // namespace lowbit
