// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "lowbit/format/e8m0.hpp"
#include "lowbit/format/minifloat.hpp"
#include "lowbit/format/mx_int8.hpp"
#include "lowbit/pack/dense.hpp"
#include "lowbit/quantizer/concept.hpp"

namespace lowbit {

/// How an MX scale 2^E is chosen from the block's largest magnitude A. emax is the exponent of the element's largest value.
enum class MxScaleRule : std::uint8_t {
  floor,  ///< E = floor(log2 A) - emax: the OCP text; magnitudes above the largest element saturate
  even,   ///< as floor, but A is first rounded to the element's mantissa bits, half up: 1.75 of a binade bumps E2M1
  ceil,   ///< E = ceil(log2 A) - emax
  rceil,  ///< E = ceil(log2(A / largest element)): nothing saturates
};

namespace detail {

/// floor(log2 a) of a positive finite float, subnormals included.
constexpr int floor_log2(float a) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(a) & 0x7fffffffu;
  if (bits >= 0x00800000u) return static_cast<int>(bits >> 23) - 127;
  return 31 - std::countl_zero(bits) - 149;
}
constexpr bool is_power_of_two(float a) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(a) & 0x7fffffffu;
  return bits >= 0x00800000u ? (bits & 0x7fffffu) == 0 : std::has_single_bit(bits);
}

template <class F>
inline constexpr const char* mx_name = nullptr;
template <>
inline constexpr const char* mx_name<E2M1> = "mxfp4";
template <>
inline constexpr const char* mx_name<E2M3> = "mxfp6_e2m3";
template <>
inline constexpr const char* mx_name<E3M2> = "mxfp6_e3m2";
template <>
inline constexpr const char* mx_name<E4M3FN> = "mxfp8_e4m3";
template <>
inline constexpr const char* mx_name<E5M2> = "mxfp8_e5m2";
template <>
inline constexpr const char* mx_name<MxInt8> = "mxint8";

}  // namespace detail

/// OCP microscaling: blocks of 32, x̂ = 2^E · element, E stored as E8M0.
///
///   E         by `rule`, clamped to -127 ... 127
///   elements  F's nearest point to x · 2^-E (exact but for under- and overflow of float): ties to even, saturating
///
/// A zero block has E = -127 and zero elements. A block that holds NaN or infinity gets the NaN scale (code 255), and all
/// of it decodes to NaN; callers that own a Result refuse it before (quantize_nearest) or on reading.
/// Packing: the dense little-endian stream: FP4 two to a byte, the even element low; FP6 four codes in three bytes (the
/// OCP text leaves that open).
///
/// Bits per weight: element bits + 1/4.
/// Source: OCP Microscaling Formats (MX) Specification 1.0, 2023; Rouhani et al., arXiv:2310.10537.
template <class F>
struct Mx {
  static_assert(detail::mx_name<F> != nullptr, "MX elements are E2M1, E2M3, E3M2, E4M3FN, E5M2 and MxInt8.");
  using format_type = F;
  using layout_type = pack::dense_for<F>;
  using stored_type = E8M0;

  static constexpr std::size_t group_size = 32;
  static constexpr unsigned zero_bits = 0;
  static constexpr auto& levels = F::levels;
  static constexpr int emax = detail::floor_log2(F::largest);

  struct params_type {
    float scale = 0x1p-127f;  ///< 2^E, or NaN
    friend constexpr bool operator==(const params_type& a, const params_type& b) noexcept {
      return std::bit_cast<std::uint32_t>(a.scale) == std::bit_cast<std::uint32_t>(b.scale);
    }
  };

  MxScaleRule rule = MxScaleRule::floor;  ///< not stored, not read by kernels

  /// Sets a rule by its name; false for a word that is none.
  bool set_variant(std::string_view word) noexcept {
    constexpr std::string_view names[] = {"floor", "even", "ceil", "rceil"};
    for (int i = 0; i < 4; ++i)
      if (word == names[i]) {
        rule = static_cast<MxScaleRule>(i);
        return true;
      }
    return false;
  }

