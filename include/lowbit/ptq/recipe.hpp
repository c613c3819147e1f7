// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>

#include "lowbit/linalg/product.hpp"
#include "lowbit/ptq/rounding.hpp"
#include "lowbit/transform/concept.hpp"
#include "lowbit/transform/record.hpp"

namespace lowbit::ptq {

/// A layer after a recipe: Ŵ' in the transform's basis, and the transform, prepared for this layer.
template <class R>
struct QuantizedLayer {
  using prepared_type = transform::prepared_t<typename R::transform_type>;

  QuantizedMatrix<typename R::quantizer_type> weights;
  prepared_type transform;
  RoundingReport report;  ///< of the layer's outputs: orthogonal U and T's inverse leave them as they were

  /// Y = X·Ŵᵀ for X [tokens × in] in the original basis: transform the inputs, multiply, undo on the outputs. The definition
  /// of what inference computes; the product runs in double. For speed: model/transformed_linear.hpp.
  Matrix product(const ConstMatrixRef& X) const {
    Matrix inputs = X;
    transform.apply_to_inputs(MatrixRef(inputs));
    const MatrixD basis = inputs.template cast<double>();
    Matrix Y(X.rows(), static_cast<Index>(weights.rows()));
    for (Index begin = 0; begin < Y.cols(); begin += detail::task_rows) {
      const Index count = std::min(detail::task_rows, Y.cols() - begin);
      const MatrixD rows = detail::dequantized_rows(weights, begin, count);
      const MatrixD part = linalg::product(basis, rows.transpose());
      Y.middleCols(begin, count) = part.template cast<float>();
    }
    transform::undo_on_outputs(transform, Y);
    return Y;
  }

  /// Ŵ [out × in] in the original basis, with its columns in natural order.
  MatrixD dequantized() const {
    MatrixD W = detail::dequantized_rows(weights, 0, static_cast<Index>(weights.rows()));
    transform.unfold_from_weights(MatrixDRef(W));
    return W;
  }

  /// Of codes and parameters, and of the transform where it can be stored.
  double bits_per_weight() const {
    double bits = weights.bits_per_weight();
    if constexpr (transform::RecordedTransform<prepared_type>)
      if (weights.rows() * weights.cols() != 0)
        bits += static_cast<double>(transform.stored_bits()) / static_cast<double>(weights.rows() * weights.cols());
    return bits;
  }
};

/// What is stored × how it is chosen × in which basis, joined at compile time.
///
///   using Mine = Recipe<Uniform<Int4>, HessianRounding, transform::RandomHadamard>;
///   auto layer = Mine{.rounding = {.act_order = true}, .transform = {.seed = 7}}.run(W, moments);
template <Quantizer Q, class R, Transform T = transform::Identity>
  requires RoundingFor<R, Q>
struct Recipe {
  using quantizer_type = Q;
  using rounding_type = R;
  using transform_type = T;

  Q quantizer{};
  R rounding{};
  T transform{};

  /// Prepares the transform for W [out × in] and the moments, folds it into W, carries the moments over, all in double,
  /// and rounds. W is copied where the transform changes it.
  /// Errors   those of the transform's preparation and of the rounding policy; not_finite and shape_mismatch speak of W as
  ///          given.
  Result<QuantizedLayer<Recipe>> run(const ConstMatrixRef& W, const calib::Moments& moments, Executor& executor) const {
    RoundingReport report;
    const RoundingContext context{executor, &report};
    if constexpr (std::same_as<T, transform::Identity>) {
      LOWBIT_TRY(rounded, rounding.round(quantizer, W, moments, context));
      return QuantizedLayer<Recipe>{std::move(rounded), transform, std::move(report)};
    } else {
      LOWBIT_CHECK(detail::check_problem(W, moments));
      MatrixD basis = W.cast<double>();
      MatrixD H = moments.tokens() == 0 ? MatrixD() : moments.mean();
      LOWBIT_TRY(prepared, transform::prepare(transform, basis, H));
      prepared.fold_into_weights(MatrixDRef(basis));
      const Matrix folded = basis.cast<float>();
      basis.resize(0, 0);
      if (H.size() != 0) H = transform::transform_moments(prepared, H);
      LOWBIT_TRY(rounded, rounding.round(quantizer, folded,
                                         moments.tokens() == 0 ? moments : calib::Moments::from_mean(std::move(H)), context));
      return QuantizedLayer<Recipe>{std::move(rounded), std::move(prepared), std::move(report)};
    }
  }
  Result<QuantizedLayer<Recipe>> run(const ConstMatrixRef& W, const calib::Moments& moments) const {
    Executor alone;
    return run(W, moments, alone);
  }
};

}  // namespace lowbit::ptq
