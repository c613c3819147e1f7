// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "lowbit/core/isa.hpp"
#include "lowbit/core/round.hpp"
#include "lowbit/format/concept.hpp"
#include "lowbit/format/lattice/basis_tables.hpp"
#include "lowbit/format/lattice/checkerboard.hpp"
#include "lowbit/format/lattice/concept.hpp"
#include "lowbit/format/lattice/gosset.hpp"
#include "lowbit/format/lattice/lanes.hpp"

namespace lowbit {

namespace detail {

constexpr std::size_t saturating_power(std::size_t base, std::size_t exponent) noexcept {
  std::size_t all = 1;
  for (std::size_t i = 0; i < exponent; ++i) {
    if (all > ~std::size_t{0} / base) return ~std::size_t{0};
    all *= base;
  }
  return all;
}

}  // namespace detail

/// The points of L in the Voronoi cell of q·L, one for each coset of L / q·L: log2 q bits a weight for any whole q, a
/// codebook as round as the lattice's own cell, and no table at either end.
///
/// Code: Σ k_i·q^i, 0 ≤ k_i < q. Its point is u − q·nearest(u / q), u = k · basis; on the boundary of the cell
/// L::nearest chooses.
///
/// Encoding: the nearest lattice point's coordinates modulo q, which is a nearest point wherever that lattice point is
/// in the codebook. Where it is not (`nearest` is false), the vector is shrunk until one is, by a factor found by
/// halving to steps of 1/1024, and from there generators and their differences are added while they lead nearer: for D4
/// and vectors mostly outside, 3 to 6 % above the error of the nearest point, measured. Coordinates past ±2^30 are
/// taken for that, NaN for 0.
///
/// Cost: two roundings to L and a product with a matrix, several dozen times as much outside the cell; decoding is one
/// rounding and a product.
/// Source: Conway & Sloane, "A fast encoding method for lattice codes and quantizers", IEEE Trans. Information Theory
/// 29 (1983); for weights: Savkin et al., "NestQuant", arXiv:2502.09720, which also chooses one of a few scales per
/// vector.
template <lattice::Lattice L, int q>
struct VoronoiCode {
  static_assert(q >= 2 && q <= 256, "VoronoiCode has 2 to 256 classes for each dimension.");
  static constexpr std::size_t dim = L::dim;
  static constexpr std::size_t cardinality = detail::saturating_power(q, dim);  ///< the largest number for 2^64
  static_assert(cardinality != ~std::size_t{0} || (q == 256 && dim == 8),
                "A code of VoronoiCode takes at most 64 bits.");
  static constexpr int code_bits = std::bit_width(cardinality - 1);
  using code_type =
      std::conditional_t<(code_bits <= 16), std::conditional_t<(code_bits <= 8), std::uint8_t, std::uint16_t>,
                         std::conditional_t<(code_bits <= 32), std::uint32_t, std::uint64_t>>;
  static constexpr std::string_view name = "voronoi_code";
  static constexpr bool nearest = false;

  code_type encode(std::span<const float, dim> x) const noexcept {
    Vector v;
    for (std::size_t i = 0; i < dim; ++i) {
      const double bounded = lattice::detail::bounded(static_cast<double>(x[i]));
      v[i] = bounded < -0x1p30 ? -0x1p30 : bounded > 0x1p30 ? 0x1p30 : bounded;
    }
    code_type code = 0;
    if (attempt(v, 1.0, code)) return code;
    double unit = 1.0 / 1024.0;
    while (!attempt(v, unit, code)) unit *= 0.5;  // ends at the latest where zero is next
    int low = 1, high = 1024;
    while (high - low > 1) {
      const int middle = low + (high - low) / 2;
      (attempt(v, unit * static_cast<double>(middle), code) ? low : high) = middle;
    }
    return improved(v, code);
  }
  LOWBIT_ALWAYS_INLINE void decode(code_type code, std::span<float, dim> y) const noexcept {
    const Vector point = point_of(code);
    for (std::size_t i = 0; i < dim; ++i) y[i] = static_cast<float>(point[i]);
  }

 private:
  using Vector = std::array<double, dim>;
  static constexpr std::uint64_t classes = q;
  static constexpr lattice::detail::BasisTables<L> basis{};

