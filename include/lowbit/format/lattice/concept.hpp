// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <span>

namespace lowbit::lattice {

/// Generators of a lattice, one to a row.
template <std::size_t N>
using Basis = std::array<std::array<double, N>, N>;

/// A discrete subgroup of R^dim of full rank, at a fixed scale of its own.
///
///   volume         of a fundamental cell, |det basis|
///   second_moment  the published normalized second moment G = E‖e‖² / (dim · volume^(2/dim)), e being what rounding
///                  takes from points that are uniform over a cell: 1/12 = 0.08333 for the integers, 1/(2πe) = 0.05855
///                  at best. Source: Conway & Sloane, "Sphere Packings, Lattices and Groups", 3rd ed., table 2.3
///   basis          generators, one to a row
///   nearest        x [dim] to y [dim], a nearest lattice point; x and y may be the same memory. T is float or double
///   contains       whether x is a lattice point
///
/// Laws, checked for every model by tests/format: nearest is as near as any point that enumeration finds;
/// nearest(x + l) = nearest(x) + l for lattice points l; the measured second moment is the published one.
///
/// Exact for coordinates up to 2^20 in float and 2^49 in double, up to the rounding of T where two points are as near;
/// past that the outcome is finite but need not be a point of the lattice. NaN gives an unspecified outcome.
template <class L>
concept Lattice = requires(std::span<const float, L::dim> x, std::span<float, L::dim> y,
                           std::span<const double, L::dim> u, std::span<double, L::dim> v) {
  { L::dim } -> std::convertible_to<std::size_t>;
  { L::volume } -> std::convertible_to<double>;
  { L::second_moment } -> std::convertible_to<double>;
  { L::basis } -> std::convertible_to<Basis<L::dim>>;
  { L::nearest(x, y) } noexcept;
  { L::nearest(u, v) } noexcept;
  { L::contains(u) } noexcept -> std::same_as<bool>;
};

}  // namespace lowbit::lattice
