// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/core/float16.hpp"
#include "lowbit/core/result.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/transform/record.hpp"

namespace lowbit::transform {

/// T = diag(1/d): W' = W·diag(d), inputs x_j / d_j. d [in], positive bf16 numbers. Cost per token: in divisions.
class PreparedDiagonalRescale {
 public:
  PreparedDiagonalRescale() = default;

  /// Errors: malformed with the column where d is not a positive, normal, finite bf16 number.
  static Result<PreparedDiagonalRescale> from_values(std::vector<float> d) {
    for (std::size_t j = 0; j < d.size(); ++j)
      if (!(std::isnormal(d[j]) && d[j] > 0.0f && static_cast<float>(bf16(d[j])) == d[j]))
        return Error{.code = Errc::malformed,
                     .message = "a rescale factor must be a positive bf16 number",
                     .column = j,
                     .value = static_cast<double>(d[j])};
    PreparedDiagonalRescale rescale;
    rescale.d_ = std::move(d);
    return rescale;
  }

  void fold_into_weights(MatrixDRef W) const { W.array().rowwise() *= row<double>(W.cols()); }
  void unfold_from_weights(MatrixDRef W) const { W.array().rowwise() /= row<double>(W.cols()); }
  void apply_to_inputs(MatrixRef X) const { X.array().rowwise() /= row<float>(X.cols()); }
  void apply_to_inputs(MatrixDRef X) const { X.array().rowwise() /= row<double>(X.cols()); }

  const std::vector<float>& values() const noexcept { return d_; }
  TransformRecord record() const { return {.kind = "rescale", .values = d_}; }
  std::size_t stored_bits() const noexcept { return 16 * d_.size(); }

 private:
  template <class T>
  Eigen::Array<T, 1, Eigen::Dynamic> row([[maybe_unused]] Index cols) const {
    LOWBIT_EXPECTS(cols == static_cast<Index>(d_.size()), "a rescale has one factor per input");
    return Eigen::Map<const Eigen::Array<float, 1, Eigen::Dynamic>>(d_.data(), cols).template cast<T>();
  }

  std::vector<float> d_;
};

/// Splits the size of each input between weight column and activation, so that neither W·diag(d) nor diag(1/d)·H·diag(1/d)
/// has columns far larger than others: d_j = (H_jj / ‖W_:j‖²)^(1/4). It minimizes Σ_j d_j²·‖W_:j‖² · Σ_j H_jj / d_j².
///
///   H_jj and ‖W_:j‖², each divided by its mean over j, are clamped below at 1e-8; without tokens H_jj = 1.
///   d is rounded to bf16, and that is what weights and inputs see: the product is kept exactly.
///
/// Errors   shape_mismatch; not_finite with the column where H_jj or ‖W_:j‖² is not finite.
/// Cost     one division per input on every token.   Stored  16 bits per input: 16/out bits per weight.
/// Source   Chee et al., "QuIP", NeurIPS 2023, arXiv:2307.13304, section 4.2 and algorithm 1. The paper's code clamps H
///          relative to its largest entry and ‖W_:j‖² absolutely; ours takes both relative to their means, so that units of
///          weights and activations do not matter.
struct DiagonalRescale {
  using prepared_type = PreparedDiagonalRescale;

  Result<prepared_type> prepare(const MatrixD& W, const MatrixD& H) const {
    const Index n = W.cols();
    if (H.size() != 0 && (H.rows() != n || H.cols() != n))
      return Error{.code = Errc::shape_mismatch,
                   .message = "W has " + std::to_string(n) + " inputs but the second moments have " + std::to_string(H.rows())};
    VectorD inputs = H.size() == 0 ? VectorD(VectorD::Ones(n)) : VectorD(H.diagonal());
    VectorD weights = VectorD::Zero(n);
    for (Index r = 0; r < W.rows(); ++r) weights.array() += W.row(r).transpose().array().square();
    std::vector<float> d(static_cast<std::size_t>(n), 1.0f);
    for (Index j = 0; j < n; ++j)
      if (!std::isfinite(inputs(j)) || !std::isfinite(weights(j)))
        return Error{.code = Errc::not_finite,
                     .message = "a rescale needs finite weights and second moments",
                     .column = static_cast<std::uint64_t>(j)};
    const double mean_input = mean(inputs), mean_weight = mean(weights);
    if (!(mean_input > 0.0) || !(mean_weight > 0.0)) return prepared_type::from_values(std::move(d));
    for (Index j = 0; j < n; ++j) {
      const double ratio = std::max(inputs(j) / mean_input, 1e-8) / std::max(weights(j) / mean_weight, 1e-8);
      d[static_cast<std::size_t>(j)] = static_cast<float>(bf16(static_cast<float>(std::sqrt(std::sqrt(ratio)))));
    }
    return prepared_type::from_values(std::move(d));
  }

 private:
  static double mean(const VectorD& x) {  // in one order, whatever the build
    double sum = 0.0;
    for (Index j = 0; j < x.size(); ++j) sum += x(j);
    return x.size() == 0 ? 0.0 : sum / static_cast<double>(x.size());
  }
};

static_assert(Transform<DiagonalRescale> && RecordedTransform<PreparedDiagonalRescale>);

}  // namespace lowbit::transform