  static Vector rounded(const Vector& x) noexcept {
    Vector y;
    L::nearest(std::span<const double, dim>(x), std::span<double, dim>(y));
    return y;
  }
  static Vector point_of(code_type code) noexcept {
    Vector u{}, scaled;
    std::uint64_t rest = code;
    for (std::size_t i = 0; i < dim; ++i, rest /= classes) {
      const auto k = static_cast<double>(rest % classes);
      for (std::size_t j = 0; j < dim; ++j) u[j] += k * L::basis[i][j];
    }
    for (std::size_t i = 0; i < dim; ++i) scaled[i] = u[i] / static_cast<double>(q);
    scaled = rounded(scaled);
    for (std::size_t i = 0; i < dim; ++i) u[i] -= static_cast<double>(q) * scaled[i];
    return u;
  }
  /// True, and the code, where the lattice point next to t·x is in the codebook; otherwise code is left alone.
  static bool attempt(Vector x, double t, code_type& code) noexcept {
    for (double& v : x) v *= t;
    const Vector point = rounded(x);
    const code_type found = code_of(point);
    if (point_of(found) != point) return false;
    code = found;
    return true;
  }
  /// The coset of a lattice point.
  static code_type code_of(const Vector& point) noexcept {
    std::uint64_t code = 0;
    for (std::size_t i = dim; i-- > 0;) {
      double z = 0.0;
      for (std::size_t k = 0; k < dim; ++k) z += point[k] * basis.inverse[k][i];
      const auto whole = static_cast<std::int64_t>(round_half_even(z)), rest = whole % q;
      code = code * classes + static_cast<std::uint64_t>(rest < 0 ? rest + q : rest);
    }
    return static_cast<code_type>(code);
  }
  static double distance(const Vector& a, const Vector& b) noexcept {
    double sum = 0.0;
    for (std::size_t i = 0; i < dim; ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
  }
  /// Steps along the generators and their differences to points of the codebook that are nearer to x, while there are
  /// any.
  static code_type improved(const Vector& x, code_type code) noexcept {
    Vector point = point_of(code);
    double least = distance(x, point);
    for (bool moved = true; moved;) {
      moved = false;
      for (std::size_t i = 0; i < dim; ++i)
        for (std::size_t j = 0; j <= i; ++j)
          for (const double sign : {1.0, -1.0}) {
            Vector next = point;
            for (std::size_t k = 0; k < dim; ++k)
              next[k] += sign * (L::basis[i][k] - (j < i ? L::basis[j][k] : 0.0));
            const double there = distance(x, next);
            if (!(there < least)) continue;
            const code_type found = code_of(next);
            if (point_of(found) != next) continue;
            point = next;
            least = there;
            code = found;
            moved = true;
          }
    }
    return code;
  }
};

namespace detail {

/// Scales for q = 3, 4, 6, 8, 12, 16, and on the line between for others.
constexpr float between_knots(const float (&scale)[6], int q) noexcept {
  constexpr int knots[6] = {3, 4, 6, 8, 12, 16};
  std::size_t k = 0;
  while (knots[k + 1] < q) ++k;
  return scale[k] +
         (scale[k + 1] - scale[k]) * static_cast<float>(q - knots[k]) / static_cast<float>(knots[k + 1] - knots[k]);
}

}  // namespace detail

/// VoronoiCode of E8 with the scale for N(0, 1). MSE per weight there, measured on 2^18 weights:
///   q     3       4       6       8       12      16
///   MSE   0.1788  0.1034  0.0478  0.0285  0.0134  0.0081
template <int q>
struct E8Voronoi : VoronoiCode<lattice::E8, q> {
  static_assert(q >= 3 && q <= 16, "E8Voronoi has 3 to 16 classes: log2(3) to 4 bits a weight.");
  static constexpr float opt_scale = detail::between_knots({0.767f, 0.971f, 1.373f, 1.732f, 2.499f, 3.178f}, q);
  static constexpr std::string_view name = [] {
    constexpr std::string_view names[] = {
        "e8_voronoi3",  "e8_voronoi4",  "e8_voronoi5",  "e8_voronoi6",  "e8_voronoi7",  "e8_voronoi8",  "e8_voronoi9",
        "e8_voronoi10", "e8_voronoi11", "e8_voronoi12", "e8_voronoi13", "e8_voronoi14", "e8_voronoi15", "e8_voronoi16"};
    return names[q - 3];
  }();
};

/// The same of D4:
///   q     3       4       6       8       12      16
///   MSE   0.1890  0.1111  0.0526  0.0315  0.0154  0.0093
template <int q>
struct D4Voronoi : VoronoiCode<lattice::D4, q> {
  static_assert(q >= 3 && q <= 16, "D4Voronoi has 3 to 16 classes: log2(3) to 4 bits a weight.");
  static constexpr float opt_scale = detail::between_knots({0.962f, 1.198f, 1.657f, 2.087f, 2.909f, 3.694f}, q);
  static constexpr std::string_view name = [] {
    constexpr std::string_view names[] = {
        "d4_voronoi3",  "d4_voronoi4",  "d4_voronoi5",  "d4_voronoi6",  "d4_voronoi7",  "d4_voronoi8",  "d4_voronoi9",
        "d4_voronoi10", "d4_voronoi11", "d4_voronoi12", "d4_voronoi13", "d4_voronoi14", "d4_voronoi15", "d4_voronoi16"};
    return names[q - 3];
  }();
};

static_assert(Format<D4Voronoi<4>> && Format<E8Voronoi<14>> && Format<VoronoiCode<lattice::E8, 256>>);

}  // namespace lowbit
