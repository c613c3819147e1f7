// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "lowbit/core/isa.hpp"
#include "lowbit/quantizer/gguf_codes.hpp"

/// The parameters of GGUF's super-blocks: floats for the super-block, integers for its sub-blocks.

namespace lowbit::detail {

/// Sub-block s is scaled by d·scales[s], rounded to float. `inverse` is the encoder's own, as in GgufScale.
template <std::size_t Count>
struct GgufSubScales {
  float scale = 0.0f;  ///< d as stored
  std::array<std::int8_t, Count> scales{};
  std::array<float, Count> inverse{};  ///< what the codes of a sub-block are chosen with where its own scale cannot say

  LOWBIT_ALWAYS_INLINE float sub_scale(std::size_t s) const noexcept { return scale * static_cast<float>(scales[s]); }
  friend constexpr bool operator==(const GgufSubScales& a, const GgufSubScales& b) noexcept {
    return a.scale == b.scale && a.scales == b.scales;
  }
};

/// Sub-block s is x̂ = (d·scales[s])·c − dmin·mins[s]. `inverse` and `low` are the encoder's own.
template <std::size_t Count>
struct GgufSubScalesAndMins {
  float scale = 0.0f;  ///< d as stored
  float min = 0.0f;    ///< dmin as stored
  std::array<std::uint8_t, Count> scales{};
  std::array<std::uint8_t, Count> mins{};
  std::array<float, Count> inverse{};
  std::array<float, Count> low{};

  bool finite() const noexcept { return std::isfinite(min); }
  friend constexpr bool operator==(const GgufSubScalesAndMins& a, const GgufSubScalesAndMins& b) noexcept {
    return a.scale == b.scale && a.min == b.min && a.scales == b.scales && a.mins == b.mins;
  }
};

/// What one weight of GgufSubScalesAndMins needs.
struct GgufSubPoint {
  float scale = 0.0f;
  float offset = 0.0f;
  float inverse = 0.0f;
  float low = 0.0f;
};

}  // namespace lowbit::detail
