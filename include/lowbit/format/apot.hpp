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
#include "lowbit/format/sign_magnitude.hpp"

namespace lowbit {

namespace detail {

/// All sums of one of the first `first` terms and one of the rest, divided by the largest sum, ascending.
template <std::size_t N>
constexpr std::array<float, N> sums_of_powers(const std::array<double, 8>& terms, std::size_t first) noexcept {
  std::array<double, N> sums{};
  for (std::size_t i = 0; i < N; ++i) sums[i] = terms[i % first] + terms[first + i / first];
  for (std::size_t i = 1; i < N; ++i)
    for (std::size_t j = i; j > 0 && sums[j] < sums[j - 1]; --j) {
      const double lower = sums[j];
      sums[j] = sums[j - 1];
      sums[j - 1] = lower;
    }
  std::array<float, N> all{};
  for (std::size_t i = 0; i < N; ++i) all[i] = static_cast<float>(sums[i] / sums[N - 1]);
  return all;
}

}  // namespace detail

/// Additive powers of two: a sign and b − 1 bits of magnitude, each magnitude a sum of at most two powers of two,
/// divided by the largest.
///
///   b = 2   0, 1
///   b = 3   {0, 2^-1, 2^-2, 2^-3}                            0, .25, .5, 1
///   b = 4   {0, 2^-1, 2^-2, 2^-4} + {0, 2^-3}                0, .1, .2, .3, .4, .6, .8, 1
///   b = 5   {0, 2^-1, 2^-3, 2^-5} + {0, 2^-2, 2^-4, 2^-6}
///
/// The highest bit of a code is the sign, the rest the rank of the magnitude (the paper fixes no codes). Encoding: to
/// nearest, ties to the smaller magnitude; zero keeps its sign; NaN becomes ±0. Special values: none.
/// Source: Li, Dong, Wang, "Additive Powers-of-Two Quantization", ICLR 2020, arXiv:1909.13144.
template <int Bits>
struct Apot {
  static_assert(Bits >= 2 && Bits <= 5, "lowbit::Apot has 2 to 5 bits.");
  static constexpr std::size_t dim = 1;
  static constexpr std::size_t cardinality = std::size_t{1} << Bits;
  static constexpr float largest = 1.0f;
  using code_type = std::uint8_t;

 private:
  static constexpr std::size_t count = cardinality / 2;
  static constexpr std::array<float, count> magnitudes = [] {
    if constexpr (Bits == 2) return std::array<float, count>{0.0f, 1.0f};
    if constexpr (Bits == 3) return detail::sums_of_powers<count>({0.0, 0x1p-1, 0x1p-2, 0x1p-3, 0.0}, 4);
    if constexpr (Bits == 4) return detail::sums_of_powers<count>({0.0, 0x1p-1, 0x1p-2, 0x1p-4, 0.0, 0x1p-3}, 4);
    if constexpr (Bits == 5)
      return detail::sums_of_powers<count>({0.0, 0x1p-1, 0x1p-3, 0x1p-5, 0.0, 0x1p-2, 0x1p-4, 0x1p-6}, 4);
  }();
  static constexpr detail::Ladder<count> ladder{magnitudes};
  static constexpr detail::FormatName text = detail::FormatName{}.add("apot").add(Bits);

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

static_assert(Format<Apot<4>>);

}  // namespace lowbit
