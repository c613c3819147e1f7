// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>

#include "lowbit/core/contract.hpp"
#include "lowbit/linalg/executor.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/model/lanes.hpp"

namespace lowbit::model {

/// y = weight ∘ x / √(mean x² + eps), row by row. X is [tokens × features]; a row's bits depend on that row alone.
/// Source   Zhang and Sennrich, "Root Mean Square Layer Normalization", NeurIPS 2019.
inline Matrix rms_norm(ConstMatrixRef X, const Vector& weight, double eps, Executor& executor) {
  LOWBIT_EXPECTS(weight.size() == X.cols(), "the norm has one weight per feature");
  using namespace detail;
  Matrix Y(X.rows(), X.cols());
  const auto n = static_cast<std::size_t>(X.cols());
  constexpr Index block = 64;
  executor.run(static_cast<std::size_t>((X.rows() + block - 1) / block), [&](std::size_t task) {
    const Index first = static_cast<Index>(task) * block, end = std::min(X.rows(), first + block);
    for (Index t = first; t < end; ++t) {
      const float* x = X.data() + t * X.outerStride();
      const float squares = sum_lanes<Lanes>(x, n, 0.0f, [](const Lanes& v) -> Lanes { return v * v; });
      const auto scale =
          static_cast<float>(1.0 / std::sqrt(static_cast<double>(squares) / static_cast<double>(n) + eps));
      map_lanes(x, weight.data(), &Y(t, 0), n,
                [scale](const Lanes& v, const Lanes& w) -> Lanes { return w * (v * scale); });
    }
  });
  return Y;
}

}  // namespace lowbit::model