  params_type fit(std::span<const float> group) const noexcept {
    float most = 0.0f;
    bool finite = true;
    for (const float x : group) {
      most = std::fabs(x) > most ? std::fabs(x) : most;
      finite = finite && std::isfinite(x);
    }
    return finite ? fit_range(-most, most) : params_type{std::numeric_limits<float>::quiet_NaN()};
  }
  /// Parameters for values in [lo, hi], lo ≤ 0 ≤ hi: what clip searches call with shrunken ranges.
  params_type fit_range(float lo, float hi) const noexcept {
    const float most = -lo > hi ? -lo : hi;
    if (most == 0.0f) return {};
    int e = detail::floor_log2(most) - emax;
    if (rule == MxScaleRule::even) {
      // Through the bits: a carry out of the mantissa is the next binade.
      const float bumped = std::bit_cast<float>(std::bit_cast<std::uint32_t>(most) + (1u << (22 - F::mantissa_bits)));
      e = detail::floor_log2(bumped) - emax;
    } else if (rule == MxScaleRule::ceil) {
      e += detail::is_power_of_two(most) ? 0 : 1;
    } else if (rule == MxScaleRule::rceil) {
      // The largest element lies in the binade of emax, so one comparison decides, free of rounding.
      e += static_cast<double>(most) > std::ldexp(static_cast<double>(F::largest), e) ? 1 : 0;
    }
    e = e < -127 ? -127 : e > 127 ? 127 : e;
    return {power(e)};
  }

  LOWBIT_ALWAYS_INLINE std::uint8_t quantize(float x, params_type p) const noexcept {
    return F{}.encode(x * inverse(p.scale));
  }
  LOWBIT_ALWAYS_INLINE float dequantize(std::uint8_t code, params_type p) const noexcept {
    return p.scale * levels[code];
  }
  std::uint8_t quantize(std::span<const float, 1> x, params_type p) const noexcept { return quantize(x[0], p); }
  void dequantize(std::uint8_t code, params_type p, std::span<float, 1> y) const noexcept { y[0] = dequantize(code, p); }

  LOWBIT_ALWAYS_INLINE stored_type store(params_type p) const noexcept { return E8M0(p.scale); }
  std::uint8_t store_zero(params_type) const noexcept { return 0; }
  LOWBIT_ALWAYS_INLINE params_type load(stored_type stored, std::uint8_t) const noexcept {
    return {static_cast<float>(stored)};
  }

  static std::string storage_name() { return detail::mx_name<F>; }

 private:
  /// 2^e, e = -127 ... 127.
  static float power(int e) noexcept {
    return std::bit_cast<float>(e == -127 ? 0x00400000u : static_cast<std::uint32_t>(e + 127) << 23);
  }
  /// 2^-e from 2^e, exact, through the bits: also where the caller flushes subnormals. From NaN, NaN.
  LOWBIT_ALWAYS_INLINE static float inverse(float scale) noexcept {
    const auto bits = std::bit_cast<std::uint32_t>(scale);
    const std::uint32_t inverted = bits == 0x00400000u   ? 254u << 23
                                   : bits == 254u << 23  ? 0x00400000u
                                   : bits >= 0x7f800000u ? bits
                                                         : (254u << 23) - bits;
    return std::bit_cast<float>(inverted);
  }
};

using Mxfp4 = Mx<E2M1>;
using Mxfp6E2M3 = Mx<E2M3>;
using Mxfp6E3M2 = Mx<E3M2>;
using Mxfp8E4M3 = Mx<E4M3FN>;
using Mxfp8E5M2 = Mx<E5M2>;
using Mxint8 = Mx<MxInt8>;

static_assert(Quantizer<Mxfp4> && Quantizer<Mxfp6E2M3> && Quantizer<Mxfp8E4M3> && Quantizer<Mxint8>);

}  // namespace lowbit
