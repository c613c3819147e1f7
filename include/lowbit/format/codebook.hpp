// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <type_traits>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/concept.hpp"
#include "lowbit/format/name.hpp"

namespace lowbit {

/// 2^Bits learned points of Dim coordinates: a format that is a value. It borrows its points, 2^Bits × Dim finite floats,
/// point after point; without any, every code is the zero vector.
///
/// Encoding: the nearest by Σ (x − p)², summed in double, the first of equals; code 0 for NaN. Cost: 2^Bits · Dim.
/// codebook::PointTable finds the same points a register at a time.
template <std::size_t Dim, int Bits>
struct Codebook {
  static_assert(Dim >= 1 && Bits >= 1 && Bits <= 16, "A codebook of vectors has at most 2^16 points.");
  static constexpr std::size_t dim = Dim;
  static constexpr std::size_t cardinality = std::size_t{1} << Bits;
  using code_type = std::conditional_t<(Bits <= 8), std::uint8_t, std::uint16_t>;

 private:
  static constexpr auto text =
      lowbit::detail::FormatName{}.add("codebook").add(static_cast<int>(Dim)).add("d").add(Bits).add("b");

 public:
  static constexpr std::string_view name = text.view();

  const float* points = nullptr;

  code_type encode(std::span<const float, Dim> x) const noexcept {
    std::size_t best = 0;
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t c = 0; points != nullptr && c < cardinality; ++c) {
      double sum = 0.0;
      for (std::size_t i = 0; i < Dim; ++i) {
        const double e = static_cast<double>(x[i]) - static_cast<double>(points[c * Dim + i]);
        sum += e * e;
      }
      best = sum < least ? c : best;
      least = sum < least ? sum : least;
    }
    return static_cast<code_type>(best);
  }
  LOWBIT_ALWAYS_INLINE void decode(code_type code, std::span<float, Dim> y) const noexcept {
    for (std::size_t i = 0; i < Dim; ++i) y[i] = points != nullptr ? points[code * Dim + i] : 0.0f;
  }
};

static_assert(Format<Codebook<1, 4>> && Format<Codebook<8, 12>>);

}  // namespace lowbit
