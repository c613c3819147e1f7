// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/ptq/column_rounding.hpp"
#include "lowbit/ptq/glvq_learning.hpp"
#include "lowbit/ptq/hessian.hpp"
#include "lowbit/ptq/rounding.hpp"

namespace lowbit::ptq {

/// Grouped lattice vector quantization of a layer: learns a lattice for every block of columns, then rounds all columns in
/// order with the error of each block moved onto those after it, and sweeps of block descent.
///
///   W          [out × in]  weights
///   H          [in × in]   second moments; the block on its diagonal is what a lattice is learned for. Without tokens
///                          lattices are learned for equal weights and rounding is to (about) nearest
///   damp       as for HessianRounding; where no damping factors H, rounding is to nearest, and the report says so
///   cd_sweeps  of block descent at the end
///
/// Blocks are learned one by one, each from the lattice that Glvq::fit_shared chooses; no step of learning raises a block's
/// loss. The learning rate, the rounds and the pull are unverified: the source gives none that were checked.
/// Deterministic for any number of threads.
/// Errors   not_finite: a weight, or a row scale past f16; shape_mismatch.
/// Cost     per block: rounds · (rows · Columns² · (cd_sweeps + 2) + Dim⁶/3); then that of HessianRounding.
/// Source   Zhang et al., arXiv:2510.20984. Ours: codes are chosen by block descent on the loss, where the source rounds by
///          Babai's method; the closed form takes all of the block's H; the order of rounding and its feedback (block LDLQ).
struct GlvqRounding {
  GlvqOptions learning{};
  double damp = 0.01;
  int cd_sweeps = 2;

  template <std::size_t Dim, int Bits, bool Half, std::size_t Columns>
  Result<QuantizedMatrix<Glvq<Dim, Bits, Half, Columns>>> round(const Glvq<Dim, Bits, Half, Columns>& q,
                                                                const ConstMatrixRef& W, const calib::Moments& moments,
                                                                RoundingContext context) const {
    using Q = Glvq<Dim, Bits, Half, Columns>;
    LOWBIT_CHECK(detail::check_problem(W, moments));
    const Index rows = W.rows(), n = W.cols();
    QuantizedMatrix<Q> out(static_cast<std::size_t>(rows), static_cast<std::size_t>(n), q);
    if (rows == 0 || n == 0) return out;
    std::vector<typename Q::params_type> scales(static_cast<std::size_t>(rows));
    for (Index r = 0; r < rows; ++r) {
      auto& p = scales[static_cast<std::size_t>(r)];
      const Matrix row = W.row(r);
      p = q.fit(std::span(row.data(), static_cast<std::size_t>(n)));
      if (!std::isfinite(p.scale))
        return scale_overflow(static_cast<std::size_t>(r), 0, std::numeric_limits<double>::infinity());
      out.set_params(static_cast<std::size_t>(r), 0, p);
    }
    const MatrixD H = moments.tokens() != 0 ? moments.mean() : MatrixD();
    context.executor.run(out.shared().size() / Q::block_floats, [&](std::size_t s) {
      learn_block(q, W, H, scales, s, out.shared().subspan(s * Q::block_floats, Q::block_floats));
    });

    std::string why = moments.tokens() == 0 ? "no calibration tokens reached this layer" : "";
    RoundingReport report;
    if (moments.tokens() != 0) {
      auto problem = detail::order_problem(H, false, damp);
      if (problem)
        round_in_order(*problem, W, scales, context, report, out);
      else
        why = to_string(problem.error());
    }
    if (!why.empty()) round_to_nearest(W, out);
    if (context.report != nullptr) {
      report.fallback = std::move(why);
      *context.report = std::move(report);
    }
    detail::measure(W, H, out, context);
    return out;
  }

