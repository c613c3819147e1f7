// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/ptq/codebook_descent.hpp"
#include "lowbit/ptq/rounding.hpp"
#include "lowbit/quantizer/codebook/row_codebook.hpp"

namespace lowbit::ptq {

/// Which codes LNQ starts from, on the tables of the weighted k-means.
enum class LnqStart : std::uint8_t {
  nearest,   ///< the nearest values, as in the source
  in_order,  ///< column by column, each one's error moved onto those after it; nearest where H cannot be factored
};

/// Layer-wise non-uniform quantization (LNQ): a table of values per row that minimizes (ŵ − w)·H·(ŵ − w)ᵀ together with its
/// codes, from the weighted k-means of SqueezeLLM, by turns of a closed form and coordinate descent.
///
///   W           [out × in]  weights
///   H           [in × in]   second moments; or several, each for as many consecutive rows (the last for what is left), for
///                           the end-loss Hessians of GuidedQuant: moments whose tokens are weighted by the squared gradient
///                           of the loss, averaged over the rows of the group
///   iterations  0: the weighted k-means alone. The first chooses values, every further one codes and then values
///   cd_cycles   of coordinate descent per iteration
///   start       in_order ends lower: descent from the nearest codes stops early where inputs are correlated
///   damp        of the factorization for in_order, as for HessianRounding
///
/// Values are rounded to f16 at the end, then one more cycle chooses codes; a row that this left worse than the k-means of
/// SqueezeLLM keeps that. H without tokens means the k-means with equal weights. Deterministic for any number of threads.
/// Errors   not_finite: a weight, or a value past f16; shape_mismatch; invalid_argument for groups that are not rows.
/// Cost     (1 + iterations · (cd_cycles + 3)) · out · in² multiplications or additions.
/// Source   Kim et al., "GuidedQuant", ICML 2025, arXiv:2505.07004, Algorithm 1; tables: "SqueezeLLM", arXiv:2306.07629. Ours
///          keeps values in float while they change, takes no step that does not lower its row's objective, and starts in
///          order by default.
struct Lnq {
  int iterations = 3;
  int cd_cycles = 4;
  LnqStart start = LnqStart::in_order;
  double damp = 0.01;

  template <int Bits, std::size_t Group>
  Result<QuantizedMatrix<RowCodebook<Bits, Group>>> round(const RowCodebook<Bits, Group>& q, const ConstMatrixRef& W,
                                                          const calib::Moments& moments, RoundingContext context) const {
    return round(q, W, std::span(&moments, 1), context);
  }

  template <int Bits, std::size_t Group>
  Result<QuantizedMatrix<RowCodebook<Bits, Group>>> round(const RowCodebook<Bits, Group>& q, const ConstMatrixRef& W,
                                                          std::span<const calib::Moments> moments,
                                                          RoundingContext context) const {
    using Q = RowCodebook<Bits, Group>;
    if (q.group_size != per_row)
      return Error{.code = Errc::invalid_argument, .message = "LNQ learns one table of values per row"};
    if (moments.empty()) return Error{.code = Errc::invalid_argument, .message = "LNQ needs second moments"};
    for (const calib::Moments& m : moments) LOWBIT_CHECK(detail::check_problem(W, m));
    const Index rows = W.rows(), parts = static_cast<Index>(moments.size());
    const Index part = std::max<Index>(1, (rows + parts - 1) / parts);
    QuantizedMatrix<Q> out(static_cast<std::size_t>(rows), static_cast<std::size_t>(W.cols()), q);
    if (rows == 0 || W.cols() == 0) return out;
    RoundingReport total;
    for (Index g = 0; g * part < rows; ++g) {
      const calib::Moments& own = moments[static_cast<std::size_t>(g)];
      const MatrixD H = own.tokens() != 0 ? own.mean() : MatrixD();
      const Index first = g * part, last = std::min(rows, first + part);
      LOWBIT_CHECK(round_rows(q, W, H, detail::importance_of(own), first, last, context, total, out));
    }
    if (context.report != nullptr) {
      total.dead_inputs = moments[0].tokens() != 0
                              ? static_cast<std::size_t>((moments[0].mean_square().array() == 0.0).count())
                              : 0;
      if (moments[0].tokens() == 0) total.fallback = "no calibration tokens reached this layer";
      *context.report = std::move(total);
    }
    return out;
  }

