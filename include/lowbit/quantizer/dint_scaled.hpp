// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "lowbit/core/float16.hpp"
#include "lowbit/core/round.hpp"
#include "lowbit/format/dint.hpp"
#include "lowbit/pack/dense.hpp"
#include "lowbit/quantizer/concept.hpp"
#include "lowbit/quantizer/group_size.hpp"
#include "lowbit/quantizer/scaled.hpp"

namespace lowbit {

/// dINT with a zero point: x̂ = scale · point(code), the points DIntAsymmetric's.
///
///   scale  (hi − lo)/(2^b − 3), lo = min(0, min x), hi = max(0, max x), rounded to its storage type
///   zero   clip(rn(−lo/scale)), 0 … 2^b − 3: the code of 0, b bits per group
///
/// A group whose stored scale is zero, or whose reciprocal overflows float, is a zero group: it decodes to exact zeros. A
/// scale too large for its storage comes out of `fit` as infinity. The symmetric form is Scaled<DInt<b>>.
///
/// Bits per weight: b + (scale bits + b)/g.
/// Source: Lee et al., EMNLP 2023, arXiv:2311.05161; it gives the points and the scale, the codes are ours.
template <int Bits, class Scale = f16, std::size_t GroupSize = 128>
struct DIntScaled : detail::GroupSize<GroupSize> {
  static_assert(detail::scale_name<Scale> != nullptr, "Scales are stored as f16, bf16 or float.");
  using format_type = DIntAsymmetric<Bits>;
  using layout_type = pack::dense_for<format_type>;
  using stored_type = Scale;
  static constexpr unsigned zero_bits = Bits;
  static constexpr bool tabulated = true;  ///< kernels compute the points of a group once

  struct params_type {
    float scale = 0.0f;
    std::uint8_t zero = 0;
    friend constexpr bool operator==(const params_type&, const params_type&) = default;
  };

  params_type fit(std::span<const float> group) const noexcept {
    float lo = 0.0f, hi = 0.0f;
    for (const float x : group) {
      lo = x < lo ? x : lo;
      hi = x > hi ? x : hi;
    }
    return fit_range(lo, hi);
  }
  /// Parameters for values in [lo, hi], lo ≤ 0 ≤ hi: what clip searches call with shrunken ranges.
  params_type fit_range(float lo, float hi) const noexcept {
    constexpr auto top = static_cast<float>(format_type::top);
    // Halves keep hi − lo finite for the largest floats.
    const auto scale = static_cast<float>(Scale((hi * 0.5f - lo * 0.5f) * (2.0f / top)));
    if (scale < 2.94e-39f) return {};
    return {scale, static_cast<std::uint8_t>(std::clamp(round_half_even(-lo / scale), 0.0f, top))};
  }

  LOWBIT_ALWAYS_INLINE std::uint8_t quantize(float x, params_type p) const noexcept {
    return format_type{p.zero}.encode(p.scale != 0.0f ? x / p.scale : 0.0f);
  }
  LOWBIT_ALWAYS_INLINE float dequantize(std::uint8_t code, params_type p) const noexcept {
    return p.scale * format_type{p.zero}.decode(code);
  }
  std::uint8_t quantize(std::span<const float, 1> x, params_type p) const noexcept { return quantize(x[0], p); }
  void dequantize(std::uint8_t code, params_type p, std::span<float, 1> y) const noexcept { y[0] = dequantize(code, p); }

  LOWBIT_ALWAYS_INLINE stored_type store(params_type p) const noexcept { return Scale(p.scale); }
  std::uint8_t store_zero(params_type p) const noexcept { return p.zero; }
  LOWBIT_ALWAYS_INLINE params_type load(stored_type stored, std::uint8_t zero) const noexcept {
    return {static_cast<float>(stored), zero};
  }

  static std::string storage_name() {
    return std::string(DInt<Bits>::name).append("_asym_").append(detail::scale_name<Scale>);
  }
};

static_assert(Quantizer<DIntScaled<4>>);

}  // namespace lowbit
