// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/lattice/lanes.hpp"
#include "lowbit/format/lattice/orbits.hpp"

namespace lowbit::lattice {

/// Encoding and decoding for a codebook of whole orbits: what E8Ball and D4Ball are made of.
///
/// A code is the orbit's first code, plus the rank of the arrangement of magnitudes times the choices of signs, plus
/// the signs: a bit per nonzero coordinate from the first on, the last one left out where the others determine it.
///
/// Encoding is to a nearest point, in double: for each orbit the largest magnitudes take the leader's largest
/// coordinates, and where the signs' parity is not the orbit's the smallest magnitude takes the wrong sign, the
/// cheapest of all repairs. Equally near: the earlier orbit, the earlier coordinate. Coordinates past ±1e30 are taken
/// for that, NaN for 0.
///
/// Cost: a sort of N and orbits · N multiplications; a decoding is N steps.
template <std::size_t N, int Bits, Coset C>
struct OrbitCode {
  static constexpr std::size_t dim = N;
  static constexpr std::size_t cardinality = Orbits<N, Bits, C>::points;
  using code_type = std::conditional_t<(Bits <= 8), std::uint8_t, std::uint16_t>;
  static_assert(Bits >= 2 && Bits <= 16, "Codebooks of orbits have 2 to 16 bits: longer shells have too many orbits.");

  code_type encode(std::span<const float, N> x) const noexcept {
    using detail::bounded;
    double sorted[N];
    std::size_t from[N];
    bool minus[N], odd_minus = false;
    for (std::size_t i = 0; i < N; ++i) {
      const double v = bounded(static_cast<double>(x[i])), a = detail::magnitude(v);
      minus[i] = v < 0.0;
      odd_minus = odd_minus != minus[i];
      std::size_t at = i;
      for (; at > 0 && sorted[at - 1] < a; --at) {
        sorted[at] = sorted[at - 1];
        from[at] = from[at - 1];
      }
      sorted[at] = a;
      from[at] = i;
    }
    double most = 0.0;
    std::size_t best = table.count;
    for (std::size_t k = 0; k < table.count; ++k) {
      const Scores& s = scores[k];
      double score = s.base;
      for (std::size_t i = 0; i < N; ++i) score += sorted[i] * s.leader[i];
      if (s.halves && s.odd_signs != odd_minus) score -= 2.0 * sorted[N - 1] * s.leader[N - 1];
      if (best == table.count || score > most) {
        most = score;
        best = k;
      }
    }
    const Orbit<N>& orbit = table.orbit[best];
    if (orbit.halves && orbit.odd_signs != odd_minus) minus[from[N - 1]] = !minus[from[N - 1]];
    std::array<std::uint8_t, N> values{};
    for (std::size_t i = 0; i < N; ++i) values[from[i]] = orbit.leader[i];
    std::uint32_t signs = 0, bit = 0;
    for (std::size_t i = 0; i < N; ++i) {
      if (values[i] == 0 || bit == orbit.sign_bits) continue;
      signs |= static_cast<std::uint32_t>(minus[i]) << bit;
      ++bit;
    }
    return static_cast<code_type>(orbit.first + (arrangement_rank(orbit, values) << orbit.sign_bits) + signs);
  }

  /// Codes at and above cardinality decode as the last orbit's.
  LOWBIT_ALWAYS_INLINE void decode(code_type code, std::span<float, N> y) const noexcept {
    if constexpr (Bits <= 8) {
      for (std::size_t i = 0; i < N; ++i) y[i] = 0.5f * static_cast<float>(halves[code][i]);
    } else {
      const auto point = halves_of(code);
      for (std::size_t i = 0; i < N; ++i) y[i] = 0.5f * static_cast<float>(point[i]);
    }
  }

 private:
  static constexpr auto& table = Orbits<N, Bits, C>::table;

  /// Twice the point.
  LOWBIT_ALWAYS_INLINE static constexpr std::array<std::int8_t, N> halves_of(code_type code) noexcept {
    std::size_t k = table.count - 1;
    while (k != 0 && table.orbit[k].first > code) --k;
    const Orbit<N>& orbit = table.orbit[k];
    const std::uint32_t index = static_cast<std::uint32_t>(code) - orbit.first;
    const auto values = arrangement_of(orbit, index >> orbit.sign_bits);
    std::array<std::int8_t, N> point{};
    bool odd_minus = false;
    std::uint32_t bit = 0;
    for (std::size_t i = 0; i < N; ++i) {
      if (values[i] == 0) continue;
      const bool minus = bit == orbit.sign_bits ? odd_minus != orbit.odd_signs : (index >> bit & 1u) != 0;
      odd_minus = odd_minus != minus;
      ++bit;
      point[i] = static_cast<std::int8_t>(minus ? -values[i] : values[i]);
    }
    return point;
  }
  /// By code, where there are few: constants, made when the compiler reads them.
  static constexpr auto halves = [] {
    std::array<std::array<std::int8_t, N>, (Bits <= 8 ? 256 : 1)> all{};
    if constexpr (Bits <= 8)
      for (std::size_t c = 0; c < 256; ++c) all[c] = halves_of(static_cast<code_type>(c));
    return all;
  }();
  struct Scores {
    std::array<double, N> leader{};
    double base = 0.0;  ///< −½ of the squared length
    bool halves = false, odd_signs = false;
  };
  static constexpr auto scores = [] {
    std::array<Scores, Orbits<N, Bits, C>::count> all{};
    for (std::size_t k = 0; k < all.size(); ++k) {
      for (std::size_t i = 0; i < N; ++i) all[k].leader[i] = 0.5 * static_cast<double>(table.orbit[k].leader[i]);
      all[k].base = -0.125 * static_cast<double>(table.orbit[k].norm());
      all[k].halves = table.orbit[k].halves;
      all[k].odd_signs = table.orbit[k].odd_signs;
    }
    return all;
  }();
};

}  // namespace lowbit::lattice