 private:
  template <class Q>
  Result<> round_rows(const Q& q, const ConstMatrixRef& W, const MatrixD& H, const std::vector<float>& importance,
                      Index first, Index last, RoundingContext context, RoundingReport& total,
                      QuantizedMatrix<Q>& out) const {
    std::optional<detail::OrderedProblem> problem;
    if (start == LnqStart::in_order && H.size() != 0 && iterations > 0) {
      auto ordered = detail::order_problem(H, false, damp);
      if (ordered) problem = std::move(*ordered);
    }
    const std::size_t tasks = detail::tasks_for(last - first);
    std::vector<std::optional<Index>> overflow(tasks);
    std::vector<std::size_t> moved(tasks, 0);
    std::vector<double> error(tasks), reference(tasks);
    context.executor.run(tasks, [&](std::size_t t) {
      const Index begin = first + static_cast<Index>(t) * detail::task_rows, count = std::min(detail::task_rows, last - begin);
      const MatrixD w = W.middleRows(begin, count).cast<double>();
      const MatrixD identity = H.size() == 0 ? MatrixD(MatrixD::Identity(0, 0)) : MatrixD();
      CodebookDescent rows(w, H.size() == 0 ? identity : H, static_cast<Index>(Q::count), false);
      for (Index r = 0; r < count; ++r) {
        const std::span row(W.row(begin + r).data(), static_cast<std::size_t>(W.cols()));
        const auto p = q.fit(row, {.importance = importance});
        if (!p.finite() && !overflow[t]) overflow[t] = begin + r;
        std::copy(p.level.begin(), p.level.end(), rows.levels(r).begin());
      }
      if (overflow[t]) return;
      rows.assign_nearest();
      if (H.size() != 0 && iterations > 0) moved[t] = improve(rows, problem ? &*problem : nullptr);
      const MatrixD E = rows.values() - w;
      error[t] = H.size() == 0 ? E.squaredNorm() : linalg::quadratic_form(E, H);
      reference[t] = H.size() == 0 ? w.squaredNorm() : linalg::quadratic_form(w, H);
      for (Index r = 0; r < count; ++r) {
        typename Q::params_type p;
        std::copy_n(rows.levels(r).begin(), Q::count, p.level.begin());
        out.set_params(static_cast<std::size_t>(begin + r), 0, p);
      }
      detail::store_codes(rows.codes(), begin, {}, out);
    });
    for (const auto& row : overflow)
      if (row)
        return scale_overflow(static_cast<std::size_t>(*row), 0, std::numeric_limits<double>::infinity());
    for (std::size_t t = 0; t < tasks; ++t) {
      total.error += error[t];
      total.reference += reference[t];
      total.moved_codes += moved[t];
    }
    return {};
  }

  /// Returns the number of codes moved. `rows` starts from f16 values and their nearest codes.
  std::size_t improve(CodebookDescent& rows, const detail::OrderedProblem* problem) const {
    const CodebookDescent best = rows;
    const VectorD before = rows.objective();
    std::size_t moved = 0;
    if (problem != nullptr) {
      const Index n = problem->H.cols();
      rows.assign_in_order(*problem, detail::lazy_blocks(n, std::min<Index>(128, n), 0));
    }
    bool changed = rows.update_levels();
    for (int i = 1; i < iterations && changed; ++i) {
      const std::size_t now = rows.update_codes(cd_cycles);
      moved += now;
      changed = rows.update_levels() || now != 0;
    }
    rows.round_levels_to_f16();
    moved += rows.update_codes(1);
    rows.sort_levels();
    const VectorD end = rows.objective();
    detail::Codes codes = rows.codes();
    for (Index r = 0; r < rows.rows(); ++r) {
      if (end(r) <= before(r)) continue;  // false for infinite values too
      std::copy_n(best.levels(r).begin(), best.levels(r).size(), rows.levels(r).begin());
      codes.row(r) = best.codes().row(r);
    }
    rows.set_codes(std::move(codes));
    return moved;
  }
};

}  // namespace lowbit::ptq
