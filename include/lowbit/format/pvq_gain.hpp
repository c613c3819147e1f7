// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "lowbit/core/isa.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/format/beta_gain.hpp"
#include "lowbit/format/concept.hpp"
#include "lowbit/format/name.hpp"
#include "lowbit/format/pvq.hpp"

namespace lowbit {

namespace detail {

/// How many of the midpoints of 0, gains[0], gains[1], … lie below t: 0 for the zero vector, j + 1 for gains[j]. Ties go
/// down.
LOWBIT_ALWAYS_INLINE std::size_t gain_rank(float t, std::span<const float> gains) noexcept {
  std::size_t rank = 0;
  float below = 0.0f;
  for (const float g : gains) {
    rank += t > 0.5f * (below + g) ? 1 : 0;
    below = g;
  }
  return rank;
}

}  // namespace detail

/// Pyramid vector quantization with lengths: the zero vector and g_j · y/‖y‖ for the points of Pvq<D, K> and `Gains` lengths
/// g_0 < g_1 < … The code is index(y)·Gains + j, and N(D, K)·Gains for the zero vector; codes above that are the zero
/// vector too. For Gains = 2^b the low b bits are the length's; any other number fills a word as well.
///
/// The lengths are those that err least for blocks of D elements of long rows of N(0, 1), times the mean cosine between such
/// a block and its nearest direction; that mean is of 256 seeded draws, rounded to 2^-12, so that the last bit of a
/// logarithm moves no length. Quantizers bring lengths of their own (PvqScaled).
///
/// Encoding: to nearest, exact up to the rounding of float: the direction of largest cosine is the nearest for every length,
/// and the nearest length to ⟨x, y⟩/‖y‖ is then the nearest point. Bad input as in Pvq.
/// Source: "Pyramid Vector Quantization for LLMs", arXiv:2410.16926. There a length takes whole bits and the zero vector has
/// no code of its own.
template <std::size_t D, std::size_t K, std::size_t Gains>
struct PvqGain {
  using shape = Pvq<D, K>;
  static_assert(Gains >= 1 && Gains <= 4096 && shape::cardinality <= (~std::uint64_t{0} - 1) / Gains,
                "lowbit::PvqGain has 1 to 4096 lengths and codes of 64 bits.");

  static constexpr std::size_t dim = D;
  static constexpr std::size_t gain_count = Gains;
  static constexpr std::uint64_t zero_code = static_cast<std::uint64_t>(shape::cardinality) * Gains;
  static constexpr std::size_t cardinality = zero_code + 1;
  static constexpr auto name_text = detail::FormatName{}
                                        .add("pvq_d")
                                        .add(static_cast<int>(D))
                                        .add("k")
                                        .add(static_cast<int>(K))
                                        .add("g")
                                        .add(static_cast<int>(Gains));
  static constexpr std::string_view name = name_text.view();
  using code_type = detail::code_of_bits<std::bit_width(cardinality - 1)>;

  /// The lengths for blocks of rows of `length` elements, in units of the row's root mean square. Offline: milliseconds.
  static void gains_for(std::size_t length, std::span<float, Gains> gains) {
    gain::lloyd_levels(gain::beta_density(D, length, mean_cosine()), gains);
  }
  /// Those of long rows, computed at the first call.
  static std::span<const float, Gains> long_row_gains() noexcept {
    static const std::array<float, Gains> gains = [] {
      std::array<float, Gains> g{};
      gains_for(std::size_t{1} << 20, g);
      return g;
    }();
    return gains;
  }
  /// Mean of the cosine between x ~ N(0, 1)^D and its nearest direction; computed at the first call.
  static double mean_cosine() noexcept {
    static const double mean = [] {
      Rng rng(D, K);
      double sum = 0.0;
      for (int draw = 0; draw < 256; ++draw) {
        std::array<float, D> x{};
        std::array<std::int32_t, D> y{};
        double square = 0.0;
        for (float& v : x) {
          v = static_cast<float>(rng.normal());
          square += static_cast<double>(v) * static_cast<double>(v);
        }
        sum += static_cast<double>(shape::nearest(x, y)) / std::sqrt(square);
      }
      return std::round(sum / 256.0 * 4096.0) / 4096.0;
    }();
    return mean;
  }

  /// The code of the point nearest to x among those with lengths scale·gains; the zero vector where scale is not positive.
  static code_type nearest_code(std::span<const float, D> x, std::span<const float, Gains> gains, float scale) noexcept {
    std::int32_t y[D];
    const float length = shape::nearest(x, y);
    return code(shape::index(y), scale > 0.0f ? detail::gain_rank(length / scale, gains) : 0);
  }
  /// The code of y with the length of that rank (0: the zero vector).
  LOWBIT_ALWAYS_INLINE static code_type code(std::uint64_t index, std::size_t rank) noexcept {
    return static_cast<code_type>(rank == 0 ? zero_code : index * Gains + (rank - 1));
  }
  /// The point of a code, with those lengths times `scale`.
  static void point(code_type code, std::span<const float, Gains> gains, float scale, std::span<float, D> x) noexcept {
    if (code >= zero_code) {
      for (float& v : x) v = 0.0f;
      return;
    }
    std::int32_t y[D];
    const float unit = shape::vector(code / Gains, y);
    const float length = (scale * gains[code % Gains]) * unit;
    for (std::size_t i = 0; i < D; ++i) x[i] = static_cast<float>(y[i]) * length;
  }

  code_type encode(std::span<const float, D> x) const noexcept {
    return nearest_code(x, long_row_gains(), 1.0f);
  }
  void decode(code_type c, std::span<float, D> x) const noexcept { point(c, long_row_gains(), 1.0f, x); }
};

static_assert(Format<PvqGain<4, 3, 2>> && Format<PvqGain<16, 31, 16>>);

}  // namespace lowbit
