// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/concept.hpp"
#include "lowbit/format/ladder.hpp"

namespace lowbit {

namespace detail {

/// The 256 points of the dynamic maps, ascending. Per decade i = 0 … 6, [0.1, 1] · 10^(i−6) is cut into 2^i equal
/// intervals (2^(i+1) without negatives) and their midpoints taken; then 0 and 1.
constexpr std::array<float, 256> dynamic_map(bool with_negatives) noexcept {
  std::array<float, 256> all{};
  std::size_t next = with_negatives ? 127 : 0;  // of zero
  std::size_t below = next;
  all[next++] = 0.0f;
  double decade = 1e6;
  for (int i = 0; i < 7; ++i, decade /= 10.0) {
    const int intervals = 1 << (with_negatives ? i : i + 1);
    for (int k = 0; k < intervals; ++k) {
      const double midpoint = 0.1 + 0.9 * (static_cast<double>(k) + 0.5) / static_cast<double>(intervals);
      const auto value = static_cast<float>(midpoint / decade);
      all[next++] = value;
      if (with_negatives) all[--below] = -value;
    }
  }
  all[next] = 1.0f;
  return all;
}

template <bool WithNegatives>
struct Dynamic8Of {
  static constexpr std::size_t dim = 1;
  static constexpr std::size_t cardinality = 256;
  static constexpr std::string_view name = WithNegatives ? "dynamic8" : "dynamic8_unsigned";
  static constexpr std::array<float, cardinality> levels = dynamic_map(WithNegatives);
  static constexpr float largest = 1.0f;
  using code_type = std::uint8_t;

  LOWBIT_ALWAYS_INLINE static constexpr code_type encode(float x) noexcept {
    return static_cast<code_type>(ladder.rank(x));
  }
  LOWBIT_ALWAYS_INLINE static constexpr float decode(code_type c) noexcept { return levels[c]; }

  code_type encode(std::span<const float, 1> x) const noexcept { return encode(x[0]); }
  void decode(code_type c, std::span<float, 1> y) const noexcept { y[0] = decode(c); }

 private:
  static constexpr Ladder<cardinality> ladder{levels};
};

}  // namespace detail

/// The dynamic 8-bit map of block-wise optimizers: seven decades, twice the points in each as in the one below.
///
/// Codes ascend with their points; code 127 is zero, code 255 is 1. The most negative point is −0.99297, not −1: a
/// block's largest magnitude, if negative, carries 0.7 % of error, as everywhere this map is used. Encoding: to
/// nearest, ties to the lower code; NaN becomes code 0. Computed in double and rounded once, so entries may differ from
/// tables made in float in the last bit. Special values: none.
/// Source: Dettmers et al., "8-bit Optimizers via Block-wise Quantization", arXiv:2110.02861.
using Dynamic8 = detail::Dynamic8Of<true>;

/// The same map for non-negative data (second moments): code 0 is zero, twice as many points per decade, 255 is 1.
using Dynamic8Unsigned = detail::Dynamic8Of<false>;

static_assert(Format<Dynamic8> && Format<Dynamic8Unsigned>);

}  // namespace lowbit
