// SPDX-License-Identifier: MIT
#pragma once

#include <array>
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

/// The lattice points z · basis with integer coordinates −2^(Bits−1) ≤ z_i < 2^(Bits−1): exactly Bits bits a weight for
/// any lattice, and coordinates that are read without a table. The box is as skew as the basis: on N(0, 1) at its best
/// scale it errs by 0.224 per weight for D4 at two bits and 0.248 for E8, more than Z^n itself (0.151) and far more
/// than VoronoiCode, D4Ball and E8P. It is the codebook of a lattice that is given by its basis alone.
///
/// Code: field i of Bits bits, from the low end, is z_i + 2^(Bits−1).
/// Encoding: the nearest lattice point where it lies in the box, hence a nearest point. Where it does not (`nearest` is
/// false), the better of its clamped coordinates and Babai's nearest plane with every coordinate clamped on the way,
/// improved one coordinate at a time until none helps: for D4 and vectors mostly outside, 2 % above the error of the
/// nearest point, measured. Coordinates past ±2^30 are taken for that, NaN for 0.
/// Source: Babai, "On Lovász' lattice reduction and the nearest lattice point problem", Combinatorica 6 (1986).
template <lattice::Lattice L, int Bits>
struct LatticeBox {
  static_assert(Bits >= 2 && Bits * L::dim <= 64, "A code of LatticeBox has Bits bits for each dimension, 64 in all.");
  static constexpr std::size_t dim = L::dim;
  static constexpr std::size_t code_bits = Bits * dim;
  /// 2^code_bits; the largest number for 2^64.
  static constexpr std::size_t cardinality = code_bits == 64 ? ~std::size_t{0} : std::size_t{1} << (code_bits % 64);
  using code_type =
      std::conditional_t<(code_bits <= 16), std::conditional_t<(code_bits <= 8), std::uint8_t, std::uint16_t>,
                         std::conditional_t<(code_bits <= 32), std::uint32_t, std::uint64_t>>;
  static constexpr std::string_view name = "lattice_box";
  static constexpr bool nearest = false;

  code_type encode(std::span<const float, dim> x) const noexcept {
    std::array<double, dim> v, point;
    for (std::size_t i = 0; i < dim; ++i) {
      const double bounded = lattice::detail::bounded(static_cast<double>(x[i]));
      v[i] = bounded < -0x1p30 ? -0x1p30 : bounded > 0x1p30 ? 0x1p30 : bounded;
    }
    L::nearest(std::span<const double, dim>(v), std::span<double, dim>(point));
    std::array<double, dim> z{};
    bool inside = true;
    for (std::size_t j = 0; j < dim; ++j) {
      for (std::size_t i = 0; i < dim; ++i) z[j] += point[i] * basis.inverse[i][j];
      z[j] = round_half_even(z[j]);
      inside = inside && z[j] >= least && z[j] <= most;
    }
    if (!inside) {
      for (double& c : z) c = clamped(c);
      const double error = improve(z, v);
      std::array<double, dim> other = nearest_plane(v);
      if (improve(other, v) < error) z = other;
    }
    code_type code = 0;
    for (std::size_t i = 0; i < dim; ++i)
      code = static_cast<code_type>(code | static_cast<code_type>(z[i] - least) << (Bits * i));
    return code;
  }
  LOWBIT_ALWAYS_INLINE void decode(code_type code, std::span<float, dim> y) const noexcept {
    for (std::size_t k = 0; k < dim; ++k) y[k] = 0.0f;
    for (std::size_t i = 0; i < dim; ++i) {
      const auto field = static_cast<std::int32_t>(code >> (Bits * i) & ((1u << Bits) - 1u));
      const float z = static_cast<float>(field - (1 << (Bits - 1)));
      for (std::size_t k = 0; k < dim; ++k) y[k] += z * static_cast<float>(L::basis[i][k]);
    }
  }

 private:
  static constexpr lattice::detail::BasisTables<L> basis{};
  static constexpr double least = -static_cast<double>(1 << (Bits - 1)), most = -least - 1.0;

  static double clamped(double z) noexcept { return z < least ? least : z > most ? most : z; }

  static std::array<double, dim> nearest_plane(std::array<double, dim> left) noexcept {
    std::array<double, dim> z{};
    for (std::size_t i = dim; i-- > 0;) {
      double along = 0.0;
      for (std::size_t k = 0; k < dim; ++k) along += left[k] * basis.orthogonal[i][k];
      z[i] = clamped(round_half_even(along));
      for (std::size_t k = 0; k < dim; ++k) left[k] -= z[i] * L::basis[i][k];
    }
    return z;
  }
  /// Moves single coordinates to where they serve best, the others fixed, while the error falls; returns the error.
  static double improve(std::array<double, dim>& z, std::array<double, dim> left) noexcept {
    for (std::size_t i = 0; i < dim; ++i)
      for (std::size_t k = 0; k < dim; ++k) left[k] -= z[i] * L::basis[i][k];
    bool moved = true;
    for (int sweep = 0; moved && sweep < 16; ++sweep) {
      moved = false;
      for (std::size_t i = 0; i < dim; ++i) {
        double along = 0.0, square = 0.0;
        for (std::size_t k = 0; k < dim; ++k) {
          along += left[k] * L::basis[i][k];
          square += L::basis[i][k] * L::basis[i][k];
        }
        const double next = clamped(round_half_even(z[i] + along / square)), step = next - z[i];
        if (!(step * (2.0 * along - step * square) > 0.0)) continue;
        for (std::size_t k = 0; k < dim; ++k) left[k] -= step * L::basis[i][k];
        z[i] = next;
        moved = true;
      }
    }
    double error = 0.0;
    for (const double e : left) error += e * e;
    return error;
  }
};

static_assert(Format<LatticeBox<lattice::D4, 2>> && Format<LatticeBox<lattice::E8, 8>>);

}  // namespace lowbit
