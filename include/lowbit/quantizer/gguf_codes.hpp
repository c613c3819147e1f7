// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "lowbit/core/contract.hpp"
#include "lowbit/core/float16.hpp"
#include "lowbit/core/round.hpp"
#include "lowbit/quantizer/concept.hpp"

/// What the GGUF block types share. The encoders are the reference's arithmetic step by step in float, hence its bytes,
/// where products and sums are not contracted (-ffp-contract=off).

namespace lowbit::detail {

/// first, first + 1, …: the points of integer codes.
template <std::size_t Count>
constexpr std::array<float, Count> consecutive(int first) noexcept {
  std::array<float, Count> all{};
  for (std::size_t c = 0; c < Count; ++c) all[c] = static_cast<float>(first + static_cast<int>(c));
  return all;
}

/// clip(round(v), lo, hi), ties to even; lo for NaN.
LOWBIT_ALWAYS_INLINE float nearest_in(float v, float lo, float hi) noexcept {
  const float r = round_half_even(v);
  return r > lo ? (r < hi ? r : hi) : lo;
}

/// 1/d, or 0 where d is 0 or too small to have a reciprocal.
LOWBIT_ALWAYS_INLINE float reciprocal(float d) noexcept {
  const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
  return std::isfinite(inverse) ? inverse : 0.0f;
}

inline float largest_magnitude(std::span<const float> x) noexcept {
  float largest = 0.0f;
  for (const float v : x) largest = std::fabs(v) > largest ? std::fabs(v) : largest;
  return largest;
}

/// Base of the block types: x̂ = scale·levels[code], minus an offset where points have one. Self gives `levels` and
/// code_of(x, point).
template <class Self, class Point>
struct GgufCodes {
  static constexpr unsigned zero_bits = 0;

  LOWBIT_ALWAYS_INLINE std::uint8_t quantize(float x, const Point& p) const noexcept { return Self::code_of(x, p); }
  LOWBIT_ALWAYS_INLINE float dequantize(std::uint8_t code, const Point& p) const noexcept {
    if constexpr (requires { p.offset; })
      return p.scale * Self::levels[code] - p.offset;
    else
      return p.scale * Self::levels[code];
  }
  std::uint8_t quantize(std::span<const float, 1> x, const Point& p) const noexcept { return quantize(x[0], p); }
  void dequantize(std::uint8_t code, const Point& p, std::span<float, 1> y) const noexcept {
    y[0] = dequantize(code, p);
  }

  template <class Params>
  std::uint8_t store_zero(const Params&) const noexcept {
    return 0;
  }
};

/// One f16 scale to a group. Equality is equality of what is stored: the rest is the encoder's own, so codes chosen
/// with p and with load(store(p)) can differ near a rounding boundary, or where the encoder rounds by another scale
/// than the stored one; policies that freeze scales keep what fit returned.
struct GgufScale {
  float scale = 0.0f;     ///< as stored
  float inverse = 0.0f;   ///< what codes are chosen with, of the scale before it was rounded; 0 for a zero group
  bool searched = false;  ///< codes are those of a search: rounded to nearest, ties to even
  friend constexpr bool operator==(const GgufScale& a, const GgufScale& b) noexcept { return a.scale == b.scale; }
};

template <class Self>
struct GgufScaled : GgufCodes<Self, GgufScale> {
  using stored_type = f16;
  using params_type = GgufScale;

  LOWBIT_ALWAYS_INLINE stored_type store(const params_type& p) const noexcept { return f16(p.scale); }
  LOWBIT_ALWAYS_INLINE params_type load(stored_type stored, std::uint8_t) const noexcept {
    const auto d = static_cast<float>(stored);
    return {d, d != 0.0f ? 1.0f / d : 0.0f};
  }
};

}  // namespace lowbit::detail
