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

/// Sums of Planes signs with weights 1, 1/2, 1/4, …: the 2^Planes evenly spaced odd multiples of 2^(1−Planes). It stands
/// for the codes of BinaryScaled, whose planes have weights of their own.
///
/// Bit Planes−1−k of a code is set where plane k is positive, so codes ascend with their points.
/// There is no zero. Encoding: nearest, ties to the upper point.
template <int Planes>
struct SignPlanes {
  static_assert(Planes >= 2 && Planes <= 4, "SignPlanes has two to four planes; one is Binary.");
  static constexpr std::size_t dim = 1;
  static constexpr std::size_t cardinality = std::size_t{1} << Planes;
  static constexpr std::string_view name = [] {
    constexpr std::string_view names[] = {"binary2", "binary3", "binary4"};
    return names[Planes - 2];
  }();
  static constexpr std::array<float, cardinality> levels = [] {
    std::array<float, cardinality> all{};
    for (std::size_t c = 0; c < cardinality; ++c)
      all[c] = (2.0f * static_cast<float>(c) + 1.0f) / static_cast<float>(cardinality / 2) - 2.0f;
    return all;
  }();
  static constexpr float largest = levels[cardinality - 1];
  using code_type = std::uint8_t;

  LOWBIT_ALWAYS_INLINE code_type encode(float x) const noexcept {
    code_type c = 0;
    for (std::size_t k = 1; k < cardinality; ++k) c = x >= 0.5f * (levels[k - 1] + levels[k]) ? static_cast<code_type>(k) : c;
    return c;
  }
  LOWBIT_ALWAYS_INLINE float decode(code_type c) const noexcept { return levels[c]; }

  code_type encode(std::span<const float, 1> x) const noexcept { return encode(x[0]); }
  void decode(code_type c, std::span<float, 1> y) const noexcept { y[0] = decode(c); }
};

static_assert(Format<SignPlanes<2>>);

}  // namespace lowbit
