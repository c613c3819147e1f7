// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/concept.hpp"
#include "lowbit/format/name.hpp"
#include "lowbit/format/rounding.hpp"

namespace lowbit {

/// What a minifloat's last codes are spent on.
enum class Specials : std::uint8_t {
  finite,  ///< nothing: every code is a number
  fn,      ///< NaN where exponent and mantissa are all ones; no infinity
  ieee,    ///< exponent all ones: mantissa 0 is infinity, others NaN
  fnuz,    ///< the code of −0 is NaN, so zero has no sign; no infinity
};

/// What becomes of values that round beyond the largest finite one.
enum class Overflow : std::uint8_t {
  saturate,  ///< the largest finite value
  special,   ///< infinity (ieee) or NaN (fn, fnuz)
};

namespace detail {

constexpr int default_bias(int exponent_bits, Specials specials) noexcept {
  return (1 << (exponent_bits - 1)) - 1 + (specials == Specials::fnuz ? 1 : 0);
}

}  // namespace detail

/// A float of 1 sign, E exponent and M mantissa bits, from the highest bit down, at most eight bits in all.
///
///   value   (−1)^s · 2^(1−Bias) · m/2^M         where the exponent field e is 0 (zero and subnormals)
///           (−1)^s · 2^(e−Bias) · (1 + m/2^M)   elsewhere, but for the codes that `S` takes away
///
/// Encoding: to nearest, ties to even mantissa (an option: away from zero), through the exponent bits of the float;
/// finite values saturate at ±largest (an option: overflow to infinity or NaN, decided after rounding). Subnormals are
/// kept, and so is the sign of zero, except in fnuz. An infinity becomes the infinity code where there is one (OCP's
/// saturating conversion would take the largest finite value), else it is treated as a finite overflow. NaN becomes
/// nan_code, with its sign (fnuz has one NaN); without NaN codes it becomes ±largest, so it must be refused before. The
/// result depends on no rounding mode.
///
/// E = 1 is a uniform grid: e1m2 is the integers −7 … 7 times 1/2.
/// Sources: Micikevicius et al., "FP8 Formats for Deep Learning", arXiv:2209.05433; OCP 8-bit Floating Point
/// Specification (OFP8) 1.0 and Microscaling Formats (MX) 1.0, 2023; fnuz: Noune et al., arXiv:2206.02915.
template <int E, int M, int Bias = detail::default_bias(E, Specials::finite), Specials S = Specials::finite>
struct Minifloat {
  static_assert(E >= 1 && M >= 0 && E + M <= 7, "lowbit::Minifloat has exponent bits and at most eight bits in all.");
  static_assert(S != Specials::ieee || (E >= 2 && M >= 1),
                "IEEE specials need two exponent bits and one mantissa bit.");
  static_assert((1 << E) - 1 - Bias <= 126, "The largest value is a float.");

  static constexpr int exponent_bits = E;
  static constexpr int mantissa_bits = M;
  static constexpr int bias = Bias;
  static constexpr Specials specials = S;
  static constexpr std::size_t dim = 1;
  static constexpr std::size_t cardinality = std::size_t{1} << (1 + E + M);
  using code_type = std::uint8_t;

  static constexpr code_type sign_bit = static_cast<code_type>(1u << (E + M));
  /// The code of `largest`.
  static constexpr code_type largest_code = static_cast<code_type>(S == Specials::fn     ? (1u << (E + M)) - 2u
                                                                   : S == Specials::ieee ? (((1u << E) - 1u) << M) - 1u
                                                                                         : (1u << (E + M)) - 1u);
  static constexpr bool has_infinity = S == Specials::ieee;
  static constexpr bool has_nan = S != Specials::finite;
  static constexpr code_type infinity_code = has_infinity ? largest_code + 1 : 0;
  /// The NaN that encoding gives, the sign aside: the quiet one of ieee (highest mantissa bit set).
  static constexpr code_type nan_code =
      static_cast<code_type>(S == Specials::fnuz   ? sign_bit
                             : S == Specials::fn   ? largest_code + 1u
                             : S == Specials::ieee ? infinity_code + (1u << (M > 0 ? M - 1 : 0))
                                                   : 0u);

  static constexpr float largest = detail::minifloat_value<M, Bias>(largest_code);
  static constexpr float max_finite = largest;
  static constexpr float min_normal = detail::power_of_two(1 - Bias);
  static constexpr float min_positive = detail::minifloat_value<M, Bias>(1);

