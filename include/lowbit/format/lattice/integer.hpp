// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <span>

#include "lowbit/core/isa.hpp"
#include "lowbit/core/round.hpp"
#include "lowbit/format/lattice/concept.hpp"

namespace lowbit::lattice {

/// Z^N: vectors of integers. Nearest: every coordinate to nearest, ties to even. Cost: N roundings.
template <std::size_t N>
struct Zn {
  static_assert(N >= 1, "A lattice has a dimension.");
  static constexpr std::size_t dim = N;
  static constexpr double volume = 1.0;
  static constexpr double second_moment = 1.0 / 12.0;
  static constexpr Basis<N> basis = [] {
    Basis<N> rows{};
    for (std::size_t i = 0; i < N; ++i) rows[i][i] = 1.0;
    return rows;
  }();

  template <class T>
  LOWBIT_ALWAYS_INLINE static void nearest(std::span<const T, N> x, std::span<T, N> y) noexcept {
    for (std::size_t i = 0; i < N; ++i) y[i] = round_half_even(x[i]);
  }
  LOWBIT_ALWAYS_INLINE static void nearest(std::span<const float, N> x, std::span<float, N> y) noexcept {
    nearest<float>(x, y);
  }
  LOWBIT_ALWAYS_INLINE static void nearest(std::span<const double, N> x, std::span<double, N> y) noexcept {
    nearest<double>(x, y);
  }
  static bool contains(std::span<const double, N> x) noexcept {
    for (const double v : x)
      if (v != std::trunc(v)) return false;
    return true;
  }
};

static_assert(Lattice<Zn<1>> && Lattice<Zn<8>>);

}  // namespace lowbit::lattice
