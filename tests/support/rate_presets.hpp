// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "lowbit/format.hpp"
#include "lowbit/quantizer.hpp"

/// Rows of the rate tables, and quantizers with a rule other than their default.

#define LOWBIT_RATE_ROW(name, gauss, laplace, ...) \
  RateRow { name, gauss, laplace, [](std::span<const float> w) { return distortion(__VA_ARGS__); } }
#define LOWBIT_RATE_ROW_AVERAGED(name, gauss, laplace, ...) \
  RateRow { name, gauss, laplace, [](std::span<const float> w) { return distortion(__VA_ARGS__); }, 12 }

namespace lowbit::test {

template <class F, ZeroPoint Z = ZeroPoint::none, std::size_t G = 128>
Uniform<F, UniformOptions{.group_size = G, .zero_point = Z}> uniform(SymmetricRule rule = SymmetricRule::full_range) {
  Uniform<F, UniformOptions{.group_size = G, .zero_point = Z}> q;
  q.rule = rule;
  return q;
}
template <class F>
Mx<F> mx(MxScaleRule rule) {
  Mx<F> q;
  q.rule = rule;
  return q;
}
inline Nvfp4 nvfp4(Nvfp4Rule rule) {
  Nvfp4 q;
  q.rule = rule;
  return q;
}
inline TernaryScaled<float, per_tensor> ternary(TernaryRule rule, bool least_squares) {
  TernaryScaled<float, per_tensor> q;
  q.rule = rule;
  q.least_squares = least_squares;
  return q;
}

}  // namespace lowbit::test
