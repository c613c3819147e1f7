// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <span>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/lattice/checkerboard.hpp"
#include "lowbit/format/lattice/concept.hpp"
#include "lowbit/format/lattice/lanes.hpp"

namespace lowbit::lattice {

namespace detail {
inline namespace LOWBIT_ISA_NAMESPACE {

/// x to its nearest point of E8, one per lane.
///
/// With m = |x − rn(x)|, rounding to integers loses Σm² and to halves Σ(1/2 − m)²; repairing an odd sum adds 1 − 2·max
/// m to the first and 2·min m to the second. The halves win where Σm − 2 + [odd](1 − 2·max m) − [odd'](2·min m) > 0: no
/// square is formed. Equally near: the integers; equal coordinates: the first.
template <class V>
LOWBIT_ALWAYS_INLINE void round_to_gosset(V (&x)[8]) noexcept {
  using T = typename LaneTraits<V>::value;
  V apart[8], side[8], sum{}, half_sum{}, total{}, most{}, least = splat<V>(T(0.5));
  for (std::size_t i = 0; i < 8; ++i) {
    const V near = rounded(x[i]), rest = x[i] - near;
    apart[i] = magnitude(rest);
    side[i] = select(rest < V{}, splat<V>(T(-0.5)), splat<V>(T(0.5)));
    x[i] = near;
    sum = sum + near;
    half_sum = half_sum + side[i];
    total = total + apart[i];
    most = larger(apart[i], most);
    least = smaller(apart[i], least);
  }
  const mask_of<V> odd_sum = odd(sum), odd_half_sum = odd(sum + half_sum);
  const V more = total - T(2) + select(odd_sum, T(1) - T(2) * most, V{}) - select(odd_half_sum, T(2) * least, V{});
  const mask_of<V> halves = more > V{};
  const V target = select(halves, least, most);
  const V base = select(halves, splat<V>(1), V{}), step = select(halves, splat<V>(-2), splat<V>(2));
  mask_of<V> pending = odd_sum ^ ((odd_sum ^ odd_half_sum) & halves);
  for (std::size_t i = 0; i < 8; ++i) {
    const mask_of<V> here = pending & (apart[i] == target);
    x[i] = x[i] + side[i] * select(here, base + step, base);
    pending = pending ^ here;
  }
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace detail

/// The Gosset lattice E8 = D8 ∪ (D8 + 1/2): vectors of integers, or of halves of odd integers, with an even sum.
/// Minimal norm 2 (240 vectors), volume 1, covering radius 1.
///
/// Cost: eight roundings and two passes. Source: Conway & Sloane, IEEE Trans. Information Theory 28 (1982); one
/// rounding serves both cosets here.
struct E8 {
  static constexpr std::size_t dim = 8;
  static constexpr double volume = 1.0;
  static constexpr double second_moment = 929.0 / 12960.0;
  static constexpr Basis<8> basis = {{{2, 0, 0, 0, 0, 0, 0, 0},
                                      {-1, 1, 0, 0, 0, 0, 0, 0},
                                      {0, -1, 1, 0, 0, 0, 0, 0},
                                      {0, 0, -1, 1, 0, 0, 0, 0},
                                      {0, 0, 0, -1, 1, 0, 0, 0},
                                      {0, 0, 0, 0, -1, 1, 0, 0},
                                      {0, 0, 0, 0, 0, -1, 1, 0},
                                      {0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5}}};

  /// The nearest points of a register of vectors (or of one): x[i] holds coordinate i.
  template <class V>
  LOWBIT_ALWAYS_INLINE static void round(V (&x)[8]) noexcept {
    detail::round_to_gosset(x);
  }
  template <class T>
  LOWBIT_ALWAYS_INLINE static void nearest(std::span<const T, 8> x, std::span<T, 8> y) noexcept {
    T point[8];
    for (std::size_t i = 0; i < 8; ++i) point[i] = x[i];
    round(point);
    for (std::size_t i = 0; i < 8; ++i) y[i] = point[i];
  }
  static void nearest(std::span<const float, 8> x, std::span<float, 8> y) noexcept { nearest<float>(x, y); }
  static void nearest(std::span<const double, 8> x, std::span<double, 8> y) noexcept { nearest<double>(x, y); }
  static bool contains(std::span<const double, 8> x) noexcept {
    const double shift = x[0] != std::trunc(x[0]) ? 0.5 : 0.0;
    double whole[8];
    for (std::size_t i = 0; i < 8; ++i) whole[i] = x[i] - shift;  // subtracts 4 in all, which is even
    return Dn<8>::contains(whole);
  }
};

static_assert(Lattice<E8>);

}  // namespace lowbit::lattice