 private:
  template <class Q>
  void learn_block(const Q& q, const ConstMatrixRef& W, const MatrixD& H,
                   const std::vector<typename Q::params_type>& scales, std::size_t s, std::span<float> block) const {
    const Index begin = static_cast<Index>(s * Q::sub_group);
    const Index columns = std::min(static_cast<Index>(Q::sub_group), W.cols() - begin);
    std::vector<Index> chosen;
    for (Index r = 0; r < W.rows(); ++r)
      if (scales[static_cast<std::size_t>(r)].scale > 0.0f) chosen.push_back(r);
    if (chosen.size() > learning.rows) {
      std::vector<Index> some;
      for (std::size_t i = 0; i < learning.rows; ++i) some.push_back(chosen[i * chosen.size() / learning.rows]);
      chosen = std::move(some);
    }
    Matrix U(static_cast<Index>(chosen.size()), columns);
    VectorD c(U.rows());
    double most = 0.0;
    for (Index i = 0; i < U.rows(); ++i) {
      const auto r = chosen[static_cast<std::size_t>(i)];
      const float scale = scales[static_cast<std::size_t>(r)].scale;
      U.row(i) = W.row(r).segment(begin, columns) / scale;
      c(i) = static_cast<double>(scale) * static_cast<double>(scale);
      most = std::max(most, c(i));
    }
    if (most > 0.0) c /= most;
    MatrixD own = H.size() != 0 ? MatrixD(H.block(begin, begin, columns, columns)) : MatrixD::Identity(columns, columns);
    if (!(own.diagonal().sum() > 0.0)) own.setIdentity();
    const double unit = own.diagonal().mean();
    own /= unit;
    learned(q, U, c, own, block);
  }

  template <std::size_t Dim, int Bits, bool Half, std::size_t Columns>
  void learned(const Glvq<Dim, Bits, Half, Columns>& q, const Matrix& U, const VectorD& c, const MatrixD& H,
               std::span<float> block) const {
    GlvqBlock<Dim, Bits, Half, Columns> best(q, U, c, H);
    best.start_from_data(0.0, learning.cd_sweeps);
    best.learn(learning);
    if (learning.companding == GlvqCompanding::learned) {
      GlvqBlock<Dim, Bits, Half, Columns> companded(q, U, c, H);
      companded.start_from_data(100.0, learning.cd_sweeps);
      companded.learn(learning);
      if (companded.loss() < best.loss()) best = std::move(companded);
    }
    std::copy(best.block().begin(), best.block().end(), block.begin());
  }

  template <class Q>
  void round_in_order(const detail::OrderedProblem& problem, const ConstMatrixRef& W,
                      const std::vector<typename Q::params_type>& scales, RoundingContext context, RoundingReport& report,
                      QuantizedMatrix<Q>& out) const {
    constexpr auto width = static_cast<Index>(Q::dim);
    const auto blocks = detail::lazy_blocks(W.cols(), std::min<Index>(128, W.cols()), 0, width);
    const std::size_t tasks = detail::tasks_for(W.rows());
    std::vector<std::size_t> moved(tasks, 0);
    context.executor.run(tasks, [&](std::size_t t) {
      const Index begin = static_cast<Index>(t) * detail::task_rows, count = std::min(detail::task_rows, W.rows() - begin);
      std::vector<float> of_rows;
      for (Index r = begin; r < begin + count; ++r) of_rows.push_back(scales[static_cast<std::size_t>(r)].scale);
      detail::GlvqGrid<Q> grid(out.view().group_quantizer(0, 0), std::move(of_rows));
      const detail::RoundedRows rounded =
          detail::round_columns(problem, W, begin, count, blocks, std::nullopt, grid, cd_sweeps);
      moved[t] = rounded.moved;
      detail::store_codes(rounded.codes, begin, problem.order, out);
    });
    report.damp = problem.damp;
    report.factorizations = problem.factorizations;
    report.dead_inputs = problem.dead.size();
    for (const std::size_t m : moved) report.moved_codes += m;
  }

  template <class Q>
  static void round_to_nearest(const ConstMatrixRef& W, QuantizedMatrix<Q>& out) {
    std::vector<typename Q::code_type> codes(ceil_div(out.cols(), Q::dim));
    for (std::size_t r = 0; r < out.rows(); ++r) {
      const Matrix row = W.row(static_cast<Index>(r));
      out.view().group_quantizer(r, 0).quantize_group(std::span(row.data(), out.cols()), out.group_params(r, 0), codes);
      out.set_row_codes(r, codes);
    }
  }
};

}  // namespace lowbit::ptq
