// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "lowbit/core/float16.hpp"
#include "lowbit/linalg/cholesky.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/linalg/product.hpp"
#include "lowbit/ptq/column_rounding.hpp"
#include "lowbit/ptq/coordinate_descent.hpp"
#include "lowbit/ptq/grid.hpp"
#include "lowbit/quantizer/codebook/kmeans1d.hpp"

namespace lowbit::ptq {

/// Some rows of a layer under tables of real values, and the two half steps that lower (ŵ − w)·H·(ŵ − w)ᵀ in turn: the best
/// values for given codes, in closed form, and better codes for given values, by coordinate descent.
///
///   W       [rows × in]  weights
///   H       [in × in]    second moments, symmetric, positive semidefinite; kept by reference
///   count   values per table
///   shared  one table for all rows, or one per row
class CodebookDescent {
 public:
  CodebookDescent(MatrixD W, const MatrixD& H, Index count, bool shared)
      : W_(std::move(W)), H_(H), count_(count), shared_(shared),
        levels_(static_cast<std::size_t>((shared ? Index{1} : W_.rows()) * count), 0.0f),
        codes_(detail::Codes::Zero(W_.rows(), W_.cols())) {}

  Index rows() const noexcept { return W_.rows(); }
  /// The table of a row. Set values through it before assign_nearest().
  std::span<float> levels(Index row) noexcept {
    return std::span(levels_).subspan(static_cast<std::size_t>(shared_ ? 0 : row * count_), static_cast<std::size_t>(count_));
  }
  std::span<const float> levels(Index row) const noexcept { return const_cast<CodebookDescent*>(this)->levels(row); }
  const detail::Codes& codes() const noexcept { return codes_; }
  void set_codes(detail::Codes codes) { codes_ = std::move(codes); }

  /// This value of every table stays what it is: the zero of a sparse codebook.
  void pin(std::size_t level) noexcept { pinned_ = static_cast<Index>(level); }

  void assign_nearest() {
    for (Index r = 0; r < rows(); ++r)
      for (Index j = 0; j < W_.cols(); ++j)
        codes_(r, j) = codebook::nearest_level(levels(r), static_cast<float>(W_(r, j)));
  }

  /// Column by column, each one's error moved onto the columns after it (GPTQ on fixed tables). blocks: lazy_blocks of `in`.
  void assign_in_order(const detail::OrderedProblem& problem, std::span<const std::pair<Index, Index>> blocks) {
    TableGrid grid(*this);
    codes_ = detail::round_columns(problem, W_.cast<float>(), 0, rows(), blocks, std::nullopt, grid, 0).codes;
  }

  /// Ŵ [rows × in].
  MatrixD values() const {
    MatrixD Q(rows(), W_.cols());
    for (Index r = 0; r < rows(); ++r)
      for (Index j = 0; j < Q.cols(); ++j) Q(r, j) = static_cast<double>(levels(r)[static_cast<std::size_t>(codes_(r, j))]);
    return Q;
  }
  /// (ŵ − w)·H·(ŵ − w)ᵀ, row by row.
  VectorD objective() const {
    const MatrixD E = values() - W_;
    return linalg::product(E, H_).cwiseProduct(E).rowwise().sum();
  }

