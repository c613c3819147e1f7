// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/concept.hpp"
#include "lowbit/format/name.hpp"
#include "lowbit/format/rounding.hpp"

namespace lowbit {

/// dINT, integers with a denormal: −n … n and ±1/2, n = 2^(b−1) − 2. Fewer small weights vanish than on the integers
/// alone, and twice a point is an integer still.
///
/// Codes are two's complement in b bits; the two outermost stand for ±1/2 and the lowest is unused:
///
///   b = 4    0 … 6 and 10 … 15 (−6 … −1)    7 is +1/2    9 is −1/2    8 decodes to 0 and is never given
///
/// The paper fixes no codes. Encoding: to nearest; ties to even integers, ±1/4 to 0, ±3/4 to ±1; values outside clamp;
/// NaN becomes ±n. Special values: none.
/// Source: Lee et al., "Enhancing Computation Efficiency in Large Language Models through Weight and Activation
/// Quantization", EMNLP 2023, arXiv:2311.05161.
template <int Bits>
struct DInt {
  static_assert(Bits >= 3 && Bits <= 8, "lowbit::DInt has 3 to 8 bits.");
  static constexpr int bits = Bits;
  static constexpr std::size_t dim = 1;
  static constexpr std::size_t cardinality = std::size_t{1} << Bits;
  static constexpr int max = (1 << (Bits - 1)) - 2;
  static constexpr float largest = static_cast<float>(max);
  using code_type = std::uint8_t;

  static constexpr code_type half_code = (1u << (Bits - 1)) - 1u;        ///< +1/2
  static constexpr code_type minus_half_code = (1u << (Bits - 1)) + 1u;  ///< −1/2
  static constexpr code_type unused_code = 1u << (Bits - 1);

  static constexpr std::array<float, cardinality> levels = [] {
    std::array<float, cardinality> all{};
    for (int q = -max; q <= max; ++q) all[static_cast<unsigned>(q) & (cardinality - 1)] = static_cast<float>(q);
    all[half_code] = 0.5f;
    all[minus_half_code] = -0.5f;
    return all;
  }();

  LOWBIT_ALWAYS_INLINE static constexpr code_type encode(float x) noexcept {
    const auto u = std::bit_cast<std::uint32_t>(x);
    const float a = detail::clamped_magnitude(x, largest);
    const std::uint32_t v = detail::blend((a > 0.25f) & (a < 0.75f), half_code, detail::nearest_whole(a));
    const std::uint32_t minus = 0u - (u >> 31);
    return static_cast<code_type>(((v ^ minus) - minus) & (cardinality - 1));
  }
  LOWBIT_ALWAYS_INLINE static constexpr float decode(code_type c) noexcept { return levels[c]; }

  code_type encode(std::span<const float, 1> x) const noexcept { return encode(x[0]); }
  void decode(code_type c, std::span<float, 1> y) const noexcept { y[0] = decode(c); }

 private:
  static constexpr detail::FormatName text = detail::FormatName{}.add("dint").add(Bits);

 public:
  static constexpr std::string_view name = text.view();
};

/// dINT with a zero point: −zero … 2^b − 3 − zero, and ±1/2.
///
/// Codes 0 … 2^b − 3 are code − zero; 2^b − 2 is −1/2 and 2^b − 1 is +1/2. Encoding as DInt; where ±1/2 ends the range,
/// values outside go there. A format with a value: `zero` comes from the group.
template <int Bits>
struct DIntAsymmetric {
  static_assert(Bits >= 3 && Bits <= 8, "lowbit::DIntAsymmetric has 3 to 8 bits.");
  static constexpr std::size_t dim = 1;
  static constexpr std::size_t cardinality = std::size_t{1} << Bits;
  static constexpr int top = (1 << Bits) - 3;  ///< the largest code of an integer
  using code_type = std::uint8_t;

  static constexpr code_type minus_half_code = (1u << Bits) - 2u;
  static constexpr code_type half_code = (1u << Bits) - 1u;

  code_type zero = 0;  ///< the code of 0; at most top

  LOWBIT_ALWAYS_INLINE constexpr code_type encode(float x) const noexcept {
    const auto lowest = -static_cast<float>(zero), highest = static_cast<float>(top - zero);
    const float inside = x > lowest ? (x < highest ? x : highest) : lowest;
    const float a = x < 0.0f ? -x : x, clamped = inside < 0.0f ? -inside : inside;
    // Beyond the last integer on a side that has none but 0, ±1/2 is the end.
    const bool half = a > 0.25f && (a < 0.75f || clamped == 0.0f);
    const auto whole = static_cast<int>(detail::nearest_whole(clamped));
    const int code = zero + (x < 0.0f ? -whole : whole);
    return half ? (x < 0.0f ? minus_half_code : half_code) : static_cast<code_type>(code);
  }
  LOWBIT_ALWAYS_INLINE constexpr float decode(code_type c) const noexcept {
    return c == half_code ? 0.5f : c == minus_half_code ? -0.5f : static_cast<float>(c - zero);
  }

  code_type encode(std::span<const float, 1> x) const noexcept { return encode(x[0]); }
  void decode(code_type c, std::span<float, 1> y) const noexcept { y[0] = decode(c); }

 private:
  static constexpr detail::FormatName text = detail::FormatName{}.add("dint").add(Bits).add("_asymmetric");

 public:
  static constexpr std::string_view name = text.view();
};

static_assert(Format<DInt<4>> && Format<DIntAsymmetric<4>>);

}  // namespace lowbit
