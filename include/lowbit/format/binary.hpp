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

/// Signs: code 0 is −1, code 1 is +1. There is no zero: both zeros become +1. NaN becomes −1.
struct Binary {
  static constexpr std::size_t dim = 1;
  static constexpr std::size_t cardinality = 2;
  static constexpr std::string_view name = "binary";
  static constexpr std::array<float, cardinality> levels = {-1.0f, 1.0f};
  static constexpr float largest = 1.0f;
  using code_type = std::uint8_t;

  LOWBIT_ALWAYS_INLINE static constexpr code_type encode(float x) noexcept { return x >= 0.0f ? 1 : 0; }
  LOWBIT_ALWAYS_INLINE static constexpr float decode(code_type c) noexcept { return levels[c]; }

  code_type encode(std::span<const float, 1> x) const noexcept { return encode(x[0]); }
  void decode(code_type c, std::span<float, 1> y) const noexcept { y[0] = decode(c); }
};

static_assert(Format<Binary>);

}  // namespace lowbit
