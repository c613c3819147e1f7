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

#include "lowbit/linalg/cholesky.hpp"
#include "lowbit/ptq/coordinate_descent.hpp"
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
/// through column_order(). H without tokens is legal and means rounding to nearest.
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
  int cd_sweeps = 0;             ///< of coordinate descent afterwards; they never raise the objective
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

using Codes = Eigen::Matrix<std::uint8_t, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Lazy blocks [begin, end): at most block_size columns, ended early where a group that begins inside would reach past
/// the end. group_size 0: groups do not matter.
inline std::vector<std::pair<Index, Index>> lazy_blocks(Index n, Index block_size, Index group_size) {
  std::vector<std::pair<Index, Index>> blocks;
  for (Index begin = 0, end; begin < n; begin = end) {
    end = std::min(n, begin + block_size);
    if (group_size == 0) {
      blocks.emplace_back(begin, end);
      continue;
    }
    for (Index start = (begin / group_size + 1) * group_size; start < end; start += group_size)
      if (std::min(n, start + group_size) > end) end = start;
    blocks.emplace_back(begin, end);
  }
  return blocks;
}

/// One layer's problem with its columns in the order of rounding: position p is column order[p] of W.
struct OrderedProblem {
  std::vector<std::uint32_t> order;
  MatrixD H;       // undamped
  MatrixD U;       // of the damped H
  std::vector<float> importance;            // diag H
  std::vector<std::pair<Index, Index>> blocks;
};

/// Where a fitted scale overflowed its storage.
struct Overflow {
  Index row, column;
};

/// Rounds rows [begin, begin + count). Grids come from the compensated weights where `frozen` is empty, otherwise they are
/// `frozen`, one entry per group of the matrix.
template <Quantizer Q>
class RowRounder {
 public:
  RowRounder(const Q& q, const OrderedProblem& problem, const ScaleSearch& scale,
             std::span<const typename Q::params_type> frozen, bool stored_in_order)
      : q_(q), problem_(problem), scale_(scale), frozen_(frozen), stored_in_order_(stored_in_order) {}