  /// The values of least objective for these codes: (Σ PᵀHP + ridge)·δ = −Σ PᵀH(ŵ − w), P [in × count] saying which weight has
  /// which code; the ridge is a fraction of the mean of the diagonal, tenfold more after each failure to factor. Values no
  /// weight uses stay. A table whose objective would not fall stays too. Returns whether any changed.
  /// Cost: rows · in² additions.
  bool update_levels(double ridge = 1e-7) {
    const MatrixD E = values() - W_, gradient = linalg::product(E, H_);
    const VectorD before = gradient.cwiseProduct(E).rowwise().sum();
    const std::vector<float> old = levels_;
    const std::vector<MatrixD> curvature = curvatures();
    const Index tables = shared_ ? std::min<Index>(1, rows()) : rows();
    for (Index t = 0; t < tables; ++t) {
      MatrixD A = curvature[static_cast<std::size_t>(t)];
      VectorD b = VectorD::Zero(count_);
      for (Index r = t; r < (shared_ ? rows() : t + 1); ++r)
        for (Index j = 0; j < W_.cols(); ++j) b(static_cast<Index>(codes_(r, j))) -= gradient(r, j);
      const double mean = A.diagonal().mean();
      if (pinned_ >= 0) {
        A.row(pinned_).setZero();
        A.col(pinned_).setZero();
        b(pinned_) = 0.0;
      }
      if (!(mean > 0.0) || !std::isfinite(mean)) continue;
      auto factor = linalg::with_damping(A, {.fraction = ridge, .first = 1e-7},
                                         [](MatrixD M) { return linalg::cholesky(std::move(M)); });
      if (!factor) continue;
      const MatrixD step = linalg::solve(factor->factor, b);
      for (Index k = 0; k < count_; ++k) {
        const auto next = static_cast<float>(static_cast<double>(levels(t)[static_cast<std::size_t>(k)]) + step(k));
        if (A(k, k) > 0.0 && std::isfinite(next)) levels(t)[static_cast<std::size_t>(k)] = next;
      }
    }
    const VectorD after = objective();
    bool changed = false;
    for (Index t = 0; t < tables; ++t) {
      const double was = shared_ ? before.sum() : before(t), is = shared_ ? after.sum() : after(t);
      const auto offset = static_cast<std::size_t>(t * count_), size = static_cast<std::size_t>(count_);
      if (is < was)
        changed = true;
      else
        std::copy_n(old.begin() + static_cast<std::ptrdiff_t>(offset), size, levels_.begin() + static_cast<std::ptrdiff_t>(offset));
    }
    return changed;
  }

  /// Sweeps of coordinate descent over the codes; none raises a row's objective. Returns the number of codes moved.
  std::size_t update_codes(int sweeps) {
    MatrixD Q = values();
    return coordinate_descent(TableGrid(*this), W_, H_, MatrixDRef(Q), detail::CodesRef(codes_), sweeps);
  }

  void round_levels_to_f16() {
    for (float& v : levels_) v = static_cast<float>(f16(v));
  }
  /// Ascending tables; codes follow. (Where every row has a table of its own, no value may be pinned.)
  void sort_levels() {
    std::vector<std::size_t> order(static_cast<std::size_t>(count_)), place(order.size());
    std::vector<float> old(order.size());
    for (Index r = 0; r < rows(); ++r) {
      const std::span<float> own = levels(r);
      if (!shared_ || r == 0) {
        std::copy(own.begin(), own.end(), old.begin());
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return old[a] < old[b]; });
        for (std::size_t k = 0; k < order.size(); ++k) {
          own[k] = old[order[k]];
          place[order[k]] = k;
        }
        if (shared_ && pinned_ >= 0) pinned_ = static_cast<Index>(place[static_cast<std::size_t>(pinned_)]);
      }
      for (Index j = 0; j < codes_.cols(); ++j) codes_(r, j) = place[static_cast<std::size_t>(codes_(r, j))];
    }
  }

 private:
  class TableGrid final : public Grid {
   public:
    explicit TableGrid(const CodebookDescent& owner) : owner_(owner) {}
    Point nearest(Index row, Index, float x) const override {
      const auto table = owner_.levels(row);
      const std::size_t k = codebook::nearest_level(table, x);
      return {k, table[k]};
    }
    bool fit(Index, Index, std::span<const float>, const FitContext&) override { return true; }

   private:
    const CodebookDescent& owner_;
  };

  /// Σ PᵀHP of every table [count × count]. A block of columns of H at a time stays in cache while the rows use it.
  std::vector<MatrixD> curvatures() const {
    constexpr Index block = 64;
    const Index n = W_.cols();
    std::vector<MatrixD> all(static_cast<std::size_t>(shared_ ? 1 : rows()), MatrixD::Zero(count_, count_));
    MatrixD sums(count_, block);
    for (Index begin = 0; begin < n; begin += block) {
      const Index columns = std::min(block, n - begin);
      for (Index r = 0; r < rows(); ++r) {
        sums.setZero();
        for (Index j = 0; j < n; ++j)
          sums.row(static_cast<Index>(codes_(r, j))).head(columns) += H_.row(j).segment(begin, columns);
        MatrixD& A = all[static_cast<std::size_t>(shared_ ? 0 : r)];
        for (Index c = 0; c < columns; ++c) A.col(static_cast<Index>(codes_(r, begin + c))) += sums.col(c);
      }
    }
    return all;
  }

  MatrixD W_;
  const MatrixD& H_;
  Index count_;
  bool shared_;
  Index pinned_ = -1;
  std::vector<float> levels_;
  detail::Codes codes_;
};

}  // namespace lowbit::ptq
