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

#include "lowbit/core/bodies.hpp"
#include "lowbit/calib/moments.hpp"
#include "lowbit/linalg/cholesky.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/linalg/product.hpp"
#include "lowbit/ptq/coordinate_descent.hpp"
#include "lowbit/ptq/grid.hpp"
#include "lowbit/ptq/rounding.hpp"

/// The machinery of HessianRounding that does not depend on the quantizer.

namespace lowbit::ptq::detail {

/// Lazy blocks [begin, end): at most block_size columns, ended early where a group that begins inside would reach past
/// the end. group_size 0: groups do not matter. width: columns that are rounded together; block_size is rounded up to a
/// multiple of it, and groups hold one.
inline std::vector<std::pair<Index, Index>> lazy_blocks(Index n, Index block_size, Index group_size, Index width = 1) {
  block_size = (block_size + width - 1) / width * width;
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
Result<OrderedProblem> order_problem(const MatrixD& natural, bool act_order, double damp);

/// Where a fitted scale overflowed its storage.
struct Overflow {
  Index row, column;
};

inline float mean_square(const ConstMatrixRef& W, Index row) {
  return lowbit::mean_square({W.row(row).data(), static_cast<std::size_t>(W.cols())});
}

struct RoundedRows {
  Codes codes;  ///< [rows × codes]; rows rounded up to the grid's height, positions to its width
  std::optional<Overflow> overflow{};
  std::size_t moved = 0;
};

/// What rounding some rows of a layer works on.
struct RowsInWork {
  const OrderedProblem& problem;
  const ConstMatrixRef& W;
  Index begin;    ///< the first of the rows
  MatrixD work;   ///< [rows × positions] W, in order, compensated so far
  MatrixD rounded;

  /// Refits the group that begins at (r, j), if one does. False if its scale overflows.
  bool fit(Grid& grid, const std::optional<Groups>& fitted, Index r, Index j, std::vector<float>& values) const {
    if (!fitted || static_cast<std::size_t>(j) % fitted->size() != 0) return true;
    const std::size_t g = fitted->of_column(static_cast<std::size_t>(j)), size = fitted->end(g) - fitted->begin(g);
    values.resize(size);
    const double* w = work.row(r).data() + j;
    for (std::size_t i = 0; i < size; ++i) values[i] = static_cast<float>(w[i]);
    const FitContext context{.importance = std::span(problem.importance).subspan(static_cast<std::size_t>(j), size),
                             .row_mean_square = mean_square(W, begin + r),
                             .hessian = problem.H.data() + j * (W.cols() + 1),
                             .hessian_stride = static_cast<std::size_t>(W.cols())};
    return grid.fit(r, j, values, context);
  }
};

/// Rounds rows [begin, begin + count) of W, column by column in the problem's order, against `grid`, whose rows count from
/// `begin`. Where `fitted` names groups, each is refitted to the compensated weights when its first position comes up.
///
/// Vector formats and tiles are rounded a block of columns at a time: with U_bb the block of U on the diagonal, the block's
/// error is (w − ŵ)·U_bb⁻¹, of which a scalar format has the 1 × 1 case. On reversed columns this is QuIP#'s block LDLQ
/// (Tseng et al., arXiv:2402.04396). blocks: lazy blocks that end on multiples of the grid's width.
RoundedRows round_columns(const OrderedProblem& problem, const ConstMatrixRef& W, Index begin, Index count,
                                 std::span<const std::pair<Index, Index>> blocks, const std::optional<Groups>& fitted,
                                 Grid& grid, int cd_sweeps);

#if defined(LOWBIT_BODY)

LOWBIT_BODY Result<OrderedProblem> order_problem(const MatrixD& natural, bool act_order, double damp) {
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

LOWBIT_BODY RoundedRows round_columns(const OrderedProblem& problem, const ConstMatrixRef& W, Index begin, Index count,
                                 std::span<const std::pair<Index, Index>> blocks, const std::optional<Groups>& fitted,
                                 Grid& grid, int cd_sweeps) {
  const Index n = W.cols(), height = grid.height(), width = grid.width(), dim = grid.dim();
  MatrixD original(count, n);
  for (Index p = 0; p < n; ++p)
    original.col(p) = W.col(problem.order[static_cast<std::size_t>(p)]).segment(begin, count).cast<double>();
  RowsInWork rows{problem, W, begin, original, MatrixD(count, n)};
  MatrixD errors, metric;
  const Index padded_rows = (count + height - 1) / height * height;
  RoundedRows out{.codes = Codes::Zero(padded_rows, (n + width - 1) / width * (width / dim))};
  std::vector<float> values;
  std::vector<float> x(static_cast<std::size_t>(height * width)), y(x.size());
  std::vector<std::uint64_t> codes(static_cast<std::size_t>(height * width / dim));
  const auto overflowed = [&](Index r, Index j) {
    out.overflow = Overflow{begin + r, static_cast<Index>(problem.order[static_cast<std::size_t>(j)])};
    return out;
  };

  for (const auto& [first, last] : blocks) {
    errors.resize(count, last - first);
    if (width == 1) {
      for (Index r = 0; r < count; ++r) {
        double* w = rows.work.row(r).data();
        for (Index j = first; j < last; ++j) {
          if (!rows.fit(grid, fitted, r, j, values)) return overflowed(r, j);
          const Grid::Point point = grid.nearest(r, j, static_cast<float>(w[j]));
          out.codes(r, j) = point.code;
          rows.rounded(r, j) = static_cast<double>(point.value);
          const double e = (w[j] - rows.rounded(r, j)) / problem.U(j, j);
          errors(r, j - first) = e;
          const double* u = problem.U.row(j).data();
          for (Index k = j + 1; k < last; ++k) w[k] -= e * u[k];
        }
      }
    } else {
      for (Index j = first; j < last; j += width) {
        const Index columns = std::min(width, last - j);
        // What an error within the block costs once the columns after it have made up for what they can.
        const bool weighs = grid.weighs_blocks() && columns == width;
        if (weighs) {
          const MatrixD inverse = linalg::upper_inverse(problem.U.block(j, j, width, width));
          metric = linalg::product(inverse, inverse.transpose());
        }
        for (Index r = 0; r < count; ++r)
          if (!rows.fit(grid, fitted, r, j, values)) return overflowed(r, j);
        for (Index top = 0; top < count; top += height) {
          const Index tall = std::min(height, count - top);
          std::fill(x.begin(), x.end(), 0.0f);
          for (Index r = 0; r < tall; ++r)
            for (Index i = 0; i < columns; ++i)
              x[static_cast<std::size_t>(r * width + i)] = static_cast<float>(rows.work(top + r, j + i));
          grid.nearest_block(top, j, x.data(), weighs ? metric.data() : nullptr, y.data(), codes.data());
          for (Index r = 0; r < height; ++r)
            for (Index k = 0; k < width / dim; ++k)
              out.codes(top + r, j / dim + k) = codes[static_cast<std::size_t>(r * (width / dim) + k)];
          for (Index r = 0; r < tall; ++r) {
            double* w = rows.work.row(top + r).data();
            for (Index i = 0; i < columns; ++i) {
              rows.rounded(top + r, j + i) = static_cast<double>(y[static_cast<std::size_t>(r * width + i)]);
              double e = w[j + i] - rows.rounded(top + r, j + i);
              for (Index k = 0; k < i; ++k) e -= errors(top + r, j - first + k) * problem.U(j + k, j + i);
              errors(top + r, j - first + i) = e / problem.U(j + i, j + i);
            }
            for (Index i = 0; i < columns; ++i) {
              const double e = errors(top + r, j - first + i);
              const double* u = problem.U.row(j + i).data();
              for (Index k = j + columns; k < last; ++k) w[k] -= e * u[k];
            }
          }
        }
      }
    }
    if (last < n)
      linalg::subtract_product(rows.work.rightCols(n - last), errors, problem.U.block(first, last, last - first, n - last));
  }
  if (cd_sweeps > 0) out.moved = coordinate_descent(grid, original, problem.H, rows.rounded, out.codes, cd_sweeps);
  return out;
}

#endif

}  // namespace lowbit::ptq::detail
