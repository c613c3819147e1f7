// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "lowbit/calib/moments.hpp"
#include "lowbit/format/minifloat_fields.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/ptq/rounding.hpp"

namespace lowbit::ptq {

enum class MinifloatScales : std::uint8_t { per_channel, per_tensor };

/// What the candidates of one format step through.
enum class MinifloatGrid : std::uint8_t {
  clip,  ///< the largest point, c = γ · max|x|, γ = 1.2 … 0.2
  bias,  ///< the bias itself, γ · (that of c = max|x|), γ = 0.01 … 1.2, as LLM-FP4's code does: which way the clip moves
         ///< depends on the bias' sign, and small biases hardly move
};

enum class MinifloatObjective : std::uint8_t {
  squared,   ///< Σ(ŵ − w)²
  diagonal,  ///< Σ H_jj(ŵ_j − w_j)²
  output,    ///< (ŵ − w)·H·(ŵ − w)ᵀ, the output's squared error per token
};

/// A whole layer's format and scales: ŵ = scale · (point of format); scale is 2^(own bias − bias), so `bias` is real.
struct MinifloatChoice {
  MinifloatFields format;
  std::vector<float> scales;         ///< one per output row, or one in all
  double error = 0.0;                ///< of format and scales, summed over rows
  double absmax_error = 0.0;         ///< of the same format with every clip at max|w|
  std::vector<double> format_error;  ///< the least of every candidate, in order of ascending E

  double bias(std::size_t channel) const noexcept {
    return format.bias() - std::log2(static_cast<double>(scales[scales.size() == 1 ? 0 : channel]));
  }
  float nearest(float x, std::size_t channel) const noexcept {
    const float s = scales[scales.size() == 1 ? 0 : channel];
    return s * format.nearest(x / s);
  }
};

/// Which splits of `bits` into exponent and mantissa are tried: E = 1 … bits − 1 below eight bits, E = 1 … 5 at eight.
/// (E = 0 is narrow Int, and E = 1 the same points.)
inline std::vector<MinifloatFields> minifloat_candidates(int bits) {
  std::vector<MinifloatFields> all;
  for (int e = 1; e <= (bits == 8 ? 5 : bits - 1); ++e) all.push_back({e, bits - 1 - e});
  return all;
}

namespace detail {

/// The scales that a search tries for values up to `largest_value`; the first clips at it.
inline std::vector<float> minifloat_scales(MinifloatFields format, MinifloatGrid grid, int steps, float largest_value) {
  const double most = largest_value > 0.0f ? static_cast<double>(largest_value) : 1.0;
  const auto point = static_cast<double>(format.largest());
  std::vector<float> all = {static_cast<float>(most / point)};
  const double own = format.bias() - std::log2(most / point);
  for (int k = 0; k <= steps; ++k) {
    const double at = static_cast<double>(k) / steps;
    all.push_back(static_cast<float>(grid == MinifloatGrid::clip ? (1.2 - at) * most / point
                                                                 : std::exp2(format.bias() - (0.01 + 1.19 * at) * own)));
  }
  for (float& s : all) s = std::clamp(s, 0x1p-126f, std::numeric_limits<float>::max());
  return all;
}

/// x·G·xᵀ and one sum per entry, in order. scratch: as long as x.
inline double ordered_form(const MatrixD& G, std::span<const double> x, std::span<double> scratch) noexcept {
  std::fill(scratch.begin(), scratch.end(), 0.0);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double* row = G.data() + i * x.size();
    for (std::size_t j = 0; j < x.size(); ++j) scratch[j] += x[i] * row[j];
  }
  double sum = 0.0;
  for (std::size_t j = 0; j < x.size(); ++j) sum += scratch[j] * x[j];
  return sum;
}

inline float largest_of(const ConstMatrixRef& A) noexcept {
  float most = 0.0f;
  for (Index r = 0; r < A.rows(); ++r)
    for (Index c = 0; c < A.cols(); ++c) most = std::max(most, std::fabs(A(r, c)));
  return most;
}

/// The choice among formats for the channels of W, error(row, ŵ) being what it minimizes. Of equals the earlier candidate.
template <class Error>
MinifloatChoice choose_minifloat(const ConstMatrixRef& W, int bits, MinifloatScales scales, MinifloatGrid grid, int steps,
                                 Executor& executor, const Error& error) {
  const auto rows = static_cast<std::size_t>(W.rows());
  const bool each = scales == MinifloatScales::per_channel;
  const float overall = largest_of(W);
  MinifloatChoice best;
  for (const MinifloatFields format : minifloat_candidates(bits)) {
    const std::size_t tried = static_cast<std::size_t>(steps) + 2;
    std::vector<std::vector<double>> errors(rows, std::vector<double>(tried));
    std::vector<std::vector<float>> candidates(rows);
    executor.run(rows, [&](std::size_t r) {
      const auto row = static_cast<Index>(r);
      candidates[r] = minifloat_scales(format, grid, steps, each ? largest_of(W.row(row)) : overall);
      std::vector<float> rounded(static_cast<std::size_t>(W.cols()));
      for (std::size_t k = 0; k < tried; ++k) {
        const float s = candidates[r][k];
        for (std::size_t j = 0; j < rounded.size(); ++j)
          rounded[j] = s * format.nearest(W(row, static_cast<Index>(j)) / s);
        errors[r][k] = error(r, std::span<const float>(rounded));
      }
    });
    MinifloatChoice here;
    here.format = format;
    if (!each) {
      std::vector<double> sum(tried);
      for (const auto& e : errors)
        for (std::size_t k = 0; k < tried; ++k) sum[k] += e[k];
      errors.assign(rows == 0 ? 0 : 1, sum);
    }
    for (std::size_t r = 0; r < errors.size(); ++r) {
      const auto least = std::min_element(errors[r].begin(), errors[r].end());
      here.scales.push_back(candidates[r][static_cast<std::size_t>(least - errors[r].begin())]);
      here.error += *least;
      here.absmax_error += errors[r][0];
    }
    auto found = std::move(best.format_error);
    found.push_back(here.error);
    if (found.size() == 1 || here.error < best.error) best = std::move(here);
    best.format_error = std::move(found);
  }
  return best;
}

}  // namespace detail

