// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/concept.hpp"
#include "lowbit/format/name.hpp"
#include "lowbit/format/rounding.hpp"
#include "lowbit/format/sign_magnitude.hpp"

namespace lowbit {

/// Signed powers of two: ±{0, 2^−(n−1), …, 1/2, 1}, n = 2^(b−1) − 1, so that a product is a shift.
///
/// The highest bit of a code is the sign; the rest is 0 for zero and k for 2^(k−n). The papers fix no codes; these
/// ascend with the magnitude. Encoding: to nearest (Euclidean, not in the logarithm), ties to the smaller magnitude;
/// zero keeps its sign; NaN becomes ±0. Special values: none.
/// Source: Miyashita et al., arXiv:1603.01025; Zhou et al., "Incremental Network Quantization", arXiv:1702.03044.
template <int Bits>
struct PowerOfTwo {
  static_assert(Bits >= 2 && Bits <= 7, "lowbit::PowerOfTwo has 2 to 7 bits: eight would leave the range of float.");
  static constexpr std::size_t dim = 1;
  static constexpr std::size_t cardinality = std::size_t{1} << Bits;
  static constexpr float largest = 1.0f;
  using code_type = std::uint8_t;

 private:
  static constexpr std::size_t count = cardinality / 2;
  static constexpr std::array<float, count> magnitudes = [] {
    std::array<float, count> all{};
    for (std::size_t k = 1; k < count; ++k)
      all[k] = detail::power_of_two(static_cast<int>(k) - static_cast<int>(count) + 1);
    return all;
  }();
  static constexpr detail::Ladder<count> ladder{magnitudes};
  static constexpr detail::FormatName text = detail::FormatName{}.add("pot").add(Bits);

 public:
  static constexpr std::string_view name = text.view();
  static constexpr std::array<float, cardinality> levels = detail::SignMagnitude<count>::both_signs(magnitudes);

  LOWBIT_ALWAYS_INLINE static constexpr code_type encode(float x) noexcept {
    return detail::SignMagnitude<count>::encode(ladder, x);
  }
  LOWBIT_ALWAYS_INLINE static constexpr float decode(code_type c) noexcept { return levels[c]; }

  code_type encode(std::span<const float, 1> x) const noexcept { return encode(x[0]); }
  void decode(code_type c, std::span<float, 1> y) const noexcept { y[0] = decode(c); }
};

static_assert(Format<PowerOfTwo<4>>);

}  // namespace lowbit
