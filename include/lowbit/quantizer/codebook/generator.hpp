// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "lowbit/core/round.hpp"

/// Searches in a lattice given by its generation matrix, whose coordinates are bounded by a box.

namespace lowbit::codebook {

/// How the coordinates z of a point G·z near v are found.
enum class LatticeSearch : std::uint8_t {
  babai,          ///< every coordinate of G⁻¹·v rounded and clamped by itself
  nearest_plane,  ///< by G = Q·R from the last coordinate on, each rounded and clamped knowing those after it
  refined,        ///< both, improved one coordinate at a time until none helps; the better one
};

/// The lattice of a generation matrix, prepared for searching. Columns of G generate; a column that depends on those before
/// it never gets another coordinate than the one nearest to 0.
///
/// Box: a type with nearest_coordinate(double), such as IntegerBox.
/// None of the searches is exact: finding the nearest point of a lattice is hard. Cost: O(Dim³) to prepare, O(Dim²) for the
/// first two, O(Dim²) per sweep (two or three) for the last.
/// Source: Babai, Combinatorica 6 (1986).
template <std::size_t Dim>
class Generator {
 public:
  using Vector = std::array<double, Dim>;

  /// G [Dim × Dim], row after row, finite.
  explicit Generator(std::span<const float> G) noexcept { prepare(G); }
  explicit Generator(std::span<const double> G) noexcept { prepare(G); }

  /// Coordinates in the box of a lattice point near v. Returns the squared distance.
  template <class Box>
  double encode(const Vector& v, LatticeSearch search, Vector& z) const noexcept {
    if (search == LatticeSearch::babai) return round_all<Box>(v, false, z);
    double error = round_all<Box>(v, true, z);
    if (search == LatticeSearch::nearest_plane) return error;
    error = improve<Box>(v, z);
    Vector other;
    round_all<Box>(v, false, other);
    const double other_error = improve<Box>(v, other);
    if (!(other_error < error)) return error;
    z = other;
    return other_error;
  }

  /// G·z.
  Vector point(const Vector& z) const noexcept {
    Vector y{};
    for (std::size_t j = 0; j < Dim; ++j)
      for (std::size_t k = 0; k < Dim; ++k) y[k] += z[j] * column_[j][k];
    return y;
  }

 private:
  template <class T>
  void prepare(std::span<const T> G) noexcept {
    for (std::size_t i = 0; i < Dim; ++i)
      for (std::size_t j = 0; j < Dim; ++j) column_[j][i] = static_cast<double>(G[i * Dim + j]);
    // Gram–Schmidt; what is left of a column after the others are taken out of it is taken out once more, for accuracy.
    for (std::size_t j = 0; j < Dim; ++j) {
      Vector left = column_[j];
      const double length = std::sqrt(dot(left, left));
      for (int pass = 0; pass < 2; ++pass)
        for (std::size_t i = 0; i < j; ++i) {
          const double along = dot(orthogonal_[i], left);
          upper_[i][j] += along;
          for (std::size_t k = 0; k < Dim; ++k) left[k] -= along * orthogonal_[i][k];
        }
      const double rest = std::sqrt(dot(left, left));
      const bool independent = rest > 1e-9 * length;
      upper_[j][j] = independent ? rest : 0.0;
      for (std::size_t k = 0; k < Dim; ++k) orthogonal_[j][k] = independent ? left[k] / rest : 0.0;
      square_[j] = length * length;
    }
  }

  static double dot(const Vector& a, const Vector& b) noexcept {
    double sum = 0.0;
    for (std::size_t k = 0; k < Dim; ++k) sum += a[k] * b[k];
    return sum;
  }
  double distance(const Vector& v, const Vector& z) const noexcept {
    const Vector y = point(z);
    double sum = 0.0;
    for (std::size_t k = 0; k < Dim; ++k) sum += (v[k] - y[k]) * (v[k] - y[k]);
    return sum;
  }