/// The (E, M, bias) of a weight matrix: all splits of `bits`, and per split and channel (or matrix) a grid of biases.
///
///   W  [out × in]   H  second moments of the inputs; without tokens the objective is `squared`
///
/// The format is one for the matrix. Every grid begins with the clip at max|w|, so the error is never above that of the
/// best absmax format. All sums in double and in one order: the same choice for any number of threads.
/// Errors   not_finite, shape_mismatch, and invalid_argument for bits outside 3 … 8 and no steps.
/// Cost     splits · (steps + 2) · out · in roundings, times in for `output`.
/// Source   Liu et al., "LLM-FP4", EMNLP 2023, arXiv:2310.16836 (weights, inputs unquantized; MinifloatJointSearch has both);
///          the search for diffusion models of Chen et al., arXiv:2408.06995, is per_tensor with steps = 110.
struct MinifloatSearch {
  int bits = 4;
  MinifloatScales scales = MinifloatScales::per_channel;
  MinifloatGrid grid = MinifloatGrid::clip;
  MinifloatObjective objective = MinifloatObjective::squared;
  int steps = 100;  ///< steps + 1 candidates beside the first

  Result<MinifloatChoice> run(const ConstMatrixRef& W, const calib::Moments& H, Executor& executor) const {
    LOWBIT_CHECK(detail::check_problem(W, H));
    if (bits < 3 || bits > 8 || steps < 1)
      return Error{.code = Errc::invalid_argument,
                   .message = "a minifloat search takes 3 to 8 bits and at least one step, not " + std::to_string(bits) +
                              " bits and " + std::to_string(steps) + " steps"};
    const auto cols = static_cast<std::size_t>(W.cols());
    const MatrixD mean = H.tokens() != 0 ? H.mean() : MatrixD();
    const MinifloatObjective what = H.tokens() != 0 ? objective : MinifloatObjective::squared;
    return detail::choose_minifloat(W, bits, scales, grid, steps, executor, [&](std::size_t r, std::span<const float> to) {
      std::vector<double> e(cols), scratch(what == MinifloatObjective::output ? cols : 0);
      double sum = 0.0;
      for (std::size_t j = 0; j < cols; ++j) {
        e[j] = static_cast<double>(to[j]) - static_cast<double>(W(static_cast<Index>(r), static_cast<Index>(j)));
        if (what == MinifloatObjective::squared) sum += e[j] * e[j];
        if (what == MinifloatObjective::diagonal)
          sum += mean(static_cast<Index>(j), static_cast<Index>(j)) * e[j] * e[j];
      }
      return what == MinifloatObjective::output ? detail::ordered_form(mean, e, scratch) : sum;
    });
  }
  Result<MinifloatChoice> run(const ConstMatrixRef& W, const calib::Moments& H = {}) const {
    Executor alone;
    return run(W, H, alone);
  }
};

}  // namespace lowbit::ptq
