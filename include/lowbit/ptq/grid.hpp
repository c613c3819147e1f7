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
  virtual bool fit(Index row, Index position, std::span<const float> values, const FitContext& context) = 0;
};

namespace detail {

using Codes = Eigen::Matrix<std::uint8_t, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using CodesRef = Eigen::Ref<Codes, 0, Eigen::OuterStride<>>;

/// Grids of consecutive rows of a QuantizedMatrix. Position p of a row stands for column order[p]; stored_in_order says
/// that groups run along positions instead of columns.
template <Quantizer Q>
class MatrixGrid final : public Grid {
 public:
  /// The rows of `matrix` from `begin` on; what the matrix says of its shared parameters holds for them.
  MatrixGrid(const QuantizedMatrix<Q>& matrix, Index begin, Index rows, std::span<const std::uint32_t> order,
             bool stored_in_order, const ScaleSearch& search)
      : view_(matrix.view()), groups_(matrix.groups()), begin_(static_cast<std::size_t>(begin)), order_(order),
        stored_in_order_(stored_in_order), search_(search),
        params_(static_cast<std::size_t>(rows) * groups_.per_row_count()) {}

  /// Takes the parameters of its rows from one entry per group of the matrix.
  void load(std::span<const typename Q::params_type> all) {
    for (std::size_t i = 0; i < params_.size(); ++i)
      params_[i] = all[groups_.index(begin_ + i / groups_.per_row_count(), i % groups_.per_row_count())];
  }
  /// Puts them into a matrix.
  void store(QuantizedMatrix<Q>& matrix) const {
    for (std::size_t i = 0; i < params_.size(); ++i)
      matrix.set_params(begin_ + i / groups_.per_row_count(), i % groups_.per_row_count(), params_[i]);
  }

  Point nearest(Index row, Index position, float x) const override {
    const std::size_t c = column(position), g = groups_.of_column(c);
    const auto point = point_params(view_.quantizer, params_[slot(row, g)], c - groups_.begin(g));
    const std::uint8_t code = view_.quantizer.quantize(x, point);
    return {code, view_.quantizer.dequantize(code, point)};
  }
  bool fit(Index row, Index position, std::span<const float> values, const FitContext& context) override {
    const std::size_t g = groups_.of_column(column(position));
    const Q here = view_.group_quantizer(begin_ + static_cast<std::size_t>(row), g);
    auto& p = params_[slot(row, g)];
    p = fit_scale(search_, here, values, context);
    return params_finite<Q>(p);
  }

 private:
  std::size_t column(Index position) const {
    return stored_in_order_ ? static_cast<std::size_t>(position) : order_[static_cast<std::size_t>(position)];
  }
  std::size_t slot(Index row, std::size_t group) const {
    return static_cast<std::size_t>(row) * groups_.per_row_count() + group;
  }

  PackedView<Q> view_;
  Groups groups_;
  std::size_t begin_;
  std::span<const std::uint32_t> order_;
  bool stored_in_order_;
  const ScaleSearch& search_;
  std::vector<typename Q::params_type> params_;
};

}  // namespace detail
}  // namespace lowbit::ptq
