// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include "lowbit/linalg/matrix.hpp"

/// Elementwise work and sums over contiguous floats whose bits depend on the values alone: not on where a slice starts,
/// how long its neighbours are or how a batch was cut. Everything runs in blocks of 16; a tail is padded to one.

namespace lowbit::model::detail {

inline constexpr std::size_t lanes = 16;
using Lanes = Eigen::Array<float, static_cast<int>(lanes), 1>;
using LanesD = Eigen::Array<double, static_cast<int>(lanes), 1>;

inline Lanes load(const float* x) { return Eigen::Map<const Lanes, Eigen::Unaligned>(x); }
inline Lanes load(const float* x, std::size_t count, float padding) {
  Lanes block = Lanes::Constant(padding);
  std::copy_n(x, count, block.data());
  return block;
}

/// y[i] = f(block of a, block of b) for n elements; y may be a or b.
template <class F>
void map_lanes(const float* a, const float* b, float* y, std::size_t n, F f) {
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const Lanes block = f(load(a + i), load(b + i));
    Eigen::Map<Lanes, Eigen::Unaligned>(y + i) = block;
  }
  if (i < n) {
    const Lanes block = f(load(a + i, n - i, 0.0f), load(b + i, n - i, 0.0f));
    std::copy_n(block.data(), n - i, y + i);
  }
}

/// Adds f(block) of every block into sixteen sums of type Sum, then adds those up; padding lanes hold `padding`.
template <class Sum, class F>
auto sum_lanes(const float* x, std::size_t n, float padding, F f) {
  Sum sum = Sum::Zero();
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) sum += f(load(x + i));
  if (i < n) sum += f(load(x + i, n - i, padding));
  return sum.sum();
}

inline float max_of(const float* x, std::size_t n) {
  Lanes largest = load(x, std::min(n, lanes), x[0]);
  std::size_t i = std::min(n, lanes);
  for (; i + lanes <= n; i += lanes) largest = largest.max(load(x + i));
  for (; i < n; ++i) largest[0] = std::max(largest[0], x[i]);
  return largest.maxCoeff();
}

}  // namespace lowbit::model::detail
