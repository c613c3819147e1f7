// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstdint>

#include "lowbit/core/isa.hpp"

namespace lowbit {

/// Where a value halfway between two neighbours goes.
enum class Ties : std::uint8_t {
  even,  ///< to the code whose last bit is 0: IEEE 754's default
  away,  ///< to the larger magnitude: what the first MX emulators did, for comparison with them
};

namespace detail {

/// condition ? yes : no without a branch, which a conditional expression becomes where one side is a constant; so that
/// the loops encoders are called from turn into vectors.
LOWBIT_ALWAYS_INLINE constexpr std::uint32_t blend(bool condition, std::uint32_t yes, std::uint32_t no) noexcept {
  return no ^ ((yes ^ no) & (0u - static_cast<std::uint32_t>(condition)));
}

/// |x|, at most `bound`; NaN becomes `bound`. Magnitudes compare as integers, again free of branches.
LOWBIT_ALWAYS_INLINE constexpr float clamped_magnitude(float x, float bound) noexcept {
  const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(x) & 0x7fffffffu;
  const auto most = std::bit_cast<std::uint32_t>(bound);
  return std::bit_cast<float>(magnitude < most ? magnitude : most);
}

/// 2^e, e = -126 … 127.
constexpr float power_of_two(int e) noexcept { return std::bit_cast<float>(static_cast<std::uint32_t>(e + 127) << 23); }

/// The magnitude of a code of an unsigned float with M mantissa bits: exponent field code >> M, subnormals at 0. Exact.
template <int M, int Bias>
constexpr float minifloat_value(std::uint32_t code) noexcept {
  const auto exponent = static_cast<int>(code >> M);
  const auto mantissa = static_cast<int>(code & ((1u << M) - 1u));
  return exponent == 0 ? static_cast<float>(mantissa) * power_of_two(1 - Bias - M)
                       : static_cast<float>(mantissa + (1 << M)) * power_of_two(exponent - Bias - M);
}

/// The whole number nearest to `steps`, 0 ≤ steps < 2^31. It comes from a truncation, so the ambient rounding mode is
/// not asked.
template <Ties T = Ties::even>
LOWBIT_ALWAYS_INLINE constexpr std::uint32_t nearest_whole(float steps) noexcept {
  const auto whole = static_cast<std::int32_t>(steps);
  const float rest = steps - static_cast<float>(whole);  // exact
  bool up;
  if constexpr (T == Ties::even) {
    // Above 1/2 where `whole` is even; above the largest float below 1/2 where it is odd.
    up = rest > std::bit_cast<float>(0x3f000000u - (static_cast<std::uint32_t>(whole) & 1u));
  } else {
    up = rest >= 0.5f;
  }
  return static_cast<std::uint32_t>(whole) + (up ? 1u : 0u);
}

/// The code (exponent field and mantissa, no sign) nearest to a, as if the exponent field had no upper end.
///
///   a   finite, not negative
///
/// The exponent comes from the float's bits, not from log2. A carry out of the mantissa is the next binade's first
/// code. Straight-line code of about fifteen operations, which compilers turn into vectors.
template <int M, int Bias, Ties T>
LOWBIT_ALWAYS_INLINE constexpr std::uint32_t minifloat_code(float a) noexcept {
  static_assert(1 - Bias - M >= -126 && M + Bias - 1 <= 126, "The smallest step and its reciprocal are normal floats.");
  constexpr std::uint32_t first = static_cast<std::uint32_t>(128 - Bias) << 23;  // 2^(1 − Bias): the smallest normal
  const std::uint32_t exponent = std::bit_cast<std::uint32_t>(a) & 0x7f800000u;
  const std::uint32_t binade = exponent > first ? exponent : first;
  const float per_step =
      std::bit_cast<float>((static_cast<std::uint32_t>(254 + M) << 23) - binade);  // 2^(M − exponent)
  const float steps = a * per_step;                                                // exact
  return ((binade - first) >> (23 - M)) + nearest_whole<T>(steps);
}

}  // namespace detail
}  // namespace lowbit
