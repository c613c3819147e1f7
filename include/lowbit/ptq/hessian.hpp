// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/ptq/column_rounding.hpp"
#include "lowbit/ptq/grid.hpp"
#include "lowbit/ptq/nearest.hpp"
#include "lowbit/ptq/rounding.hpp"

namespace lowbit::ptq {

enum class DeadInputs : std::uint8_t {
  round_to_nearest,  ///< their weights carry no error and are rounded to nearest
  zero,              ///< their weights become 0 before scales are fitted, as in the GPTQ release
};

enum class OnFailure : std::uint8_t {
  round_to_nearest,  ///< and say so in the report
  error,             ///< not_positive_definite
};

/// Rounds the columns of W in order, moving each column's error onto the columns not yet rounded, so that ‖(W − Ŵ)X‖²
/// stays small where ‖W − Ŵ‖² alone would not. Then, if asked, sweeps of coordinate descent over the same grid.
///
///   W       [out × in]  weights
///   H       [in × in]   mean of x·xᵀ over calibration tokens; symmetric; unit: activation²
///   damp    unitless    damp · mean(diag H) is added to the diagonal before factoring; tenfold more after each failure
///
/// Scales: group scales are fitted to the weights as compensated so far when the group's first column comes up, or, with
/// static_groups (and always for per_row and per_tensor), to the original W before the loop. act_order rounds inputs in
/// descending order of H_jj; without static groups a group then holds inputs of like order, and the result says which
/// through column_order(). Vector formats and trellises are rounded a block of columns at a time (block LDLQ), and under
/// act_order always stored in that order. H without tokens is legal and means rounding to nearest.
///
/// Deterministic for any number of threads. All arithmetic is in double.
/// Errors   not_positive_definite (carries the damp tried; only with OnFailure::error), not_finite, shape_mismatch.
/// Cost     O(out · in²) flops, O(in³) for the factor; scratch: three [in × in] and, per thread, three [32 × in].
/// Source   Frantar et al., "GPTQ", ICLR 2023, arXiv:2210.17323, Algorithm 1. Ours keeps row-major W, factors H once
///          without forming its inverse, and ends a lazy block where a group would straddle it, so that groups always see
///          up-to-date weights. Inputs that never fired take the mean of diag H on the diagonal (the release: 1).
struct HessianRounding {
  double damp = 0.01;
  bool act_order = false;
  bool static_groups = false;
  std::size_t block_size = 128;  ///< columns per lazy block, at least 1; changes only the speed
  int cd_sweeps = 0;             ///< of coordinate or block descent afterwards; they never raise the objective
  ScaleSearch scale = AbsMax{};
  DeadInputs dead_inputs = DeadInputs::round_to_nearest;
  OnFailure on_failure = OnFailure::round_to_nearest;

  template <Quantizer Q>
  Result<QuantizedMatrix<Q>> round(const Q& q, const ConstMatrixRef& W, const calib::Moments& moments,
                                   RoundingContext context) const;

 private:
  template <Quantizer Q>
  Result<QuantizedMatrix<Q>> give_up(const Q& q, const ConstMatrixRef& W, const calib::Moments& moments,
                                     RoundingContext context, std::string why) const {
    auto rounded = NearestRounding{scale}.round(q, W, moments, context);
    if (context.report != nullptr) context.report->fallback = std::move(why);
    return rounded;
  }
};

namespace detail {

/// The problem with its columns as they will be stored.
struct StoredProblem {
  Matrix live;  ///< W in natural order, dead columns zeroed if asked
  Matrix W;
  const MatrixD& H;
  std::vector<float> importance;