  /// Back substitution in R·z = Qᵀ·v: what a coordinate was rounded to is what the others see, or its real value.
  template <class Box>
  double round_all(const Vector& v, bool with_feedback, Vector& z) const noexcept {
    Vector seen{};
    for (std::size_t j = Dim; j-- > 0;) {
      double right = dot(orthogonal_[j], v);
      for (std::size_t k = j + 1; k < Dim; ++k) right -= upper_[j][k] * seen[k];
      const double real = upper_[j][j] > 0.0 ? right / upper_[j][j] : 0.0;
      z[j] = Box::template nearest_coordinate<double>(real);
      seen[j] = with_feedback ? z[j] : real;
    }
    return distance(v, z);
  }
  /// Moves single coordinates to where they serve best, the others fixed, while the distance falls.
  template <class Box>
  double improve(const Vector& v, Vector& z) const noexcept {
    const Vector y = point(z);
    Vector left;
    for (std::size_t k = 0; k < Dim; ++k) left[k] = v[k] - y[k];
    bool moved = true;
    for (int sweep = 0; moved && sweep < 16; ++sweep) {
      moved = false;
      for (std::size_t j = 0; j < Dim; ++j) {
        if (!(upper_[j][j] > 0.0)) continue;
        const double along = dot(left, column_[j]);
        const double next = Box::template nearest_coordinate<double>(z[j] + along / square_[j]), step = next - z[j];
        if (!(step * (2.0 * along - step * square_[j]) > 0.0)) continue;
        for (std::size_t k = 0; k < Dim; ++k) left[k] -= step * column_[j][k];
        z[j] = next;
        moved = true;
      }
    }
    return dot(left, left);
  }

  std::array<Vector, Dim> column_{}, orthogonal_{};
  std::array<Vector, Dim> upper_{};  ///< R, row after row
  Vector square_{};
};

/// Reduces the columns of G [Dim × Dim], row after row, in the sense of Lenstra, Lenstra and Lovász (Math. Ann. 261, 1982) with
/// δ = 3/4: another basis of the same lattice, of shorter and less skew vectors. Dependent columns are left as they are.
template <std::size_t Dim>
void reduce_basis(std::span<float> G) noexcept {
  using Vector = std::array<double, Dim>;
  std::array<Vector, Dim> b{}, star{};
  std::array<Vector, Dim> mu{};
  Vector norm{};
  for (std::size_t i = 0; i < Dim; ++i)
    for (std::size_t j = 0; j < Dim; ++j) b[j][i] = static_cast<double>(G[i * Dim + j]);
  const auto dot = [](const Vector& x, const Vector& y) {
    double sum = 0.0;
    for (std::size_t k = 0; k < Dim; ++k) sum += x[k] * y[k];
    return sum;
  };
  const auto orthogonalize = [&](std::size_t from) {
    for (std::size_t i = from; i < Dim; ++i) {
      star[i] = b[i];
      for (std::size_t j = 0; j < i; ++j) {
        mu[i][j] = norm[j] > 0.0 ? dot(b[i], star[j]) / norm[j] : 0.0;
        for (std::size_t k = 0; k < Dim; ++k) star[i][k] -= mu[i][j] * star[j][k];
      }
      norm[i] = dot(star[i], star[i]);
    }
  };
  orthogonalize(0);
  for (std::size_t i = 0; i < Dim; ++i)
    if (!(norm[i] > 1e-18 * dot(b[i], b[i])) || !std::isfinite(norm[i])) return;
  std::size_t at = 1;
  for (int step = 0; at < Dim && step < 100000; ++step) {
    for (std::size_t j = at; j-- > 0;) {
      const double whole = round_half_even(mu[at][j]);
      if (whole == 0.0) continue;
      for (std::size_t k = 0; k < Dim; ++k) b[at][k] -= whole * b[j][k];
      for (std::size_t k = 0; k < j; ++k) mu[at][k] -= whole * mu[j][k];
      mu[at][j] -= whole;
    }
    if (norm[at] >= (0.75 - mu[at][at - 1] * mu[at][at - 1]) * norm[at - 1]) {
      ++at;
    } else {
      std::swap(b[at], b[at - 1]);
      orthogonalize(at - 1);
      at = std::max<std::size_t>(1, at - 1);
    }
  }
  for (std::size_t i = 0; i < Dim; ++i)
    for (std::size_t j = 0; j < Dim; ++j) G[i * Dim + j] = static_cast<float>(b[j][i]);
}

}  // namespace lowbit::codebook
