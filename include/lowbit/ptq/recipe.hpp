// SPDX-License-Identifier: MIT
#pragma once

#include "lowbit/ptq/rounding.hpp"
#include "lowbit/transform/concept.hpp"

namespace lowbit::ptq {

/// A layer after a recipe: Ŵ in the transform's basis, and the transform that its inputs need first.
template <class R>
struct QuantizedLayer {
  QuantizedMatrix<typename R::quantizer_type> weights;
  typename R::transform_type transform;
  RoundingReport report;
};

/// What is stored × how it is chosen × in which basis, joined at compile time.
///
///   using Mine = Recipe<Uniform<Int4>, HessianRounding>;
///   auto layer = Mine{.rounding = {.act_order = true}}.run(W, moments);   // Result<QuantizedLayer<Mine>>
template <Quantizer Q, class R, Transform T = transform::Identity>
  requires RoundingFor<R, Q>
struct Recipe {
  using quantizer_type = Q;
  using rounding_type = R;
  using transform_type = T;

  Q quantizer{};
  R rounding{};
  T transform{};

  /// W [out × in] is copied where the transform changes it. Errors: those of the rounding policy.
  Result<QuantizedLayer<Recipe>> run(const ConstMatrixRef& W, const calib::Moments& moments, Executor& executor) const {
    RoundingReport report;
    const RoundingContext context{executor, &report};
    Matrix folded = W;
    transform.fold_into_weights(folded);
    auto rounded = [&] {
      if constexpr (std::same_as<T, transform::Identity>) {
        return rounding.round(quantizer, folded, moments, context);
      } else {
        const auto basis = moments.tokens() == 0
                               ? moments
                               : calib::Moments::from_mean(transform::transform_moments(transform, moments.mean()));
        return rounding.round(quantizer, folded, basis, context);
      }
    }();
    if (!rounded) return std::move(rounded).error();
    return QuantizedLayer<Recipe>{std::move(*rounded), transform, std::move(report)};
  }
  Result<QuantizedLayer<Recipe>> run(const ConstMatrixRef& W, const calib::Moments& moments) const {
    Executor alone;
    return run(W, moments, alone);
  }
};

}  // namespace lowbit::ptq
