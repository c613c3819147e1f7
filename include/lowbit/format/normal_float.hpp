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
#include "lowbit/format/name.hpp"

namespace lowbit {

namespace detail {

/// e^-t for 0 ≤ t ≤ 4, to the last bits of double.
constexpr double exp_of_minus(double t) noexcept {
  double sum = 1.0, term = 1.0;
  for (int k = 1; k < 20; ++k) sum += term *= -t / 16.0 / k;
  for (int k = 0; k < 4; ++k) sum *= sum;
  return sum;
}

/// The quantile function of the standard normal distribution for 1/2 ≤ p ≤ 0.99, by Newton steps from `guess`.
constexpr double normal_quantile(double p, double guess) noexcept {
  double z = guess;
  for (int step = 0; step < 12; ++step) {
    // Φ(z) − 1/2 = φ(z)·(z + z³/3 + z⁵/15 + …)
    const double density = 0.3989422804014326779 * exp_of_minus(0.5 * z * z);
    double sum = z, term = z;
    for (int k = 3; term > 1e-18 && k < 120; k += 2) sum += term *= z * z / k;
    const double change = (p - 0.5) / density - sum;
    z += change;
    if (change < 1e-15 && change > -1e-15) break;
  }
  return z;
}

}  // namespace detail

/// NormalFloat of Bits bits: quantiles of the normal distribution, scaled so that the ends are −1 and +1.
///
///   positive   Φ⁻¹ of 2^(b−1) + 1 evenly spaced probabilities from 0.9677083 down to 1/2, without the last
///   negative   the mirrored quantiles of 2^(b−1) such probabilities, without the last
///   zero       between them, at code 2^(b−1) − 1
///
/// One more point is positive than negative. Computed in double and rounded to float; NormalFloat<4> agrees with the
/// table of NF4, which was made in float, to 1e-6. Encoding: to nearest, ties to the lower code; NaN becomes code 0.
/// Source: Dettmers et al., "QLoRA", arXiv:2305.14314; other widths: Guo et al., "LQ-LoRA", arXiv:2311.12023.
template <int Bits>
struct NormalFloat {
  static_assert(Bits >= 2 && Bits <= 8, "lowbit::NormalFloat has 2 to 8 bits.");
  static constexpr std::size_t dim = 1;
  static constexpr std::size_t cardinality = std::size_t{1} << Bits;
  static constexpr float largest = 1.0f;
  using code_type = std::uint8_t;

  static constexpr std::array<float, cardinality> levels = [] {
    constexpr double outermost = 0.9677083;
    constexpr std::size_t half = cardinality / 2;
    std::array<float, cardinality> all{};
    const double end = detail::normal_quantile(outermost, 1.8);
    const auto quantile = [&](std::size_t k, std::size_t steps, double guess) {
      return detail::normal_quantile(
          outermost + (0.5 - outermost) * static_cast<double>(k) / static_cast<double>(steps), guess);
    };
    double z = end;
    for (std::size_t k = 0; k < half; ++k) {
      z = quantile(k, half, z);
      all[cardinality - 1 - k] = static_cast<float>(z / end);
    }
    z = end;
    for (std::size_t k = 0; k + 1 < half; ++k) {
      z = quantile(k, half - 1, z);
      all[k] = static_cast<float>(-z / end);
    }
    return all;
  }();

  LOWBIT_ALWAYS_INLINE static constexpr code_type encode(float x) noexcept {
    return static_cast<code_type>(ladder.rank(x));
  }
  LOWBIT_ALWAYS_INLINE static constexpr float decode(code_type c) noexcept { return levels[c]; }

  code_type encode(std::span<const float, 1> x) const noexcept { return encode(x[0]); }
  void decode(code_type c, std::span<float, 1> y) const noexcept { y[0] = decode(c); }

 private:
  static constexpr detail::Ladder<cardinality> ladder{levels};
  static constexpr detail::FormatName text = detail::FormatName{}.add("normalfloat").add(Bits);

 public:
  static constexpr std::string_view name = text.view();
};

static_assert(Format<NormalFloat<2>>);

}  // namespace lowbit
