// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/concept.hpp"
#include "lowbit/format/lattice/lanes.hpp"
#include "lowbit/format/lattice/orbit_code.hpp"

namespace lowbit {

/// The shortest vectors of E8 as a codebook of eight weights: Bits/8 bits a weight.
///
/// Whole shells (1, 240, 2160, 6720, 17520, 30240 vectors of squared length 0, 2, … 10) and of the next one the orbits
/// that still fit; between 2 and 33 % of the codes stay unused. Codes and encoding: lattice::OrbitCode.
///
/// MSE per weight on N(0, 1) at opt_scale, measured on 2^19 weights (E8P, of 16 bits too, has 0.0914):
///   Bits   8       11      12      13      14      15      16
///   MSE    0.3188  0.2231  0.1789  0.1486  0.1255  0.1109  0.0913
template <int Bits>
struct E8Ball : lattice::OrbitCode<8, Bits, lattice::Coset::both> {
  static_assert(Bits == 8 || (Bits >= 11 && Bits <= 16), "E8Ball has 8 or 11 to 16 bits for eight weights.");
  static constexpr std::string_view name = [] {
    constexpr std::string_view names[] = {"e8_ball11", "e8_ball12", "e8_ball13", "e8_ball14", "e8_ball15", "e8_ball16"};
    return names[Bits - 11];
  }();
  /// What N(0, 1) is multiplied by for the least squared error; measured.
  static constexpr float opt_scale = [] {
    constexpr float scales[] = {0.73f, 0.77f, 0.83f, 0.90f, 0.93f, 1.02f};
    return scales[Bits - 11];
  }();
};

/// 256 vectors of E8: zero, the 240 of squared length 2 and 15 of the 16 vectors ±2e_i of length 4; one bit a weight.
///
/// Which of the 16 is left out and the order of codes are choices of ours: −2e_7, and
///
///   0          zero
///   1 … 112    ±e_i ± e_j, i < j: pairs in lexicographic order; of the two low bits 1 negates e_i, 2 negates e_j
///   113 … 240  (±1/2)^8 with an even number of minus signs: bits of coordinates 0 … 6
///   241 … 255  2e_0, −2e_0, 2e_1, … 2e_7
///
/// Encoding: to a nearest point, in double, by the two largest and the smallest magnitudes. Equally near: zero, then
/// ±e_i ± e_j, then halves; the earlier coordinate. Coordinates past ±1e30 are taken for that, NaN for 0.
/// Source of the set: the one-bit residual codebook of QuIP#, arXiv:2402.04396.
template <>
struct E8Ball<8> {
  static constexpr std::size_t dim = 8;
  static constexpr std::size_t cardinality = 256;
  static constexpr std::string_view name = "e8_ball8";
  static constexpr float opt_scale = 0.61f;  ///< for N(0, 1), measured as the others
  using code_type = std::uint8_t;

  code_type encode(std::span<const float, 8> x) const noexcept {
    double v[8], a[8], sum = 0.0;
    std::size_t first = 0, second = 1, last = 0;
    unsigned minus = 0;
    for (std::size_t i = 0; i < 8; ++i) {
      v[i] = lattice::detail::bounded(static_cast<double>(x[i]));
      a[i] = lattice::detail::magnitude(v[i]);
      sum += a[i];
      minus |= (v[i] < 0.0 ? 1u : 0u) << i;
      if (a[i] < a[last]) last = i;
    }
    if (a[1] > a[0]) {
      first = 1;
      second = 0;
    }
    for (std::size_t i = 2; i < 8; ++i) {
      if (a[i] > a[first]) {
        second = first;
        first = i;
      } else if (a[i] > a[second]) {
        second = i;
      }
    }
    const bool odd = (static_cast<unsigned>(std::popcount(minus)) & 1u) != 0;
    const double pair = a[first] + a[second] - 1.0;
    const double halves = 0.5 * sum - (odd ? a[last] : 0.0) - 1.0;
    const double axis = first == 7 && v[7] < 0.0 ? -1.0 : 2.0 * a[first] - 2.0;
    if (pair <= 0.0 && halves <= 0.0 && axis <= 0.0) return 0;
    if (pair >= halves && pair >= axis) {
      const std::size_t i = first < second ? first : second, j = first < second ? second : first;
      const unsigned signs = (minus >> i & 1u) | (minus >> j & 1u) << 1;
      return static_cast<code_type>(1 + 4 * (i * (15 - i) / 2 + (j - i - 1)) + signs);
    }
    if (halves >= axis) return static_cast<code_type>(113 + ((odd ? minus ^ 1u << last : minus) & 127u));
    return static_cast<code_type>(241 + 2 * first + (minus >> first & 1u));
  }
  LOWBIT_ALWAYS_INLINE void decode(code_type code, std::span<float, 8> y) const noexcept {
    for (std::size_t i = 0; i < 8; ++i) y[i] = 0.25f * static_cast<float>(points[code][i]);
  }

 private:
  static constexpr auto points = [] {  // four times the coordinates
    std::array<std::array<std::int8_t, 8>, 256> all{};
    std::size_t c = 1;
    for (std::size_t i = 0; i < 8; ++i)
      for (std::size_t j = i + 1; j < 8; ++j)
        for (unsigned signs = 0; signs < 4; ++signs, ++c) {
          all[c][i] = (signs & 1u) != 0 ? -4 : 4;
          all[c][j] = (signs & 2u) != 0 ? -4 : 4;
        }
    for (unsigned signs = 0; signs < 128; ++signs, ++c) {
      bool odd = false;
      for (std::size_t i = 0; i < 7; ++i) {
        const bool minus = (signs >> i & 1u) != 0;
        odd = odd != minus;
        all[c][i] = minus ? -2 : 2;
      }
      all[c][7] = odd ? -2 : 2;
    }
    for (; c < 256; ++c) all[c][(c - 241) / 2] = (c - 241) % 2 != 0 ? -8 : 8;
    return all;
  }();
};

static_assert(Format<E8Ball<8>> && Format<E8Ball<12>> && Format<E8Ball<16>>);

}  // namespace lowbit
