// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/ptq/codebook_descent.hpp"
#include "lowbit/ptq/rounding.hpp"
#include "lowbit/quantizer/codebook/gaussian_mixture.hpp"
#include "lowbit/quantizer/codebook/row_codebook.hpp"

namespace lowbit::ptq {

/// One table of values for a whole layer, zero among them, from a mixture of Gaussians over its weights: the mixture is
/// hardened to its likeliest components, then values and codes are refined in turn as by LNQ, zero staying zero.
///
///   W         [out × in]  weights
///   H         [in × in]   second moments: their diagonal weighs the mixture, all of them the refinement. Without tokens
///                         weights count alike and the refinement is Lloyd's iteration
///   em_steps  of expectation–maximization after the k-means start; the mixture of least hard error on the way is taken
///   refits    of values, each but the first after a cycle of coordinate descent; 0: the hardened mixture as it is
///   samples   weights that the mixture looks at, evenly spaced
///
/// What the zero costs: the least error on N(0, 1) is the mean of those with one level fewer and one more, 1.15, 1.04 and 1.01
/// times that of as many free levels at two, three and four bits.
/// Bits per weight: Bits + 16·2^Bits/(out · in).
/// Errors   not_finite: a weight, or a value past f16; shape_mismatch.
/// Cost     em_steps · samples · 2^Bits exponentials; refits · (cd_cycles + 3) · out · in².
/// Source   DGMS, arXiv:2112.15139, which trains the mixture with the task; this is a form without training.
struct Dgms {
  int em_steps = 20;
  int refits = 3;
  int cd_cycles = 2;
  std::size_t samples = 1u << 16;

  template <int Bits>
  Result<QuantizedMatrix<RowCodebook<Bits, per_tensor>>> round(const RowCodebook<Bits, per_tensor>& q,
                                                               const ConstMatrixRef& W, const calib::Moments& moments,
                                                               RoundingContext context) const {
    using Q = RowCodebook<Bits, per_tensor>;
    LOWBIT_CHECK(detail::check_problem(W, moments));
    QuantizedMatrix<Q> out(static_cast<std::size_t>(W.rows()), static_cast<std::size_t>(W.cols()), q);
    if (W.size() == 0) return out;
    const std::vector<float> importance = detail::importance_of(moments);
    const MatrixD H = moments.tokens() != 0 ? moments.mean() : MatrixD();
    const codebook::SortedSamples sorted = sample(W, importance);
    const codebook::GaussianMixture mixture = codebook::fit_mixture(sorted, Q::count, em_steps);

    CodebookDescent layer(W.cast<double>(), H, static_cast<Index>(Q::count), true);
    const std::span<float> levels = layer.levels(0);
    for (std::size_t k = 0; k < Q::count; ++k) levels[k] = static_cast<float>(mixture.mean(k));
    layer.pin(mixture.zero());
    detail::Codes codes(W.rows(), W.cols());
    for (Index r = 0; r < W.rows(); ++r)
      for (Index j = 0; j < W.cols(); ++j) codes(r, j) = mixture.component(static_cast<double>(W(r, j)));
    layer.set_codes(std::move(codes));

    RoundingReport report;
    if (H.size() == 0) {
      if (refits > 0) {
        refine(sorted, levels);
        layer.pin(nearest_to_zero(levels));
      }
      report.fallback = "no calibration tokens reached this layer";
    } else {
      for (int i = 0; i < refits; ++i) {
        if (i > 0) report.moved_codes += layer.update_codes(cd_cycles);
        layer.update_levels();
      }
      report.dead_inputs = static_cast<std::size_t>((H.diagonal().array() == 0.0).count());
    }
    layer.round_levels_to_f16();
    if (refits > 0) {
      if (H.size() == 0)
        layer.assign_nearest();
      else
        report.moved_codes += layer.update_codes(1);
    }
    layer.sort_levels();
    typename Q::params_type p;
    std::copy_n(layer.levels(0).begin(), Q::count, p.level.begin());
    if (!p.finite()) return scale_overflow(0, 0, std::numeric_limits<double>::infinity());
    out.set_params(0, 0, p);
    detail::store_codes(layer.codes(), 0, {}, out);
    if (context.report != nullptr) *context.report = std::move(report);
    detail::measure(W, H, out, context);
    return out;
  }

 private:
  /// Lloyd's iteration with a zero, from the means of the mixture and from k-means; the better levels.
  void refine(const codebook::SortedSamples& sorted, std::span<float> levels) const {
    std::vector<float> other(levels.size());
    codebook::kmeans1d(sorted, other);
    for (const std::span<float> from : {levels, std::span<float>(other)})
      for (int pass = 0; pass < 50 * refits; ++pass) {
        from[nearest_to_zero(from)] = 0.0f;
        std::sort(from.begin(), from.end());
        codebook::lloyd1d(sorted, from, 1);
      }
    for (const std::span<float> from : {levels, std::span<float>(other)}) {
      from[nearest_to_zero(from)] = 0.0f;
      std::sort(from.begin(), from.end());
    }
    if (sorted.cost_of(other) < sorted.cost_of(levels)) std::copy(other.begin(), other.end(), levels.begin());
  }
  static std::size_t nearest_to_zero(std::span<const float> levels) noexcept {
    return codebook::nearest_level(levels, 0.0f);
  }
  codebook::SortedSamples sample(const ConstMatrixRef& W, const std::vector<float>& importance) const {
    const auto total = static_cast<std::size_t>(W.size()), cols = static_cast<std::size_t>(W.cols());
    const std::size_t stride = std::max<std::size_t>(1, total / std::max<std::size_t>(1, samples));
    std::vector<float> values, weights;
    // The stride moves on by one per row of samples, lest it fall on the same columns of every row.
    for (std::size_t i = 0; i < total; i += stride) {
      const std::size_t at = i + (stride > 1 ? (i / cols) % stride : 0);
      if (at >= total) break;
      values.push_back(W(static_cast<Index>(at / cols), static_cast<Index>(at % cols)));
      if (!importance.empty()) weights.push_back(importance[at % cols]);
    }
    return codebook::SortedSamples(values, weights);
  }
};

}  // namespace lowbit::ptq
