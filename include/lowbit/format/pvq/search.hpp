// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "lowbit/core/isa.hpp"

/// The integer vector y ≥ 0, Σy = K, of largest cosine with magnitudes a ≥ 0: exact, up to the rounding of float.
///
/// Let c = ⟨a, y⟩ and e = ‖y‖². The best y also minimizes e − 2λc for λ = e/c, and for a fixed λ that is a separable convex
/// problem: round λa, then add or remove single pulses where it costs least. As λ moves, the minimizer changes by one pulse
/// from j to i at a time, at λ = (y_i − y_j + 1)/(a_i − a_j). The search starts at λ = K/Σa and follows that path up and
/// down, as far as the best y can be: with the cosine found first, ‖λa − y‖ bounds (λΣa − K)² by λ²·D·(‖a‖² − c²/e). On
/// N(0, 1) that is up to D/4 exchanges of three evaluations of O(D), whatever K is. The next exchange is found by Newton's
/// method from the far end, on the concave difference of the least cost of a new pulse and the greatest gain of a removed
/// one.
///
/// One body serves a single vector and as many as a register has lanes: O gives the types and what the operators lack.
/// Every sum runs over the coordinates in order, so that all lanes and all registers give the same y.

namespace lowbit::pvq {

/// One vector at a time.
struct OneVector {
  using V = float;
  using I = std::int32_t;
  using M = bool;
  LOWBIT_ALWAYS_INLINE static V spread(float x) noexcept { return x; }
  LOWBIT_ALWAYS_INLINE static I spread_int(std::int32_t x) noexcept { return x; }
  template <class T>
  LOWBIT_ALWAYS_INLINE static T select(M mask, T a, T b) noexcept {
    return mask ? a : b;
  }
  LOWBIT_ALWAYS_INLINE static M both(M a, M b) noexcept { return a && b; }
  LOWBIT_ALWAYS_INLINE static bool any(M mask) noexcept { return mask; }
  LOWBIT_ALWAYS_INLINE static V sqrt(V x) noexcept { return std::sqrt(x); }
  LOWBIT_ALWAYS_INLINE static V floor(V x) noexcept { return static_cast<float>(static_cast<std::int32_t>(x)); }
};

/// ⟨a, y⟩ and ‖y‖²: the cosine is c/√e over ‖a‖.
template <class O>
struct Cosine {
  typename O::V c, e;
};

namespace detail {

/// Where a pulse costs least and where removing one gains most, at a given λ.
template <class O>
struct Extremes {
  typename O::V cost, cost_a, cost_y;  ///< min over i of 2y_i + 1 − 2λa_i, with a_i and y_i
  typename O::V gain, gain_a, gain_y;  ///< max over j, y_j > 0, of 2y_j − 1 − 2λa_j
  typename O::I cost_at, gain_at;
};

template <class O>
LOWBIT_ALWAYS_INLINE Extremes<O> extremes(const typename O::V* a, const typename O::V* y, std::size_t dim,
                                          typename O::V lambda) noexcept {
  using V = typename O::V;
  const V zero = O::spread(0.0f), one = O::spread(1.0f), two = O::spread(2.0f), slope = two * lambda;
  const V far = O::spread(std::numeric_limits<float>::infinity());
  Extremes<O> x{far, zero, zero, -far, zero, zero, O::spread_int(-1), O::spread_int(-1)};
  for (std::size_t i = 0; i < dim; ++i) {
    const V pull = slope * a[i];
    const V cost = (two * y[i] + one) - pull;
    const V gain = O::select(y[i] > zero, (two * y[i] - one) - pull, -far);
    const auto at = O::spread_int(static_cast<std::int32_t>(i));
    const auto cheaper = cost < x.cost, richer = gain > x.gain;
    x.cost = O::select(cheaper, cost, x.cost);
    x.cost_a = O::select(cheaper, a[i], x.cost_a);
    x.cost_y = O::select(cheaper, y[i], x.cost_y);
    x.cost_at = O::select(cheaper, at, x.cost_at);
    x.gain = O::select(richer, gain, x.gain);
    x.gain_a = O::select(richer, a[i], x.gain_a);
    x.gain_y = O::select(richer, y[i], x.gain_y);
    x.gain_at = O::select(richer, at, x.gain_at);
  }
  return x;
}

/// y[to] += 1, y[from] −= 1; −1 is no coordinate.
template <class O>
LOWBIT_ALWAYS_INLINE void exchange(typename O::V* y, std::size_t dim, typename O::I to, typename O::I from) noexcept {
  const auto zero = O::spread(0.0f), one = O::spread(1.0f);
  for (std::size_t i = 0; i < dim; ++i) {
    const auto at = O::spread_int(static_cast<std::int32_t>(i));
    y[i] = (y[i] + O::select(to == at, one, zero)) - O::select(from == at, one, zero);
  }
}


/// Follows the path from y towards λ = `end`, all exchanges raising c (Up) or all lowering it, and keeps the best in `best`.
template <class O, bool Up>
LOWBIT_ALWAYS_INLINE void follow(const typename O::V* a, typename O::V* y, typename O::V* best, std::size_t dim,
                                 typename O::V end, Cosine<O> here, Cosine<O>& top) noexcept {
  using V = typename O::V;
  using M = typename O::M;
  const V zero = O::spread(0.0f), one = O::spread(1.0f), two = O::spread(2.0f);
  const auto none = O::spread_int(-1);
  M active = zero == zero;
  while (O::any(active)) {
    V lambda = end, rise = zero, apart = zero;
    auto to = none, from = none;
    M open = active;
    while (O::any(open)) {
      const Extremes<O> x = extremes<O>(a, y, dim, lambda);
      const V across = x.cost_a - x.gain_a, steps = (x.cost_y - x.gain_y) + one;
      const M crossed = O::both(O::both(open, x.cost < x.gain), Up ? across > zero : across < zero);
      to = O::select(crossed, x.cost_at, to);
      from = O::select(crossed, x.gain_at, from);
      rise = O::select(crossed, across, rise);
      apart = O::select(crossed, steps, apart);
      const V next = steps / O::select(crossed, across, one);
      open = O::both(crossed, Up ? next < lambda : next > lambda);
      lambda = O::select(open, next, lambda);
    }
    active = O::both(active, to >= O::spread_int(0));
    exchange<O>(y, dim, to, from);
    here.c = here.c + rise;
    here.e = here.e + two * apart;
    const M better = O::both(active, (here.c * here.c) * top.e > (top.c * top.c) * here.e);
    if (O::any(better)) {
      top.c = O::select(better, here.c, top.c);
      top.e = O::select(better, here.e, top.e);
      for (std::size_t i = 0; i < dim; ++i) best[i] = O::select(better, y[i], best[i]);
    }
  }
}

/// c and e of y, summed anew.
template <class O>
LOWBIT_ALWAYS_INLINE Cosine<O> cosine_of(const typename O::V* a, const typename O::V* y, std::size_t dim) noexcept {
  Cosine<O> sums{O::spread(0.0f), O::spread(0.0f)};
  for (std::size_t i = 0; i < dim; ++i) {
    sums.c = sums.c + a[i] * y[i];
    sums.e = sums.e + y[i] * y[i];
  }
  return sums;
}

}  // namespace detail

/// Finds y for the magnitudes a. All arrays hold dim values of O::V.
///
///   a     finite, not negative, largest in [2^-22, 4), a lane of zeros not allowed; see normalized
///   y     the result: whole numbers, Σy = pulses
///   work  scratch, 2·dim
///
/// Returns ⟨a, y⟩ and ‖y‖².
template <class O>
LOWBIT_ALWAYS_INLINE Cosine<O> nearest_on_pyramid(const typename O::V* a, typename O::V* y, typename O::V* work,
                                             std::size_t dim, std::size_t pulses) noexcept {
  using V = typename O::V;
  const V zero = O::spread(0.0f), one = O::spread(1.0f), half = O::spread(0.5f);
  const V K = O::spread(static_cast<float>(pulses));
  V sum = zero, square = zero;
  for (std::size_t i = 0; i < dim; ++i) {
    sum = sum + a[i];
    square = square + a[i] * a[i];
  }
  const V lambda = K / sum;
  V have = zero;
  for (std::size_t i = 0; i < dim; ++i) {
    y[i] = O::floor(lambda * a[i] + half);
    have = have + y[i];
  }
  for (auto few = have < K, many = have > K; O::any(few) || O::any(many); few = have < K, many = have > K) {
    const detail::Extremes<O> x = detail::extremes<O>(a, y, dim, lambda);
    detail::exchange<O>(y, dim, O::select(few, x.cost_at, O::spread_int(-1)),
                        O::select(many, x.gain_at, O::spread_int(-1)));
    have = (have + O::select(few, one, zero)) - O::select(many, one, zero);
  }

  V* const path = work;
  V* const start = work + dim;
  for (std::size_t i = 0; i < dim; ++i) path[i] = start[i] = y[i];
  const Cosine<O> first = detail::cosine_of<O>(a, y, dim);
  Cosine<O> top = first;
  // λ of the best y: within δ of the start by the bound above, and √e/cosine ≤ K/cosine.
  const V missed = square - first.c * first.c / first.e;
  const V delta = O::sqrt(O::spread(1.001f * static_cast<float>(dim)) * O::select(missed > zero, missed, zero)) +
                  O::spread(1e-6f) * sum;
  const V widest = K * O::sqrt(first.e) / first.c * O::spread(1.001f);
  const V room = sum - delta;
  const V last = O::select(room * widest > K, K / O::select(room > zero, room, one), widest);
  detail::follow<O, true>(a, path, y, dim, last, first, top);
  for (std::size_t i = 0; i < dim; ++i) path[i] = start[i];
  detail::follow<O, false>(a, path, y, dim, K / (sum + delta), first, top);
  return top;
}

/// The power of two that takes a largest magnitude into [1, 2), or as near as one factor of float can: into [2^-22, 4) for
/// all but zero. Exact for everything that does not underflow.
LOWBIT_ALWAYS_INLINE float unit_factor(float largest) noexcept {
  const std::int32_t exponent = std::bit_cast<std::int32_t>(largest) >> 23;
  const std::int32_t field = 254 - exponent;
  return std::bit_cast<float>((field < 1 ? 1 : field) << 23);
}

/// |x| with NaN as 0 and infinities as the largest float.
LOWBIT_ALWAYS_INLINE float finite_magnitude(float x) noexcept {
  const float a = std::fabs(x), most = std::numeric_limits<float>::max();
  return a <= most ? a : a > most ? most : 0.0f;
}

/// Writes magnitudes that nearest_on_pyramid takes: those of x times a power of two, which is returned; (1, 0, 0, …) and
/// infinity for a zero vector, so that its y is (K, 0, 0, …).
LOWBIT_ALWAYS_INLINE float normalized(std::span<const float> x, float* a) noexcept {
  float largest = 0.0f;
  for (std::size_t i = 0; i < x.size(); ++i) {
    a[i] = finite_magnitude(x[i]);
    largest = a[i] > largest ? a[i] : largest;
  }
  const float factor = unit_factor(largest);
  for (std::size_t i = 0; i < x.size(); ++i) a[i] *= factor;
  if (largest != 0.0f) return factor;
  a[0] = 1.0f;
  return std::numeric_limits<float>::infinity();
}

/// The published rule: y_i = ⌊K|x_i|/‖x‖₁⌋, then pulse by pulse where (c + a_i)²/(e + 2y_i + 1) is largest, ties to the
/// lower index. Not always nearest; nearest_on_pyramid is. For comparison.
/// Source: "Pyramid Vector Quantization for LLMs", arXiv:2410.16926.
inline void greedy_on_pyramid(std::span<const float> a, std::span<float> y, std::size_t pulses) noexcept {
  double sum = 0.0, c = 0.0, e = 0.0;
  for (const float v : a) sum += static_cast<double>(v);
  const auto K = static_cast<double>(pulses);
  double have = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double v = static_cast<double>(a[i]), whole = std::floor(K * v / sum);
    y[i] = static_cast<float>(whole);
    have += whole;
    c += v * whole;
    e += whole * whole;
  }
  for (; have < K; have += 1.0) {
    std::size_t at = 0;
    double most = -1.0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      const double next = c + static_cast<double>(a[i]);
      const double quality = next * next / (e + 2.0 * static_cast<double>(y[i]) + 1.0);
      if (quality > most) {
        most = quality;
        at = i;
      }
    }
    c += static_cast<double>(a[at]);
    e += 2.0 * static_cast<double>(y[at]) + 1.0;
    y[at] += 1.0f;
  }
}

}  // namespace lowbit::pvq
