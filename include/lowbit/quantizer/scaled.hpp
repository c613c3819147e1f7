// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <string>

#include "lowbit/core/float16.hpp"
#include "lowbit/format/concept.hpp"
#include "lowbit/format/ue4m3.hpp"
#include "lowbit/format/ue5m3.hpp"
#include "lowbit/pack/dense.hpp"
#include "lowbit/quantizer/concept.hpp"
#include "lowbit/quantizer/group_size.hpp"

namespace lowbit {

namespace detail {

template <class Scale>
inline constexpr const char* scale_name = nullptr;
template <>
inline constexpr const char* scale_name<f16> = "f16";
template <>
inline constexpr const char* scale_name<bf16> = "bf16";
template <>
inline constexpr const char* scale_name<float> = "f32";
template <>
inline constexpr const char* scale_name<UE4M3> = "ue4m3";
template <>
inline constexpr const char* scale_name<UE5M3> = "ue5m3";

}  // namespace detail

/// The points of a scalar format times one scale per group: x̂ = scale · point(code).
///
///   scale   max|x| / F::largest, rounded to its storage type before codes are chosen; zero or positive
///   codes   F's nearest point to x / scale (a division, so a group's own points come back)
///
/// A group whose stored scale is zero, or whose reciprocal overflows float, is a zero group: it decodes to exact zeros.
/// A scale too large for its storage comes out of `fit` as infinity; UE4M3 and UE5M3 saturate instead.
/// NF4 in blocks of 64 with float scales is Scaled<NF4, float, 64> (Dettmers et al., arXiv:2305.14314); FP4 with UE4M3
/// scales in blocks of 16 and no tensor scale is Scaled<E2M1, UE4M3, 16>.
///
/// Bits per weight: bits of the layout + scale bits / g.
template <Format F, class Scale = f16, std::size_t GroupSize = 128, class Layout = pack::dense_for<F>>
struct Scaled : detail::GroupSize<GroupSize> {
  static_assert(F::dim == 1, "Scaled quantizes one weight at a time.");
  static_assert(detail::scale_name<Scale> != nullptr, "Scales are stored as f16, bf16, float, UE4M3 or UE5M3.");
  using format_type = F;
  using layout_type = Layout;
  using stored_type = Scale;

  static constexpr unsigned zero_bits = 0;
  static constexpr auto& levels = F::levels;

  struct params_type {
    float scale = 0.0f;
    friend constexpr bool operator==(const params_type&, const params_type&) = default;
  };

  params_type fit(std::span<const float> group) const noexcept {
    float most = 0.0f;
    for (const float x : group) most = std::fabs(x) > most ? std::fabs(x) : most;
    return fit_range(-most, most);
  }
  /// Parameters for values in [lo, hi], lo ≤ 0 ≤ hi: what clip searches call with shrunken ranges.
  params_type fit_range(float lo, float hi) const noexcept {
    const float most = -lo > hi ? -lo : hi;
    const float stored = static_cast<float>(Scale(most / F::largest));
    return {stored < 2.94e-39f ? 0.0f : stored};
  }

  LOWBIT_ALWAYS_INLINE std::uint8_t quantize(float x, params_type p) const noexcept {
    return F{}.encode(p.scale != 0.0f ? x / p.scale : 0.0f);
  }
  LOWBIT_ALWAYS_INLINE float dequantize(std::uint8_t code, params_type p) const noexcept {
    return p.scale * levels[code];
  }
  std::uint8_t quantize(std::span<const float, 1> x, params_type p) const noexcept { return quantize(x[0], p); }
  void dequantize(std::uint8_t code, params_type p, std::span<float, 1> y) const noexcept { y[0] = dequantize(code, p); }

  LOWBIT_ALWAYS_INLINE stored_type store(params_type p) const noexcept { return Scale(p.scale); }
  std::uint8_t store_zero(params_type) const noexcept { return 0; }
  LOWBIT_ALWAYS_INLINE params_type load(stored_type stored, std::uint8_t) const noexcept {
    return {static_cast<float>(stored)};
  }

  static std::string storage_name() { return std::string(F::name).append("_").append(detail::scale_name<Scale>); }
};

}  // namespace lowbit
