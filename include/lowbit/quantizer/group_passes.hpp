// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

#include "lowbit/quantizer/concept.hpp"
#include "lowbit/quantizer/lanes/grid.hpp"
#include "lowbit/quantizer/lanes/levels.hpp"
#include "lowbit/quantizer/lanes/power.hpp"
#include "lowbit/quantizer/lanes/uniform.hpp"

/// The passes over one group that fitting and rounding are made of. Each is defined by its scalar form, `…_scalar`; where
/// there are lanes for the quantizer (quantizer/lanes/grid.hpp) the form without the suffix takes a register at a time and
/// gives the same bits.

namespace lowbit {

/// The smallest and largest element of a group, zero among them.
struct Extremes {
  float lo = 0.0f;
  float hi = 0.0f;
  float magnitude() const noexcept { return -lo > hi ? -lo : hi; }
  friend bool operator==(const Extremes&, const Extremes&) = default;
};

namespace detail {
inline namespace LOWBIT_ISA_NAMESPACE {

inline Extremes extremes_scalar(std::span<const float> group) noexcept {
  Extremes all;
  for (const float x : group) {
    all.lo = x < all.lo ? x : all.lo;
    all.hi = x > all.hi ? x : all.hi;
  }
  return all;
}

/// Codes of one group: group.size() weights to ceil(size / dim) codes, the last one's missing weights being zeros.
template <Quantizer Q>
void quantize_group_scalar(const Q& q, std::span<const float> group, const typename Q::params_type& params,
                           std::span<typename Q::format_type::code_type> codes) noexcept {
  constexpr std::size_t dim = Q::format_type::dim;
  for (std::size_t begin = 0; begin < group.size();) {
    const std::size_t end = std::min(group.size(), begin + std::min(group.size(), point_columns<Q>));
    const auto point = point_params(q, params, begin);
    std::size_t c = begin;
    for (; c + dim <= end; c += dim)
      codes[c / dim] = q.quantize(std::span<const float, dim>(group.data() + c, dim), point);
    if (c < end) {
      float last[dim] = {};
      std::copy(group.begin() + static_cast<std::ptrdiff_t>(c), group.begin() + static_cast<std::ptrdiff_t>(end), last);
      codes[c / dim] = q.quantize(std::span<const float, dim>(last, dim), point);
    }
    begin = end;
  }
}

/// Sums of errors are taken in this order, so that registers of 4, 8 and 16 lanes agree with one float at a time: blocks
/// of 256 elements (fewer where 256 is no multiple of the format's dimension); in a block, element i goes to partial sum i mod 16, in float; the 16 are folded in halves; the blocks
/// are added in double.
inline constexpr std::size_t error_block = 256, error_lanes = 16;

/// Σ h · (|x̂ − x| · unit)^p over a group rounded with `params`, h = 1 where it is empty. A result that is not below `limit`
/// may be that of the first elements only, for the whole is larger still. unit makes the largest error at most 4 or so.
template <Quantizer Q>
double error_sum_scalar(const Q& q, const typename Q::params_type& params, std::span<const float> group,
                        std::span<const float> h, float p, float unit, double limit) noexcept {
  constexpr std::size_t dim = Q::format_type::dim;
  constexpr std::size_t block = error_block / dim * dim;
  static_assert(block != 0);
  double total = 0.0;
  for (std::size_t begin = 0; begin < group.size() && !(total >= limit); begin += block) {
    const std::size_t end = std::min(group.size(), begin + block);
    float points[block] = {}, sums[error_lanes] = {};
    std::copy(group.begin() + static_cast<std::ptrdiff_t>(begin), group.begin() + static_cast<std::ptrdiff_t>(end),
              points);
    for (std::size_t i = 0; i < end - begin; i += dim) {
      const auto point = point_params(q, params, begin + i);
      const std::span<float, dim> here(points + i, dim);
      q.dequantize(q.quantize(std::span<const float, dim>(here), point), point, here);
    }
    for (std::size_t i = begin; i < end; ++i) {
      const float term = power(std::fabs(points[i - begin] - group[i]) * unit, p);
      sums[(i - begin) % error_lanes] += h.empty() ? term : h[i] * term;
    }
    for (std::size_t half = error_lanes / 2; half != 0; half /= 2)
      for (std::size_t i = 0; i < half; ++i) sums[i] += sums[i + half];
    total += static_cast<double>(sums[0]);
  }
  return total;
}

/// True when every element is neither NaN nor infinite.
inline bool all_finite_scalar(std::span<const float> x) noexcept {
  for (const float v : x)
    if (!std::isfinite(v)) return false;
  return true;
}

#if LOWBIT_HAS_LANES

inline Extremes extremes(std::span<const float> group) noexcept {
  f32xn lo{}, hi{};
  std::size_t i = 0;
  for (; i + lane_count <= group.size(); i += lane_count) {
    const f32xn x = load_lanes(group.data() + i);
    lo = smaller(x, lo);
    hi = larger(x, hi);
  }
  Extremes all{fold_lanes(lo, [](auto a, auto b) { return a < b ? a : b; }),
               fold_lanes(hi, [](auto a, auto b) { return a > b ? a : b; })};
  for (const float x : group.subspan(i)) {
    all.lo = x < all.lo ? x : all.lo;
    all.hi = x > all.hi ? x : all.hi;
  }
  return all;
}

/// extremes(group).magnitude().
inline float extreme_magnitude(std::span<const float> group) noexcept {
  f32xn most{};
  std::size_t i = 0;
  for (; i + lane_count <= group.size(); i += lane_count) most = larger(magnitude(load_lanes(group.data() + i)), most);
  float all = fold_lanes(most, [](auto a, auto b) { return a > b ? a : b; });
  for (const float x : group.subspan(i)) all = std::fabs(x) > all ? std::fabs(x) : all;
  return all;
}

template <Quantizer Q>
void quantize_group(const Q& q, std::span<const float> group, const typename Q::params_type& params,
                    std::span<typename Q::format_type::code_type> codes) noexcept {
  if constexpr (HasLanes<Q>) {
    const LaneGrid<Q> grid(q, params);
    std::size_t i = 0;
    for (; i + lane_count <= group.size(); i += lane_count)
      store_bytes(codes.data() + i, grid.codes(load_lanes(group.data() + i)));
    quantize_group_scalar(q, group.subspan(i), params, codes.subspan(i));
  } else {
    quantize_group_scalar(q, group, params, codes);
  }
}

/// Out of line, so that the usual exponents keep their registers and the others compile once.
[[gnu::noinline]] inline f32xn power_of_lanes(f32xn e, float p) noexcept { return power(e, p); }

/// power(e, p) of a register, or of a few in step where p is known to be 2 or 2.4.
struct PowerTwo {
  template <class V>
  LOWBIT_ALWAYS_INLINE V operator()(V e) const noexcept {
    return e * e;
  }
};
struct PowerTwoFour {
  template <class V>
  LOWBIT_ALWAYS_INLINE V operator()(V e) const noexcept {
    return power_2_4(e);
  }
};
struct PowerAny {
  float p;
  LOWBIT_ALWAYS_INLINE f32xn operator()(f32xn e) const noexcept { return power_of_lanes(e, p); }
};

/// error_sum_scalar, points(x) standing for the grid's points. Looks at the limit after every 128 elements, so that the
/// sums of a few registers are under way at a time: partial sums only grow.
template <class Points, class Power>
double error_sum_of(const Points& points, const Power& power_of, std::span<const float> group, std::span<const float> h,
                    float unit, double limit) noexcept {
  constexpr std::size_t registers = error_lanes / lane_count, stretch = 128;
  const float* const weights = h.empty() ? nullptr : h.data();
  double total = 0.0;
  for (std::size_t begin = 0; begin < group.size(); begin += error_block) {
    const std::size_t end = std::min(group.size(), begin + error_block);
    f32xn sums[registers] = {};
    std::size_t i = begin;
    if constexpr (requires(f32batch e) { power_of(e); }) {
      for (; i + batch_floats <= end; i += batch_floats) {
        if (i != begin && (i - begin) % stretch == 0) {
          const double least = total + static_cast<double>(fold(sums));
          if (least >= limit) return least;
        }
        const f32batch x = load_batch(group.data() + i);
        const f32batch error = each([&](f32xn v) { return magnitude(points(v) - v); }, x);
        f32batch term = power_of(error * unit);
        if (weights != nullptr) term = load_batch(weights + i) * term;
#pragma GCC unroll 16
        for (std::size_t k = 0; k < term.count; ++k) sums[k % registers] += term.r[k];
      }
    }
    std::size_t k = 0;
    for (; i + lane_count <= end; i += lane_count, k = (k + 1) % registers) {
      const f32xn v = load_lanes(group.data() + i), term = power_of(magnitude(points(v) - v) * unit);
      sums[k] += weights == nullptr ? term : load_lanes(weights + i) * term;
    }
    if (i < end) {  // padded with zeros, whose terms are dropped
      float x[lane_count] = {}, w[lane_count] = {}, t[lane_count];
      std::copy(group.data() + i, group.data() + end, x);
      if (weights != nullptr) std::copy(weights + i, weights + end, w);
      const f32xn v = load_lanes(x), term = power_of(magnitude(points(v) - v) * unit);
      store_lanes(t, weights == nullptr ? term : load_lanes(w) * term);
      std::fill(t + (end - i), t + lane_count, 0.0f);
      sums[k] += load_lanes(t);
    }
    total += static_cast<double>(fold(sums));
    if (total >= limit) break;
  }
  return total;
}

template <Quantizer Q>
double error_sum_lanes(const Q& q, const typename Q::params_type& params, std::span<const float> group,
                       std::span<const float> h, float p, float unit, double limit) noexcept {
  const LaneGrid<Q> grid(q, params);
  const auto points = [&](f32xn x) { return grid.points(x); };
  const auto usual = [&](const auto& of) {
    return p == 2.0f ? error_sum_of(of, PowerTwo{}, group, h, unit, limit)
                     : error_sum_of(of, PowerTwoFour{}, group, h, unit, limit);
  };
  if (p == 2.0f || p == 2.4f) {
#if LOWBIT_HAS_AVX2
    if constexpr (requires(f32xn x) { grid.points_by_products(x); }) {
      if (grid.products_apply(2.0f / unit)) return usual([&](f32xn x) { return grid.points_by_products(x); });
      return error_sum_of(points, PowerAny{p}, group, h, unit, limit);
    } else
#endif
    {
      return usual(points);
    }
  }
  return error_sum_of(points, PowerAny{p}, group, h, unit, limit);
}

/// The elements of largest magnitude among those of each partial sum of error_sum, and their weights: clipping costs most
/// there, so the terms of these 16 often tell that a sum will not stay below a limit.
struct Outliers {
  float x[error_lanes] = {}, h[error_lanes] = {};

  Outliers(std::span<const float> group, std::span<const float> weights) noexcept {
    for (std::size_t k = 0; k < error_lanes; k += lane_count) {
      f32xn most{}, weight{};
      for (std::size_t i = k; i + lane_count <= group.size(); i += error_lanes) {
        const f32xn v = load_lanes(group.data() + i);
        const f32xn w = weights.empty() ? broadcast(1.0f) : load_lanes(weights.data() + i);
        const i32xn more = magnitude(v) > magnitude(most);
        most = select(more, v, most);
        weight = select(more, w, weight);
      }
      store_lanes(x + k, most);
      store_lanes(h + k, weight);
    }
  }

  /// At most the sum that error_sum gives for the whole group: the factor is for the order of summation.
  template <Quantizer Q>
  double sum(const Q& q, const typename Q::params_type& params, float p, float unit) const noexcept {
    const LaneGrid<Q> grid(q, params);
    f32xn terms[error_lanes / lane_count];
#pragma GCC unroll 8
    for (std::size_t k = 0; k < error_lanes / lane_count; ++k) {
      const f32xn v = load_lanes(x + k * lane_count);
      terms[k] = magnitude(grid.points(v) - v);
    }
    return bound(terms, p, unit);
  }

  /// At most the sum that error_sum gives for any grid whose points are no larger than `reach`: what clipping alone costs.
  double clipped(float reach, float p, float unit) const noexcept {
    f32xn terms[error_lanes / lane_count];
#pragma GCC unroll 8
    for (std::size_t k = 0; k < error_lanes / lane_count; ++k)
      terms[k] = larger(magnitude(load_lanes(x + k * lane_count)) - reach, f32xn{});
    return bound(terms, p, unit);
  }

 private:
  using Terms = f32xn[error_lanes / lane_count];
  LOWBIT_ALWAYS_INLINE double bound(Terms& errors, float p, float unit) const noexcept {
#pragma GCC unroll 8
    for (std::size_t k = 0; k < error_lanes / lane_count; ++k) {
      const f32xn e = errors[k] * unit;
      const f32xn power = p == 2.0f ? e * e : p == 2.4f ? power_2_4(e) : power_of_lanes(e, p);
      errors[k] = load_lanes(h + k * lane_count) * power;
    }
    return 0.999 * static_cast<double>(fold(errors));
  }
};

template <Quantizer Q>
double error_sum(const Q& q, const typename Q::params_type& params, std::span<const float> group,
                 std::span<const float> h, float p, float unit, double limit) noexcept {
  if constexpr (HasLanes<Q>) {
    return error_sum_lanes(q, params, group, h, p, unit, limit);
  } else {
    return error_sum_scalar(q, params, group, h, p, unit, limit);
  }
}

inline bool all_finite(std::span<const float> x) noexcept {
  i32xn bad{};
  std::size_t i = 0;
  for (; i + lane_count <= x.size(); i += lane_count)
    bad |= (bits_of(load_lanes(x.data() + i)) & 0x7f800000) == 0x7f800000;
  return !any_lane(bad) && all_finite_scalar(x.subspan(i));
}

#else

struct Outliers {
  Outliers(std::span<const float>, std::span<const float>) noexcept {}
};
inline Extremes extremes(std::span<const float> group) noexcept { return extremes_scalar(group); }
inline bool all_finite(std::span<const float> x) noexcept { return all_finite_scalar(x); }
template <Quantizer Q>
void quantize_group(const Q& q, std::span<const float> group, const typename Q::params_type& params,
                    std::span<typename Q::format_type::code_type> codes) noexcept {
  quantize_group_scalar(q, group, params, codes);
}
template <Quantizer Q>
double error_sum(const Q& q, const typename Q::params_type& params, std::span<const float> group,
                 std::span<const float> h, float p, float unit, double limit) noexcept {
  return error_sum_scalar(q, params, group, h, p, unit, limit);
}

#endif  // LOWBIT_HAS_LANES

/// q.fit(group).
template <Quantizer Q>
typename Q::params_type fit_extremes(const Q& q, std::span<const float> group) noexcept {
  if constexpr (HasLanes<Q>) {
    if (LaneGrid<Q>::fits_extremes(q)) {
      if (LaneGrid<Q>::fits_magnitude(q)) {
        const float most = extreme_magnitude(group);
        return q.fit_range(-most, most);
      }
      const Extremes all = extremes(group);
      return q.fit_range(all.lo, all.hi);
    }
  }
  return q.fit(group);
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace detail
}  // namespace lowbit