  static constexpr bool is_nan(code_type c) noexcept {
    if constexpr (S == Specials::finite) return false;
    if constexpr (S == Specials::fnuz) return c == sign_bit;
    return (c & (sign_bit - 1u)) > (S == Specials::ieee ? infinity_code : largest_code);
  }
  static constexpr bool is_infinity(code_type c) noexcept {
    return has_infinity && (c & (sign_bit - 1u)) == infinity_code;
  }

  static constexpr std::array<float, cardinality> levels = [] {
    std::array<float, cardinality> all{};
    for (std::uint32_t c = 0; c < cardinality; ++c) {
      const auto code = static_cast<code_type>(c);
      const float magnitude = is_nan(code)        ? std::numeric_limits<float>::quiet_NaN()
                              : is_infinity(code) ? std::numeric_limits<float>::infinity()
                                                  : detail::minifloat_value<M, Bias>(c & (sign_bit - 1u));
      all[c] = (c & sign_bit) != 0 ? -magnitude : magnitude;
    }
    return all;
  }();

 private:
  static constexpr detail::FormatName text = [] {
    detail::FormatName n;
    n.add("e").add(E).add("m").add(M);
    const bool byte = E + M == 7;  // bare names: finite below eight bits, ieee at eight
    if (S == Specials::fn) n.add("fn");
    if (S == Specials::fnuz) n.add("fnuz");
    if (S == Specials::ieee && !byte) n.add("ieee");
    if (S == Specials::finite && byte) n.add("finite");
    if (Bias != detail::default_bias(E, S)) n.add("_bias").add(Bias);
    return n;
  }();

 public:
  static constexpr std::string_view name = text.view();

  template <Ties T = Ties::even, Overflow O = Overflow::saturate>
  LOWBIT_ALWAYS_INLINE static constexpr code_type encode(float x) noexcept {
    static_assert(O == Overflow::saturate || has_nan, "A format without special values can only saturate.");
    const auto bits = std::bit_cast<std::uint32_t>(x);
    const std::uint32_t magnitude = bits & 0x7fffffffu;
    // Either bound keeps the rounding in range; the second leaves room to see an overflow.
    constexpr float bound = O == Overflow::saturate ? largest : 2.0f * largest;
    std::uint32_t code = detail::minifloat_code<M, Bias, T>(detail::clamped_magnitude(x, bound));
    if constexpr (O == Overflow::special)
      code = detail::blend(code > largest_code, has_infinity ? infinity_code : nan_code, code);
    if constexpr (has_infinity) code = detail::blend(magnitude == 0x7f800000u, infinity_code, code);
    if constexpr (has_nan) code = detail::blend(magnitude > 0x7f800000u, nan_code, code);
    const std::uint32_t sign = (bits >> 31) << (E + M);
    if constexpr (S == Specials::fnuz) return static_cast<code_type>(code | detail::blend(code == 0, 0u, sign));
    return static_cast<code_type>(code | sign);
  }
  LOWBIT_ALWAYS_INLINE static constexpr float decode(code_type c) noexcept { return levels[c]; }

  code_type encode(std::span<const float, 1> x) const noexcept { return encode(x[0]); }
  void decode(code_type c, std::span<float, 1> y) const noexcept { y[0] = decode(c); }
};

using E2M1 = Minifloat<2, 1>;                          ///< OCP FP4: ±{0, .5, 1, 1.5, 2, 3, 4, 6}
using E1M2 = Minifloat<1, 2>;                          ///< ±{0, .5 … 3.5}: uniform
using E3M0 = Minifloat<3, 0>;                          ///< ±{0, 2^-2 … 2^4}
using E2M3 = Minifloat<2, 3>;                          ///< OCP FP6: largest 7.5
using E3M2 = Minifloat<3, 2>;                          ///< OCP FP6: largest 28
using E3M4 = Minifloat<3, 4, 3, Specials::ieee>;       ///< largest 15.5
using E4M3FN = Minifloat<4, 3, 7, Specials::fn>;       ///< OCP FP8: largest 448
using E5M2 = Minifloat<5, 2, 15, Specials::ieee>;      ///< OCP FP8: largest 57344
using E4M3FNUZ = Minifloat<4, 3, 8, Specials::fnuz>;   ///< largest 240
using E5M2FNUZ = Minifloat<5, 2, 16, Specials::fnuz>;  ///< largest 57344

static_assert(Format<E2M1> && Format<E3M0> && Format<E4M3FN> && Format<E5M2> && Format<E4M3FNUZ>);

}  // namespace lowbit