  /// Adds to `moved`. The result is empty unless a scale overflowed.
  std::optional<Overflow> run(const ConstMatrixRef& W, Index begin, Index count, int cd_sweeps, QuantizedMatrix<Q>& out,
                              std::size_t& moved) const {
    const bool fit_groups = frozen_.empty();
    const Index n = W.cols();
    const Groups groups = out.groups();
    MatrixD original(count, n);
    for (Index p = 0; p < n; ++p)
      original.col(p) = W.col(problem_.order[static_cast<std::size_t>(p)]).segment(begin, count).template cast<double>();
    MatrixD work = original, rounded(count, n);
    Codes codes(count, n);

    std::vector<typename Q::params_type> params(static_cast<std::size_t>(count) * groups.per_row_count());
    const auto params_at = [&](Index r, Index p) -> typename Q::params_type& {
      const std::size_t column =
          stored_in_order_ ? static_cast<std::size_t>(p) : problem_.order[static_cast<std::size_t>(p)];
      return params[static_cast<std::size_t>(r) * groups.per_row_count() + groups.of_column(column)];
    };
    if (!fit_groups)
      for (Index r = 0; r < count; ++r)
        for (std::size_t g = 0; g < groups.per_row_count(); ++g)
          params[static_cast<std::size_t>(r) * groups.per_row_count() + g] =
              frozen_[groups.index(static_cast<std::size_t>(begin + r), g)];

    MatrixD errors;
    std::vector<float> values;
    for (const auto& [first, last] : problem_.blocks) {
      errors.resize(count, last - first);
      for (Index r = 0; r < count; ++r) {
        double* w = work.row(r).data();
        for (Index j = first; j < last; ++j) {
          if (fit_groups && static_cast<std::size_t>(j) % groups.size() == 0) {
            const std::size_t g = groups.of_column(static_cast<std::size_t>(j)), size = groups.end(g) - groups.begin(g);
            values.resize(size);
            for (std::size_t i = 0; i < size; ++i) values[i] = static_cast<float>(w[static_cast<std::size_t>(j) + i]);
            params_at(r, j) = fit_scale(scale_, q_, std::span<const float>(values),
                                        std::span(problem_.importance).subspan(static_cast<std::size_t>(j), size));
            if (!params_finite<Q>(params_at(r, j)))
              return Overflow{begin + r, static_cast<Index>(problem_.order[static_cast<std::size_t>(j)])};
          }
          const auto& p = params_at(r, j);
          const std::uint8_t code = q_.quantize(static_cast<float>(w[j]), p);
          codes(r, j) = code;
          rounded(r, j) = static_cast<double>(q_.dequantize(code, p));
          const double e = (w[j] - rounded(r, j)) / problem_.U(j, j);
          errors(r, j - first) = e;
          const double* u = problem_.U.row(j).data();
          for (Index k = j + 1; k < last; ++k) w[k] -= e * u[k];
        }
      }
      if (last < n)
        work.rightCols(n - last).noalias() -= errors * problem_.U.block(first, last, last - first, n - last);
    }
    if (cd_sweeps > 0) moved += coordinate_descent(q_, original, problem_.H, rounded, codes, params_at, cd_sweeps);

    std::vector<std::uint8_t> row(static_cast<std::size_t>(n));
    for (Index r = 0; r < count; ++r) {
      for (Index p = 0; p < n; ++p)
        row[stored_in_order_ ? static_cast<std::size_t>(p) : problem_.order[static_cast<std::size_t>(p)]] = codes(r, p);
      out.set_row_codes(static_cast<std::size_t>(begin + r), row);
      if (fit_groups)
        for (std::size_t g = 0; g < groups.per_row_count(); ++g)
          out.set_params(static_cast<std::size_t>(begin + r), g,
                         params[static_cast<std::size_t>(r) * groups.per_row_count() + g]);
    }
    return std::nullopt;
  }

 private:
  const Q& q_;
  const OrderedProblem& problem_;
  const ScaleSearch& scale_;
  std::span<const typename Q::params_type> frozen_;
  bool stored_in_order_;
};

