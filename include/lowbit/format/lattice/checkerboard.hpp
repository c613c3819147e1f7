// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <span>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/lattice/concept.hpp"
#include "lowbit/format/lattice/lanes.hpp"

namespace lowbit::lattice {

namespace detail {
inline namespace LOWBIT_ISA_NAMESPACE {

/// x to its nearest point of D_N, one per lane: x is rounded, and where the sum is odd the coordinate that lost most
/// (the first of equals) goes to its second nearest integer, upwards from an integer.
template <class V, std::size_t N>
LOWBIT_ALWAYS_INLINE void round_to_checkerboard(V (&x)[N]) noexcept {
  V rest[N], sum{}, most{};
  for (std::size_t i = 0; i < N; ++i) {
    const V near = rounded(x[i]);
    rest[i] = x[i] - near;
    x[i] = near;
    sum = sum + near;
    most = larger(magnitude(rest[i]), most);
  }
  mask_of<V> pending = odd(sum);
  for (std::size_t i = 0; i < N; ++i) {
    const mask_of<V> here = pending & (magnitude(rest[i]) == most);
    x[i] = select(here, x[i] + select(rest[i] < V{}, splat<V>(-1), splat<V>(1)), x[i]);
    pending = pending ^ here;
  }
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace detail

/// The checkerboard lattice D_N: integer vectors with an even sum. Minimal norm 2, volume 2.
///
/// Cost: N roundings and one pass. Source: Conway & Sloane, "Fast quantizing and decoding algorithms for lattice
/// quantizers and codes", IEEE Trans. Information Theory 28 (1982).
template <std::size_t N>
struct Dn {
  static_assert(N >= 2, "D_N needs two coordinates.");
  static constexpr std::size_t dim = N;
  static constexpr double volume = 2.0;
  /// In closed form for every N: (1/12 + 1/(2N(N+1))) / 2^(2/N).
  static constexpr double second_moment = [] {
    constexpr auto n = static_cast<double>(N);
    double low = 1.0, high = 2.0;  // 2^(2/N) by halving: x^N = 4 … std::pow is no constant
    for (int step = 0; step < 200; ++step) {
      const double middle = 0.5 * (low + high);
      double power = 1.0;
      for (std::size_t i = 0; i < N; ++i) power *= middle;
      (power < 4.0 ? low : high) = middle;
    }
    return (1.0 / 12.0 + 0.5 / (n * (n + 1.0))) / high;
  }();
  static constexpr Basis<N> basis = [] {
    Basis<N> rows{};
    rows[0][0] = 2.0;
    for (std::size_t i = 1; i < N; ++i) rows[i][i - 1] = rows[i][i] = 1.0;
    return rows;
  }();

  /// The nearest points of a register of vectors (or of one): x[i] holds coordinate i.
  template <class V>
  LOWBIT_ALWAYS_INLINE static void round(V (&x)[N]) noexcept {
    detail::round_to_checkerboard(x);
  }
  template <class T>
  LOWBIT_ALWAYS_INLINE static void nearest(std::span<const T, N> x, std::span<T, N> y) noexcept {
    T point[N];
    for (std::size_t i = 0; i < N; ++i) point[i] = x[i];
    round(point);
    for (std::size_t i = 0; i < N; ++i) y[i] = point[i];
  }
  static void nearest(std::span<const float, N> x, std::span<float, N> y) noexcept { nearest<float>(x, y); }
  static void nearest(std::span<const double, N> x, std::span<double, N> y) noexcept { nearest<double>(x, y); }
  static bool contains(std::span<const double, N> x) noexcept {
    double sum = 0.0;
    for (const double v : x) {
      if (v != std::trunc(v)) return false;
      sum += std::fmod(v, 2.0);
    }
    return std::fmod(sum, 2.0) == 0.0;
  }
};

/// The densest lattice in four dimensions.
using D4 = Dn<4>;

static_assert(Lattice<D4> && Lattice<Dn<16>>);

}  // namespace lowbit::lattice
