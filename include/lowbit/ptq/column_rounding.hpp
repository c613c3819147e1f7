// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/calib/moments.hpp"
#include "lowbit/linalg/cholesky.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/ptq/coordinate_descent.hpp"
#include "lowbit/ptq/grid.hpp"
#include "lowbit/ptq/rounding.hpp"

/// The machinery of HessianRounding that does not depend on the quantizer.

namespace lowbit::ptq::detail {

/// Lazy blocks [begin, end): at most block_size columns, ended early where a group that begins inside would reach past
/// the end. group_size 0: groups do not matter.
inline std::vector<std::pair<Index, Index>> lazy_blocks(Index n, Index block_size, Index group_size) {
  std::vector<std::pair<Index, Index>> blocks;
  for (Index begin = 0, end; begin < n; begin = end) {
    end = std::min(n, begin + block_size);
    if (group_size != 0)
      for (Index start = (begin / group_size + 1) * group_size; start < end; start += group_size)
        if (std::min(n, start + group_size) > end) end = start;
    blocks.emplace_back(begin, end);
  }
  return blocks;
}

/// One layer's problem with its columns in the order of rounding: position p is column order[p] of W.
struct OrderedProblem {
  std::vector<std::uint32_t> order;
  MatrixD H;                       ///< undamped
  MatrixD U;                       ///< H⁻¹ = Uᵀ·U for the damped H
  std::vector<float> importance;   ///< diag H
  std::vector<Index> dead;         ///< columns of W whose input never fired
  double damp = 0.0;               ///< the fraction that worked
  int factorizations = 0;
};

/// Orders and factors. Errors: not_finite, not_positive_definite; invalid_argument when all inputs are dead.
inline Result<OrderedProblem> order_problem(const MatrixD& natural, bool act_order, double damp) {
  const Index n = natural.cols();
  const VectorD diagonal = natural.diagonal();
  if (!diagonal.allFinite())
    return Error{.code = Errc::not_finite, .message = "the diagonal of the second moments must be finite"};
  OrderedProblem problem;
  for (Index j = 0; j < n; ++j)
    if (diagonal(j) == 0.0) problem.dead.push_back(j);
  if (static_cast<Index>(problem.dead.size()) == n)
    return Error{.code = Errc::invalid_argument, .message = "all inputs are zero"};
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

  MatrixD filled = problem.H;
  const double live_mean = diagonal.sum() / static_cast<double>(n - static_cast<Index>(problem.dead.size()));
  for (Index p = 0; p < n; ++p)
    if (filled(p, p) == 0.0) filled(p, p) = live_mean;
  auto factor = linalg::with_damping(filled, linalg::Damping{.fraction = damp}, linalg::inverse_upper_factor);
  if (!factor) return std::move(factor).error();
  problem.U = std::move(factor->factor);
  problem.damp = factor->fraction;
  problem.factorizations = factor->attempts;
  return problem;
}

/// Where a fitted scale overflowed its storage.
struct Overflow {
  Index row, column;
};

inline float mean_square(const ConstMatrixRef& W, Index row) {
  return lowbit::mean_square({W.row(row).data(), static_cast<std::size_t>(W.cols())});
}

struct RoundedRows {
  Codes codes;  ///< [rows × positions]
  std::optional<Overflow> overflow{};
  std::size_t moved = 0;
};

/// Rounds rows [begin, begin + count) of W, column by column in the problem's order, against `grid`, whose rows count from
/// `begin`. Where `fitted` names groups, each is refitted to the compensated weights when its first position comes up.
inline RoundedRows round_columns(const OrderedProblem& problem, const ConstMatrixRef& W, Index begin, Index count,
                                 std::span<const std::pair<Index, Index>> blocks, const std::optional<Groups>& fitted,
                                 Grid& grid, int cd_sweeps) {
  const Index n = W.cols();
  MatrixD original(count, n);
  for (Index p = 0; p < n; ++p)
    original.col(p) = W.col(problem.order[static_cast<std::size_t>(p)]).segment(begin, count).cast<double>();
  MatrixD work = original, rounded(count, n), errors;
  RoundedRows out{.codes = Codes(count, n)};
  std::vector<float> values;
  for (const auto& [first, last] : blocks) {
    errors.resize(count, last - first);
    for (Index r = 0; r < count; ++r) {
      double* w = work.row(r).data();
      for (Index j = first; j < last; ++j) {
        if (fitted && static_cast<std::size_t>(j) % fitted->size() == 0) {
          const std::size_t g = fitted->of_column(static_cast<std::size_t>(j)), size = fitted->end(g) - fitted->begin(g);
          values.resize(size);
          for (std::size_t i = 0; i < size; ++i) values[i] = static_cast<float>(w[static_cast<std::size_t>(j) + i]);
          const FitContext context{
              .importance = std::span(problem.importance).subspan(static_cast<std::size_t>(j), size),
              .row_mean_square = mean_square(W, begin + r),
              .hessian = problem.H.data() + j * n + j,
              .hessian_stride = static_cast<std::size_t>(n)};
          if (!grid.fit(r, j, values, context)) {
            out.overflow = Overflow{begin + r, static_cast<Index>(problem.order[static_cast<std::size_t>(j)])};
            return out;
          }
        }
        const Grid::Point point = grid.nearest(r, j, static_cast<float>(w[j]));
        out.codes(r, j) = point.code;
        rounded(r, j) = static_cast<double>(point.value);
        const double e = (w[j] - rounded(r, j)) / problem.U(j, j);
        errors(r, j - first) = e;
        const double* u = problem.U.row(j).data();
        for (Index k = j + 1; k < last; ++k) w[k] -= e * u[k];
      }
    }
    if (last < n) work.rightCols(n - last).noalias() -= errors * problem.U.block(first, last, last - first, n - last);
  }
  if (cd_sweeps > 0) out.moved = coordinate_descent(grid, original, problem.H, rounded, out.codes, cd_sweeps);
  return out;
}

}  // namespace lowbit::ptq::detail
