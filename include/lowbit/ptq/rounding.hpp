// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "lowbit/calib/moments.hpp"
#include "lowbit/core/result.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/linalg/sums.hpp"
#include "lowbit/quantizer/matrix.hpp"
#include "lowbit/quantizer/nearest.hpp"

namespace lowbit::ptq {

/// What happened to one layer, for reports: nothing that a rounding policy gave up on goes unsaid.
struct RoundingReport {
  double error = 0.0;            ///< tr((W−Ŵ)H(W−Ŵ)ᵀ), undamped H; Σ(W−Ŵ)² where no H was given
  double reference = 0.0;        ///< tr(W·H·Wᵀ), the output energy that `error` is compared with
  double damp = 0.0;             ///< fraction of mean(diag H) that was added before factoring
  int factorizations = 0;        ///< tried; 1 when the first damping worked
  std::size_t dead_inputs = 0;   ///< inputs with H_jj = 0
  std::size_t zero_groups = 0;   ///< groups with scale 0: all zero, or too small for the scale's storage type
  std::size_t moved_codes = 0;   ///< codes that coordinate descent changed
  std::string fallback;          ///< empty, or why the layer was rounded to nearest instead

  /// Relative output error ‖(W−Ŵ)X‖² / ‖W·X‖²; 0 when both are 0.
  double relative_error() const noexcept { return reference > 0.0 ? error / reference : error > 0.0 ? 1.0 : 0.0; }
};

/// What a policy may use beside its problem. The report may be null.
struct RoundingContext {
  Executor& executor;
  RoundingReport* report = nullptr;
};

/// How weights become codes. Law, checked for every model by tests/ptq: over the seeded test problems, the mean of
/// tr((W−Ŵ)H(W−Ŵ)ᵀ) is not above that of rounding to nearest with the same q.
template <class R, class Q>
concept RoundingFor =
    Quantizer<Q> && requires(const R r, const Q q, ConstMatrixRef W, const calib::Moments& H, RoundingContext context) {
      { r.round(q, W, H, context) } -> std::same_as<Result<QuantizedMatrix<Q>>>;
    };

namespace detail {

/// Rows per task: fixed, so that results do not depend on the number of threads.
inline constexpr Index task_rows = 32;

inline std::size_t tasks_for(Index rows) { return static_cast<std::size_t>((rows + task_rows - 1) / task_rows); }

/// Ŵ [rows × cols] of rows [begin, begin + count), in W's own column order.
template <Quantizer Q>
MatrixD dequantized_rows(const QuantizedMatrix<Q>& quantized, Index begin, Index count) {
  constexpr std::size_t dim = Q::format_type::dim;
  const auto cols = quantized.cols();
  const Groups groups = quantized.groups();
  const auto order = quantized.column_order();
  std::vector<typename Q::format_type::code_type> codes(ceil_div(cols, dim));
  MatrixD out(count, static_cast<Index>(cols));
  for (Index r = 0; r < count; ++r) {
    const auto row = static_cast<std::size_t>(begin + r);
    quantized.row_codes(row, codes);
    for (std::size_t g = 0; g < groups.per_row_count(); ++g) {
      const auto params = quantized.group_params(row, g);
      const Q q = quantized.view().group_quantizer(row, g);
      for (std::size_t c = groups.begin(g); c < groups.end(g); c += dim) {
        float values[dim];
        q.dequantize(codes[c / dim], point_params(q, params, c - groups.begin(g)), std::span<float, dim>(values, dim));
        for (std::size_t i = 0; i < std::min(dim, groups.end(g) - c); ++i)
          out(r, static_cast<Index>(order.empty() ? c + i : order[c + i])) = static_cast<double>(values[i]);
      }
    }
  }
  return out;
}

/// Fills error and reference of a report; rows(begin, count) gives Ŵ.
inline void measure_rows(const ConstMatrixRef& W, const MatrixD& H, const std::function<MatrixD(Index, Index)>& rows,
                         RoundingContext context) {
  const std::size_t tasks = tasks_for(W.rows());
  std::vector<double> error(tasks), reference(tasks);
  context.executor.run(tasks, [&](std::size_t t) {
    const Index begin = static_cast<Index>(t) * task_rows, count = std::min(task_rows, W.rows() - begin);
    const MatrixD w = W.middleRows(begin, count).cast<double>();
    const MatrixD delta = rows(begin, count) - w;
    error[t] = H.size() == 0 ? delta.squaredNorm() : linalg::quadratic_form(delta, H);
    reference[t] = H.size() == 0 ? w.squaredNorm() : linalg::quadratic_form(w, H);
  });
  context.report->error = context.report->reference = 0.0;
  for (std::size_t t = 0; t < tasks; ++t) {
    context.report->error += error[t];
    context.report->reference += reference[t];
  }
}

/// Fills error, reference and zero_groups of the context's report, if there is one.
template <Quantizer Q>
void measure(const ConstMatrixRef& W, const MatrixD& H, const QuantizedMatrix<Q>& quantized, RoundingContext context) {
  if (context.report == nullptr) return;
  measure_rows(W, H, [&](Index begin, Index count) { return dequantized_rows(quantized, begin, count); }, context);
  context.report->zero_groups = 0;
  if constexpr (requires(const typename Q::params_type p) { p.scale == 0.0f; }) {
    const Groups groups = quantized.groups();
    const std::size_t rows = groups.shared_by_rows() ? std::min<std::size_t>(1, quantized.rows()) : quantized.rows();
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t g = 0; g < groups.per_row_count(); ++g)
        context.report->zero_groups += quantized.group_params(r, g).scale == 0.0f ? 1 : 0;
  }
}

inline std::vector<float> importance_of(const calib::Moments& H) {
  if (H.tokens() == 0) return {};
  const Vector diagonal = H.mean_square().cast<float>();
  return {diagonal.data(), diagonal.data() + diagonal.size()};
}

inline Result<> check_problem(const ConstMatrixRef& W, const calib::Moments& H) {
  if (H.tokens() != 0 && H.inputs() != W.cols())
    return Error{.code = Errc::shape_mismatch,
                 .message = "W has " + std::to_string(W.cols()) + " inputs but the second moments have " +
                            std::to_string(H.inputs())};
  for (Index r = 0; r < W.rows(); ++r)
    if (auto bad = find_not_finite(std::span(W.row(r).data(), static_cast<std::size_t>(W.cols())),
                                   std::max<std::size_t>(1, static_cast<std::size_t>(W.cols())))) {
      bad->row = static_cast<std::uint64_t>(r);
      return std::move(*bad);
    }
  return {};
}

}  // namespace detail
}  // namespace lowbit::ptq
