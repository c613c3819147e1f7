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

/// Sums of Planes trits with weights 1, 1/3, 1/9, …: balanced ternary numbers, 3^Planes evenly spaced points about zero.
/// It stands for the codes of TritPlanesScaled, whose planes have scales of their own.
///
/// The base-3 digits of a code, the highest first, are the trits of plane 0, 1, … as codes of Ternary, so codes ascend with
/// their points and (cardinality − 1)/2 is zero. Encoding: to nearest, ties to the lower point; NaN becomes code 0.
template <int Planes>
struct TritPlanes {
  static_assert(Planes >= 2 && Planes <= 5, "TritPlanes has two to five planes; one is Ternary.");
  static constexpr std::size_t dim = 1;
  static constexpr std::size_t cardinality = [] {
    std::size_t n = 1;
    for (int k = 0; k < Planes; ++k) n *= 3;
    return n;
  }();
  static constexpr std::string_view name = [] {
    constexpr std::string_view names[] = {"ternary2", "ternary3", "ternary4", "ternary5"};
    return names[Planes - 2];
  }();
  static constexpr std::array<float, cardinality> levels = [] {
    std::array<float, cardinality> all{};
    for (std::size_t c = 0; c < cardinality; ++c)
      all[c] = (static_cast<float>(c) - static_cast<float>(cardinality / 2)) / static_cast<float>(cardinality / 3);
    return all;
  }();
  static constexpr float largest = levels[cardinality - 1];
  using code_type = std::uint8_t;

  /// The trit (−1, 0, 1) of plane k.
  static constexpr int trit(unsigned code, int k) noexcept {
    for (int below = Planes - 1; below > k; --below) code /= 3;
    return static_cast<int>(code % 3) - 1;
  }

  LOWBIT_ALWAYS_INLINE static constexpr code_type encode(float x) noexcept {
    return static_cast<code_type>(ladder.rank(x));
  }
  LOWBIT_ALWAYS_INLINE static constexpr float decode(code_type c) noexcept { return levels[c]; }

  code_type encode(std::span<const float, 1> x) const noexcept { return encode(x[0]); }
  void decode(code_type c, std::span<float, 1> y) const noexcept { y[0] = decode(c); }

 private:
  static constexpr detail::Ladder<cardinality> ladder{levels};
};

static_assert(Format<TritPlanes<2>>);

}  // namespace lowbit
