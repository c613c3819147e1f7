// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/concept.hpp"

namespace lowbit {

/// The trits −1, 0, +1 as codes 0, 1, 2. Encoding: to nearest, ties (±1/2) to zero; NaN becomes zero.
///
/// The "stretched elastic" ternary grid is these points times 2/3: `encode_stretched` takes x = w/α and is
/// round(clip(x, −.99, .99) · 3/2), `decode_stretched` gives ŵ/α = ±2/3 or 0.
/// Source: ternary weights: Li et al., arXiv:1605.04711; stretched grids: Liu et al., "ParetoQ", arXiv:2502.02631.
struct Ternary {
  static constexpr std::size_t dim = 1;
  static constexpr std::size_t cardinality = 3;
  static constexpr std::string_view name = "ternary";
  static constexpr std::array<float, cardinality> levels = {-1.0f, 0.0f, 1.0f};
  static constexpr float largest = 1.0f;
  using code_type = std::uint8_t;

  LOWBIT_ALWAYS_INLINE static constexpr code_type encode(float x) noexcept {
    return static_cast<code_type>(1 + (x > 0.5f ? 1 : 0) - (x < -0.5f ? 1 : 0));
  }
  LOWBIT_ALWAYS_INLINE static constexpr float decode(code_type c) noexcept { return levels[c]; }

  LOWBIT_ALWAYS_INLINE static constexpr code_type encode_stretched(float x) noexcept { return encode(x * 1.5f); }
  LOWBIT_ALWAYS_INLINE static constexpr float decode_stretched(code_type c) noexcept { return levels[c] / 1.5f; }

  code_type encode(std::span<const float, 1> x) const noexcept { return encode(x[0]); }
  void decode(code_type c, std::span<float, 1> y) const noexcept { y[0] = decode(c); }
};

static_assert(Format<Ternary>);

}  // namespace lowbit