/// The grids of rounding to nearest, one per group of the matrix, also written to `out`. They are kept as fit returned
/// them: a quantizer's parameters may know more than its storage.
template <Quantizer Q>
Result<std::vector<typename Q::params_type>> freeze_grids(const Q& q, const Matrix& W, const ScaleSearch& scale,
                                                          std::span<const float> importance, Executor& executor,
                                                          QuantizedMatrix<Q>& out) {
  const Groups groups = out.groups();
  std::vector<typename Q::params_type> grids(groups.total());
  if (groups.shared_by_rows()) {
    if (!grids.empty()) grids[0] = fit_scale(scale, q, std::span(W.data(), static_cast<std::size_t>(W.size())));
  } else {
    executor.run(static_cast<std::size_t>(W.rows()), [&](std::size_t r) {
      const std::span row(W.row(static_cast<Index>(r)).data(), static_cast<std::size_t>(W.cols()));
      for (std::size_t g = 0; g < groups.per_row_count(); ++g) {
        const std::size_t begin = groups.begin(g), size = groups.end(g) - begin;
        grids[groups.index(r, g)] = fit_scale(scale, q, row.subspan(begin, size), importance.subspan(begin, size));
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
  static_assert(Q::format_type::dim == 1, "Column-wise Hessian rounding needs a scalar format.");
  LOWBIT_EXPECTS(block_size >= 1, "a lazy block holds at least one column");
  LOWBIT_CHECK(detail::check_problem(W, moments));
  const Index rows = W.rows(), n = W.cols();
  if (moments.tokens() == 0) return give_up(q, W, moments, context, "no calibration tokens reached this layer");

  const MatrixD natural = moments.mean();
  const VectorD diagonal = natural.diagonal();
  if (!diagonal.allFinite()) {
    Error error{.code = Errc::not_finite, .message = "the diagonal of the second moments must be finite"};
    if (on_failure == OnFailure::error) return error;
    return give_up(q, W, moments, context, to_string(error));
  }
  std::vector<Index> dead;
  for (Index j = 0; j < n; ++j)
    if (diagonal(j) == 0.0) dead.push_back(j);
  if (context.report != nullptr) context.report->dead_inputs = dead.size();
  if (static_cast<Index>(dead.size()) == n) return give_up(q, W, moments, context, "all inputs are zero");

  detail::OrderedProblem problem;
  problem.order.resize(static_cast<std::size_t>(n));
  std::iota(problem.order.begin(), problem.order.end(), 0u);
  if (act_order)
    std::stable_sort(problem.order.begin(), problem.order.end(), [&](std::uint32_t a, std::uint32_t b) {
      return diagonal(static_cast<Index>(a)) > diagonal(static_cast<Index>(b));
    });
  problem.H = natural;
  if (act_order) problem.H = natural(problem.order, problem.order);
  problem.importance.resize(static_cast<std::size_t>(n));
  for (Index p = 0; p < n; ++p)
    problem.importance[static_cast<std::size_t>(p)] = static_cast<float>(problem.H(p, p));

  {
    MatrixD filled = problem.H;
    const double live_mean = diagonal.sum() / static_cast<double>(n - static_cast<Index>(dead.size()));
    for (Index p = 0; p < n; ++p)
      if (filled(p, p) == 0.0) filled(p, p) = live_mean;
    auto factor = linalg::with_damping(filled, linalg::Damping{.fraction = damp}, linalg::inverse_upper_factor);
    if (!factor) {
      if (on_failure == OnFailure::error) return std::move(factor).error();
      return give_up(q, W, moments, context, to_string(factor.error()));
    }
    problem.U = std::move(factor->factor);
    if (context.report != nullptr) {
      context.report->damp = factor->fraction;
      context.report->factorizations = factor->attempts;
    }
  }

  Matrix live = W;
  if (dead_inputs == DeadInputs::zero)
    for (const Index j : dead) live.col(j).setZero();

  QuantizedMatrix<Q> out(static_cast<std::size_t>(rows), static_cast<std::size_t>(n), q);
  const Groups groups = out.groups();
  const bool fit_groups = !static_groups && !groups.shared_by_rows() && groups.per_row_count() > 1;
  const bool stored_in_order = act_order && fit_groups;
  problem.blocks = detail::lazy_blocks(n, static_cast<Index>(std::min<std::size_t>(block_size, static_cast<std::size_t>(n))),
                                       fit_groups ? static_cast<Index>(groups.size()) : 0);
  std::vector<typename Q::params_type> frozen;
  if (!fit_groups) {
    auto grids = detail::freeze_grids(q, live, scale, detail::importance_of(moments), context.executor, out);
    if (!grids) return std::move(grids).error();
    frozen = std::move(*grids);
  }

  const detail::RowRounder<Q> rounder(q, problem, scale, frozen, stored_in_order);
  const std::size_t tasks = detail::tasks_for(rows);
  std::vector<std::optional<detail::Overflow>> overflow(tasks);
  std::vector<std::size_t> moved(tasks, 0);
  context.executor.run(tasks, [&](std::size_t t) {
    const Index begin = static_cast<Index>(t) * detail::task_rows;
    overflow[t] =
        rounder.run(live, begin, std::min(detail::task_rows, rows - begin), cd_sweeps, out, moved[t]);
  });
  for (const auto& at : overflow)
    if (at)
      return scale_overflow(static_cast<std::size_t>(at->row), static_cast<std::size_t>(at->column),
                            std::numeric_limits<double>::infinity());
  if (stored_in_order) out.set_column_order(problem.order);
  if (context.report != nullptr)
    context.report->moved_codes = std::accumulate(moved.begin(), moved.end(), std::size_t{0});
  detail::measure(W, natural, out, context);
  return out;
}

}  // namespace lowbit::ptq
