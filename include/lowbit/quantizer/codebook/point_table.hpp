// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "lowbit/core/contract.hpp"
#include "lowbit/quantizer/lanes/vectors.hpp"

namespace lowbit::codebook {

/// Distances in float that lie outside these bounds are taken again in double: squares may have over- or underflowed.
inline constexpr float least_distance = 1e-30f, most_distance = 1e30f;

namespace detail {

/// The first point of least Σ w·(x − p)², summed coordinate by coordinate in T.
template <class T>
std::size_t scan(std::span<const float> points, std::size_t dim, const float* x, const float* weights,
                 T& least) noexcept {
  std::size_t best = 0;
  least = std::numeric_limits<T>::infinity();
  for (std::size_t k = 0; k * dim < points.size(); ++k) {
    T sum = 0;
    for (std::size_t i = 0; i < dim; ++i) {
      const T e = static_cast<T>(x[i]) - static_cast<T>(points[k * dim + i]);
      sum += weights == nullptr ? e * e : static_cast<T>(weights[i]) * (e * e);
    }
    best = sum < least ? k : best;
    least = sum < least ? sum : least;
  }
  return best;
}

}  // namespace detail

/// The index of the point nearest to x, the first of equals; 0 where x holds NaN. This is the definition.
///
///   points   K × dim floats, finite, point after point
///   x        dim floats
///   weights  dim non-negative floats, or null for 1 each: distances are Σ w·(x − p)²
inline std::size_t nearest_point(std::span<const float> points, std::size_t dim, const float* x,
                                 const float* weights = nullptr) noexcept {
  float least;
  const std::size_t best = detail::scan(points, dim, x, weights, least);
  if (least >= least_distance && least <= most_distance) return best;
  double exact;
  return detail::scan(points, dim, x, weights, exact);
}

namespace detail {
inline namespace LOWBIT_ISA_NAMESPACE {

/// nearest_point for points in blocks of 16, coordinate after coordinate; the same index.
inline std::size_t nearest_in_blocks(std::span<const float> points, std::span<const float> blocks, std::size_t dim,
                                     const float* x, const float* weights) noexcept {
#if LOWBIT_HAS_LANES
  using lowbit::detail::broadcast, lowbit::detail::f32xn, lowbit::detail::i32xn, lowbit::detail::lane_count,
      lowbit::detail::load_lanes, lowbit::detail::select;
  constexpr std::size_t registers = 16 / lane_count;
  f32xn least[registers];
  i32xn at[registers], block[registers];
  for (std::size_t r = 0; r < registers; ++r) {
    least[r] = broadcast(std::numeric_limits<float>::infinity());
    at[r] = block[r] = i32xn{};
  }
  for (std::size_t b = 0; b < blocks.size(); b += 16 * dim) {
    f32xn sum[registers] = {};
    for (std::size_t i = 0; i < dim; ++i) {
      const f32xn v = broadcast(x[i]);
      for (std::size_t r = 0; r < registers; ++r) {
        const f32xn e = v - load_lanes(blocks.data() + b + i * 16 + r * lane_count);
        sum[r] += weights == nullptr ? e * e : broadcast(weights[i]) * (e * e);
      }
    }
    for (std::size_t r = 0; r < registers; ++r) {
      const i32xn closer = sum[r] < least[r];
      least[r] = select(closer, sum[r], least[r]);
      at[r] = select(closer, block[r], at[r]);
      block[r] += 16;
    }
  }
  std::size_t best = 0;
  float distance = std::numeric_limits<float>::infinity();
  for (std::size_t r = 0; r < registers; ++r)
    for (std::size_t l = 0; l < lane_count; ++l) {
      const std::size_t k = static_cast<std::size_t>(at[r][l]) + r * lane_count + l;
      const float d = least[r][l];
      if (d < distance || (d == distance && k < best && d < std::numeric_limits<float>::infinity())) {
        distance = d;
        best = k;
      }
    }
  if (distance >= least_distance && distance <= most_distance) return best;
  double exact;
  return scan(points, dim, x, weights, exact);
#else
  return nearest_point(points, dim, x, weights);
#endif
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace detail

/// The points of a codebook arranged for search: `nearest` is nearest_point, a register of points at a time.
/// Memory: the points twice.   Cost of a search: 3 · K · dim flops.
class PointTable {
 public:
  PointTable(std::span<const float> points, std::size_t dim) : dim_(dim) {
    LOWBIT_EXPECTS(dim >= 1 && points.size() % dim == 0, "points hold dim floats each");
    LOWBIT_EXPECTS(points.size() / dim < (std::size_t{1} << 31), "a table of points numbers them in 31 bits");
    assign(points);
  }

  /// Other points, as many or not.
  void assign(std::span<const float> points) {
    points_.assign(points.begin(), points.end());
    const std::size_t count = size();
    blocks_.assign((count + 15) / 16 * 16 * dim_, std::numeric_limits<float>::quiet_NaN());  // never nearest
    for (std::size_t k = 0; k < count; ++k)
      for (std::size_t i = 0; i < dim_; ++i) blocks_[k / 16 * 16 * dim_ + i * 16 + k % 16] = points[k * dim_ + i];
  }
  std::size_t size() const noexcept { return points_.size() / dim_; }
  std::size_t dim() const noexcept { return dim_; }
  std::span<const float> points() const noexcept { return points_; }
  std::span<const float> point(std::size_t k) const noexcept {
    return std::span<const float>(points_).subspan(k * dim_, dim_);
  }

  std::size_t nearest(const float* x, const float* weights = nullptr) const noexcept {
    return detail::nearest_in_blocks(points_, blocks_, dim_, x, weights);
  }

 private:
  std::size_t dim_;
  std::vector<float> points_, blocks_;
};

}  // namespace lowbit::codebook
