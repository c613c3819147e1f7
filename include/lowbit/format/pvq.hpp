// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/concept.hpp"
#include "lowbit/format/name.hpp"
#include "lowbit/format/pvq/counts.hpp"
#include "lowbit/format/pvq/enumeration.hpp"
#include "lowbit/format/pvq/search.hpp"

namespace lowbit {

namespace detail {

/// The narrowest unsigned integer that holds codes of that many bits.
template <unsigned Bits>
using code_of_bits =
    std::conditional_t<(Bits <= 8), std::uint8_t,
                       std::conditional_t<(Bits <= 16), std::uint16_t,
                                          std::conditional_t<(Bits <= 32), std::uint32_t, std::uint64_t>>>;

}  // namespace detail

/// Pyramid vector quantization: directions. The points are y/‖y‖₂ for the N(D, K) integer vectors y with Σ|y_i| = K, as
/// floats y_i · (1/√Σy_i²); the code is the index of y in the order of pvq/enumeration.hpp.
///
/// Encoding: the point of largest cosine, which is the nearest unit vector, exact up to the rounding of float
/// (pvq/search.hpp); the sign of y_i is that of x_i. A zero vector is (1, 0, 0, …); NaN counts as zero, infinity as the
/// largest float. A code that is none reads as code 0.
///
/// N(D, K) below 2^64, that is K ≤ 58 for D = 16; pvq::Counts enumerates larger pyramids. On N(0, 1) in D = 16 the part of
/// the energy that a direction misses is 0.0827 for K = 12 (31.7 bits) and 0.0189 for K = 27 (47.6 bits).
/// Cost: encode O(D²), whatever K is; decode O(D + K).
/// Source: Fischer, IEEE Trans. Information Theory 32 (1986); van der Ouderaa et al., "Pyramid Vector Quantization for
/// LLMs", arXiv:2410.16926, whose greedy search errs by 0.6 to 3.4 % more there (pvq::greedy_on_pyramid).
template <std::size_t D, std::size_t K>
struct Pvq {
  static_assert(D >= 1 && D <= 128 && K >= 1 && K <= 4096, "lowbit::Pvq takes 1 to 128 dimensions and 1 to 4096 pulses.");
  static_assert(pvq::count_bits(D, K) <= 64, "lowbit::Pvq has codes of 64 bits: fewer dimensions or pulses.");

  static constexpr std::size_t dim = D;
  static constexpr std::size_t pulses = K;
  static constexpr std::size_t cardinality = pvq::count<std::uint64_t>(D, K);
  static constexpr auto name_text =
      detail::FormatName{}.add("pvq_d").add(static_cast<int>(D)).add("k").add(static_cast<int>(K));
  static constexpr std::string_view name = name_text.view();
  using code_type = detail::code_of_bits<std::bit_width(cardinality - 1)>;
  using counts = pvq::StaticCounts<D, K>;

  /// y of x, and its ⟨|x|, y⟩/‖y‖: the best length along that direction.
  static float nearest(std::span<const float, D> x, std::span<std::int32_t, D> y) noexcept {
    float a[D], found[D], work[2 * D];
    const float factor = pvq::normalized(x, a);
    const auto best = pvq::nearest_on_pyramid<pvq::OneVector>(a, found, work, D, K);
    for (std::size_t i = 0; i < D; ++i) {
      const auto v = static_cast<std::int32_t>(found[i]);
      y[i] = x[i] < 0.0f ? -v : v;
    }
    return best.c / std::sqrt(best.e) / factor;
  }
  static std::uint64_t index(std::span<const std::int32_t, D> y) noexcept { return pvq::index_of(counts{}, y, K); }
  /// y of an index; returns 1/‖y‖.
  static float vector(std::uint64_t index, std::span<std::int32_t, D> y) noexcept {
    pvq::vector_of(counts{}, index < cardinality ? index : 0, K, y);
    std::int32_t square = 0;
    for (const std::int32_t v : y) square += v * v;
    return 1.0f / std::sqrt(static_cast<float>(square));
  }

  code_type encode(std::span<const float, D> x) const noexcept {
    std::int32_t y[D];
    nearest(x, y);
    return static_cast<code_type>(index(y));
  }
  void decode(code_type code, std::span<float, D> x) const noexcept {
    std::int32_t y[D];
    const float length = vector(code, y);
    for (std::size_t i = 0; i < D; ++i) x[i] = static_cast<float>(y[i]) * length;
  }
};

static_assert(Format<Pvq<4, 3>> && Format<Pvq<16, 58>>);

}  // namespace lowbit
