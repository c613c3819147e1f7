// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "lowbit/core/contract.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/quantizer/matrix.hpp"
#include "lowbit/quantizer/nearest.hpp"
#include "lowbit/quantizer/scale_search.hpp"

namespace lowbit::ptq {

/// The grids of some rows of a layer with the quantizer's type erased, so that the O(out · in²) machinery of rounding
/// policies compiles once, not once per quantizer. A virtual call per weight is nothing beside it.
///
/// Weights are rounded in blocks of height() rows × width() positions: 1 × 1 for scalar formats, 1 × dim for vector formats,
/// a tile where codes depend on each other. A block starts at a multiple of its size.
class Grid {
 public:
  struct Point {
    std::uint64_t code;
    float value;  ///< what the code stands for
  };
  virtual ~Grid() = default;
  virtual Index height() const { return 1; }
  virtual Index width() const { return 1; }
  virtual Index dim() const { return 1; }  ///< positions per code
  /// Scalar formats: the point nearest to x on the grid of the weight at (row, position).
  virtual Point nearest(Index, Index, float) const {
    LOWBIT_ASSERT(false, "formats of more dimensions are rounded in blocks");
    return {};
  }
  /// Whether nearest_block looks at its metric.
  virtual bool weighs_blocks() const { return false; }
  /// Other formats: rounds x [height × width] and fills `values` [height × width] and `codes` [height × width / dim].
  /// Rows and positions past the end of the layer are 0 in x and may become anything. metric [width × width], symmetric: the
  /// error e of a row costs e·metric·eᵀ; null: its square.
  virtual void nearest_block(Index, Index, const float*, const double*, float*, std::uint64_t*) const {
    LOWBIT_ASSERT(false, "scalar formats are rounded one by one");
  }
  /// Refits the group that begins at (row, position) to its current values. False if its scale overflows its storage.
  virtual bool fit(Index row, Index position, std::span<const float> values, const FitContext& context) = 0;
};

namespace detail {

/// [rows × ceil(positions / dim)]
using Codes = Eigen::Matrix<std::uint64_t, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using CodesRef = Eigen::Ref<Codes, 0, Eigen::OuterStride<>>;

/// Grids of consecutive rows of a QuantizedMatrix. Position p of a row stands for column order[p]; stored_in_order says
/// that groups and codes run along positions instead of columns.
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

  Index height() const override { return static_cast<Index>(pack::tile_rows<typename Q::layout_type>); }
  Index width() const override { return static_cast<Index>(code_columns<Q>); }
  Index dim() const override { return static_cast<Index>(Q::format_type::dim); }

  Point nearest(Index row, Index position, float x) const override {
    if constexpr (code_columns<Q> == 1) {
      const std::size_t c = column(position), g = groups_.of_column(c);
      const Q here = view_.group_quantizer(begin_ + static_cast<std::size_t>(row), g);
      const auto point = point_params(here, params_[slot(row, g)], c - groups_.begin(g));
      const auto code = here.quantize(x, point);
      return {code, here.dequantize(code, point)};
    } else {
      return Grid::nearest(row, position, x);
    }
  }
  bool weighs_blocks() const override { return weighted; }
  void nearest_block(Index row, Index position, const float* x, [[maybe_unused]] const double* metric, float* values,
                     std::uint64_t* codes) const override {
    if constexpr (code_columns<Q> == 1) {
      Grid::nearest_block(row, position, x, metric, values, codes);
    } else {
      constexpr std::size_t dim = Q::format_type::dim, tall = pack::tile_rows<typename Q::layout_type>,
                            per_row = code_columns<Q> / dim;
      using Code = typename Q::format_type::code_type;
      const std::size_t c = column(position), g = groups_.of_column(c);
      Code chosen[tall * per_row];
      typename Q::params_type params[tall]{};
      const std::size_t rows = std::min(tall, params_.size() / groups_.per_row_count() - static_cast<std::size_t>(row));
      for (std::size_t i = 0; i < rows; ++i) params[i] = params_[slot(row + static_cast<Index>(i), g)];
      const Q here = view_.group_quantizer(begin_ + static_cast<std::size_t>(row), g);
      if constexpr (TileQuantizer<Q>) {
        here.quantize_tile(std::span<const float>(x, tall * code_columns<Q>),
                           std::span<const typename Q::params_type>(params, tall), std::span<Code>(chosen, tall * per_row));
      } else {
        const std::span<const float, dim> block(x, dim);
        const auto point = point_params(here, params[0], c - groups_.begin(g));
        bool done = false;
        if constexpr (weighted)
          if (metric != nullptr) {
            chosen[0] = here.quantize_weighted(block, point, metric, dim);
            done = true;
          }
        if (!done) chosen[0] = here.quantize(block, point);
      }
      for (std::size_t i = 0; i < tall * per_row; ++i) {
        const auto point = point_params(here, params[i / per_row], c - groups_.begin(g) + i % per_row * dim);
        here.dequantize(chosen[i], point, std::span<float, dim>(values + i * dim, dim));
        codes[i] = chosen[i];
      }
    }
  }
  bool fit(Index row, Index position, std::span<const float> values, const FitContext& context) override {
    const std::size_t g = groups_.of_column(column(position));
    const Q here = view_.group_quantizer(begin_ + static_cast<std::size_t>(row), g);
    auto& p = params_[slot(row, g)];
    p = fit_scale(search_, here, values, context);
    return params_finite<Q>(p);
  }

 private:
  static constexpr bool weighted =
      requires(const Q q, std::span<const float, Q::format_type::dim> x, typename Q::params_type p, const double* H) {
        q.quantize_weighted(x, p, H, std::size_t{});
      };

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

/// Puts rows [begin, begin + codes.rows()) of chosen codes into a matrix; scalar codes go where `order` says, if anywhere.
template <Quantizer Q>
void store_codes(const Codes& codes, Index begin, std::span<const std::uint32_t> order, QuantizedMatrix<Q>& out) {
  using Code = typename Q::format_type::code_type;
  if constexpr (TileQuantizer<Q>) {
    using Layout = typename Q::layout_type;
    constexpr auto height = static_cast<Index>(Layout::tile_rows), width = static_cast<Index>(Layout::tile_codes);
    std::vector<Code> tile(Layout::tile_rows * Layout::tile_codes);
    for (Index r = 0; r < codes.rows(); r += height)
      for (Index c = 0; c < codes.cols(); c += width) {
        for (Index i = 0; i < height * width; ++i)
          tile[static_cast<std::size_t>(i)] = static_cast<Code>(codes(r + i / width, c + i % width));
        out.set_tile_codes(static_cast<std::size_t>((begin + r) / height), static_cast<std::size_t>(c / width), tile);
      }
  } else {
    std::vector<Code> row(static_cast<std::size_t>(codes.cols()));
    for (Index r = 0; r < codes.rows(); ++r) {
      for (std::size_t p = 0; p < row.size(); ++p)
        row[order.empty() ? p : order[p]] = static_cast<Code>(codes(r, static_cast<Index>(p)));
      out.set_row_codes(static_cast<std::size_t>(begin + r), row);
    }
  }
}

}  // namespace detail
}  // namespace lowbit::ptq