  StoredProblem(const ConstMatrixRef& weights, const calib::Moments& moments, const MatrixD& natural,
                const OrderedProblem& ordered, bool zero_dead, bool in_order)
      : live(weights), H(in_order ? ordered.H : natural),
        importance(in_order ? ordered.importance : importance_of(moments)) {
    if (zero_dead)
      for (const Index j : ordered.dead) live.col(j).setZero();
    W = live;
    if (in_order) W = live(Eigen::all, ordered.order);
  }
};

/// The grids of rounding to nearest, one per group of the matrix, also written to `out`. They are kept as fit returned
/// them: a quantizer's parameters may know more than its storage.
template <Quantizer Q>
Result<std::vector<typename Q::params_type>> freeze_grids(const Matrix& W, const MatrixD& H, const ScaleSearch& scale,
                                                          std::span<const float> importance, Executor& executor,
                                                          QuantizedMatrix<Q>& out) {
  const Groups groups = out.groups();
  std::vector<typename Q::params_type> grids(groups.total());
  if (groups.shared_by_rows()) {
    if (!grids.empty()) grids[0] = fit_scale(scale, out.view().group_quantizer(0, 0),
                                            std::span(W.data(), static_cast<std::size_t>(W.size())));
  } else {
    executor.run(static_cast<std::size_t>(W.rows()), [&](std::size_t r) {
      const std::span row(W.row(static_cast<Index>(r)).data(), static_cast<std::size_t>(W.cols()));
      const float square = lowbit::mean_square(row);
      for (std::size_t g = 0; g < groups.per_row_count(); ++g) {
        const std::size_t begin = groups.begin(g), size = groups.end(g) - begin;
        const FitContext context{.importance = importance.subspan(begin, size),
                                 .row_mean_square = square,
                                 .hessian = H.data() + begin * (static_cast<std::size_t>(H.cols()) + 1),
                                 .hessian_stride = static_cast<std::size_t>(H.cols())};
        grids[groups.index(r, g)] =
            fit_scale(scale, out.view().group_quantizer(r, g), row.subspan(begin, size), context);
      }
    });
  }
  for (std::size_t i = 0; i < grids.size(); ++i) {
    const std::size_t row = i / groups.per_row_count(), g = i % groups.per_row_count();
    if (!params_finite<Q>(grids[i]))
      return scale_overflow(row, groups.begin(g), std::numeric_limits<double>::infinity());
    out.set_params(row, g, grids[i]);
  }
  return grids;
}

}  // namespace detail

template <Quantizer Q>
Result<QuantizedMatrix<Q>> HessianRounding::round(const Q& q, const ConstMatrixRef& W, const calib::Moments& moments,
                                                  RoundingContext context) const {
  LOWBIT_EXPECTS(block_size >= 1, "a lazy block holds at least one column");
  LOWBIT_CHECK(detail::check_problem(W, moments));
  const Index rows = W.rows(), n = W.cols();
  if (moments.tokens() == 0) return give_up(q, W, moments, context, "no calibration tokens reached this layer");
  const MatrixD natural = moments.mean();
  auto ordered = detail::order_problem(natural, act_order, damp);
  if (!ordered) {
    if (on_failure == OnFailure::error && ordered.error().code != Errc::invalid_argument) return std::move(ordered).error();
    if (context.report != nullptr) context.report->dead_inputs = static_cast<std::size_t>((natural.diagonal().array() == 0.0).count());
    return give_up(q, W, moments, context, to_string(ordered.error()));
  }
  const detail::OrderedProblem& problem = *ordered;

  constexpr auto width = static_cast<Index>(code_columns<Q>);
  QuantizedMatrix<Q> out(static_cast<std::size_t>(rows), static_cast<std::size_t>(n), q);
  const Groups groups = out.groups();
  LOWBIT_EXPECTS(groups.per_row_count() <= 1 || groups.size() % code_columns<Q> == 0,
                 "the columns of one code, or of one tile, divide the group");
  const bool fit_groups = !static_groups && !groups.shared_by_rows() && groups.per_row_count() > 1;
  // Columns that share a code must lie side by side.
  const bool stored_in_order = act_order && (fit_groups || width > 1);
  const detail::StoredProblem stored(W, moments, natural, problem, dead_inputs == DeadInputs::zero, stored_in_order);
  fit_shared(q, {stored.W.data(), static_cast<std::size_t>(stored.W.size())}, stored.importance, stored.H.data(), out);
  std::vector<typename Q::params_type> frozen;
  if (!fit_groups) {
    auto grids = detail::freeze_grids(stored.W, stored.H, scale, stored.importance, context.executor, out);
    if (!grids) return std::move(grids).error();
    frozen = std::move(*grids);
  }
  const auto blocks =
      detail::lazy_blocks(n, static_cast<Index>(std::min<std::size_t>(block_size, static_cast<std::size_t>(n))),
                          fit_groups ? static_cast<Index>(groups.size()) : 0, width);

  const std::size_t tasks = detail::tasks_for(rows);
  std::vector<std::optional<detail::Overflow>> overflow(tasks);
  std::vector<std::size_t> moved(tasks, 0);
  context.executor.run(tasks, [&](std::size_t t) {
    const Index begin = static_cast<Index>(t) * detail::task_rows, count = std::min(detail::task_rows, rows - begin);
    detail::MatrixGrid<Q> grid(out, begin, count, problem.order, stored_in_order, scale);
    if (!fit_groups) grid.load(frozen);
    const detail::RoundedRows rounded = detail::round_columns(
        problem, stored.live, begin, count, blocks, fit_groups ? std::optional(groups) : std::nullopt, grid, cd_sweeps);
    overflow[t] = rounded.overflow;
    moved[t] = rounded.moved;
    if (rounded.overflow) return;
    detail::store_codes(rounded.codes, begin, stored_in_order ? std::span<const std::uint32_t>() : problem.order, out);
    if (fit_groups) grid.store(out);
  });
  for (const auto& at : overflow)
    if (at)
      return scale_overflow(static_cast<std::size_t>(at->row), static_cast<std::size_t>(at->column),
                            std::numeric_limits<double>::infinity());
  if (stored_in_order) out.set_column_order(problem.order);
  if (context.report != nullptr) {
    context.report->damp = problem.damp;
    context.report->factorizations = problem.factorizations;
    context.report->dead_inputs = problem.dead.size();
    context.report->moved_codes = std::accumulate(moved.begin(), moved.end(), std::size_t{0});
  }
  detail::measure(W, natural, out, context);
  return out;
}

}  // namespace lowbit::ptq
