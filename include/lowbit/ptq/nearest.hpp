// SPDX-License-Identifier: MIT
#pragma once

#include "lowbit/ptq/rounding.hpp"

namespace lowbit::ptq {

/// Rounding to nearest (RTN): every weight to the nearest point of its group's grid, inputs ignored, except that a
/// weighted scale search takes diag H as its importance, and HessianFull H itself.
///
///   W  [out × in]   H  [in × in] or without tokens
/// Errors   not_finite, shape_mismatch.   Cost  O(out · in) times the passes of the search.
struct NearestRounding {
  ScaleSearch scale = AbsMax{};

  template <Quantizer Q>
  Result<QuantizedMatrix<Q>> round(const Q& q, const ConstMatrixRef& W, const calib::Moments& H,
                                   RoundingContext context) const {
    LOWBIT_CHECK(detail::check_problem(W, H));
    const Matrix contiguous = W;  // the span below needs rows without gaps
    const std::vector<float> importance = detail::importance_of(H);
    const MatrixD mean = H.tokens() != 0 ? H.mean() : MatrixD();
    auto rounded = quantize_nearest(q, std::span(contiguous.data(), static_cast<std::size_t>(contiguous.size())),
                                    static_cast<std::size_t>(W.rows()), static_cast<std::size_t>(W.cols()), scale,
                                    importance, H.tokens() != 0 ? mean.data() : nullptr, context.executor);
    if (rounded) detail::measure(W, mean, *rounded, context);
    return rounded;
  }
};

}  // namespace lowbit::ptq
