// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lowbit/linalg/matrix.hpp"
#include "lowbit/quantizer/matrix.hpp"
#include "lowbit/quantizer/nearest.hpp"
#include "lowbit/quantizer/scale_search.hpp"

namespace lowbit::ptq {

/// The grids of some rows of a layer with the quantizer's type erased, so that the O(out · in²) machinery of rounding
/// policies compiles once, not once per quantizer. A virtual call per weight is nothing beside it.
class Grid {
 public:
  struct Point {
    std::uint8_t code;
    float value;  ///< what the code stands for
  };
  virtual ~Grid() = default;
  /// The point nearest to x on the grid of the weight at (row, position).
  virtual Point nearest(Index row, Index position, float x) const = 0;
  /// Refits the group that begins at (row, position) to its current values. False if its scale overflows its storage.
  virtual bool fit(Index row, Index position, std::span<const float> values, std::span<const float> importance) = 0;
};

namespace detail {

using Codes = Eigen::Matrix<std::uint8_t, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using CodesRef = Eigen::Ref<Codes, 0, Eigen::OuterStride<>>;

/// Grids of consecutive rows of a QuantizedMatrix. Position p of a row stands for column order[p]; stored_in_order says
/// that groups run along positions instead of columns.
template <Quantizer Q>
class MatrixGrid final : public Grid {
 public:
  MatrixGrid(const Q& q, Groups groups, Index rows, std::span<const std::uint32_t> order, bool stored_in_order,
             const ScaleSearch& search)
      : q_(q), groups_(groups), order_(order), stored_in_order_(stored_in_order), search_(search),
        params_(static_cast<std::size_t>(rows) * groups.per_row_count()) {}

  /// Takes the parameters of rows [begin, …) from one entry per group of the matrix.
  void load(std::span<const typename Q::params_type> all, Index begin) {
    for (std::size_t i = 0; i < params_.size(); ++i)
      params_[i] = all[groups_.index(static_cast<std::size_t>(begin) + i / groups_.per_row_count(), i % groups_.per_row_count())];
  }
  /// Puts them into a matrix.
  void store(QuantizedMatrix<Q>& matrix, Index begin) const {
    for (std::size_t i = 0; i < params_.size(); ++i)
      matrix.set_params(static_cast<std::size_t>(begin) + i / groups_.per_row_count(), i % groups_.per_row_count(), params_[i]);
  }

  Point nearest(Index row, Index position, float x) const override {
    const auto& p = params_[slot(row, position)];
    const std::uint8_t code = q_.quantize(x, p);
    return {code, q_.dequantize(code, p)};
  }
  bool fit(Index row, Index position, std::span<const float> values, std::span<const float> importance) override {
    auto& p = params_[slot(row, position)];
    p = fit_scale(search_, q_, values, importance);
    return params_finite<Q>(p);
  }

 private:
  std::size_t slot(Index row, Index position) const {
    const auto column = stored_in_order_ ? static_cast<std::size_t>(position) : order_[static_cast<std::size_t>(position)];
    return static_cast<std::size_t>(row) * groups_.per_row_count() + groups_.of_column(column);
  }

  const Q& q_;
  Groups groups_;
  std::span<const std::uint32_t> order_;
  bool stored_in_order_;
  const ScaleSearch& search_;
  std::vector<typename Q::params_type> params_;
};

}  // namespace detail
}  // namespace lowbit::ptq
