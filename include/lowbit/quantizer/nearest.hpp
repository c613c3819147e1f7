// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "lowbit/core/result.hpp"
#include "lowbit/quantizer/group_passes.hpp"
#include "lowbit/quantizer/matrix.hpp"
#include "lowbit/quantizer/scale_search.hpp"

namespace lowbit {

/// The first element that is NaN or infinite, as an error with its row, column and value.
inline std::optional<Error> find_not_finite(std::span<const float> row_major, std::size_t cols) {
  if (detail::all_finite(row_major)) return std::nullopt;
  for (std::size_t i = 0; i < row_major.size(); ++i)
    if (!std::isfinite(row_major[i]))
      return Error{.code = Errc::not_finite,
                   .message = "weights must be finite",
                   .row = i / cols,
                   .column = i % cols,
                   .value = static_cast<double>(row_major[i])};
  return std::nullopt;
}

/// What to say when a group's scale does not fit its storage type.
inline Error scale_overflow(std::size_t row, std::size_t column, double scale) {
  return Error{.code = Errc::not_finite,
               .message = "the scale of the group overflows its storage type; store scales as bf16 or f32",
               .row = row,
               .column = column,
               .value = scale};
}

/// The largest magnitude of every group of a matrix, numbered by Groups::index.
inline std::vector<float> group_maxima(std::span<const float> row_major, const Groups& groups, std::size_t rows,
                                       std::size_t cols) {
  std::vector<float> maxima(groups.total(), 0.0f);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t g = 0; g < groups.per_row_count(); ++g) {
      const std::size_t begin = groups.begin(g), size = groups.end(g) - begin;
      float& most = maxima[groups.index(r, g)];
      most = std::max(most, detail::extremes(row_major.subspan(r * cols + begin, size)).magnitude());
    }
  return maxima;
}

/// Mean of w² over a row, summed in double.
inline float mean_square(std::span<const float> row) noexcept {
  double sum = 0.0;
  for (const float x : row) sum += static_cast<double>(x) * static_cast<double>(x);
  return row.empty() ? 0.0f : static_cast<float>(sum / static_cast<double>(row.size()));
}

/// Fits a matrix's shared parameters to W, where its quantizer has any. importance and hessian as for quantize_nearest.
template <Quantizer Q>
void fit_shared(const Q& q, std::span<const float> row_major, std::span<const float> importance, const double* hessian,
                QuantizedMatrix<Q>& out) {
  if constexpr (SharedScales<Q>) {
    const std::vector<float> maxima = group_maxima(row_major, out.groups(), out.rows(), out.cols());
    q.fit_shared({.values = row_major,
                  .rows = out.rows(),
                  .cols = out.cols(),
                  .importance = importance,
                  .hessian = hessian,
                  .groups = out.groups(),
                  .maxima = maxima},
                 out.shared());
  }
}

namespace detail {

/// Rounds every tile of a band of a matrix whose parameters are set. params: those of every group, as fitted.
template <TileQuantizer Q>
void quantize_tiles(std::span<const float> row_major, std::span<const typename Q::params_type> params, std::size_t band,
                    QuantizedMatrix<Q>& out) {
  using Layout = typename Q::layout_type;
  constexpr std::size_t height = Layout::tile_rows, width = Layout::tile_codes * Q::format_type::dim;
  const Groups groups = out.groups();
  std::vector<float> values(height * width);
  std::vector<typename Q::params_type> of_rows(height);
  std::vector<typename Q::format_type::code_type> codes(height * Layout::tile_codes);
  for (std::size_t t = 0; t < ceil_div(out.cols(), width); ++t) {
    const std::size_t begin = t * width, count = std::min(width, out.cols() - begin);
    const std::size_t g = groups.of_column(begin);
    std::fill(values.begin(), values.end(), 0.0f);
    std::fill(of_rows.begin(), of_rows.end(), typename Q::params_type{});
    for (std::size_t i = 0, r = band * height; i < height && r < out.rows(); ++i, ++r) {
      std::copy_n(row_major.begin() + static_cast<std::ptrdiff_t>(r * out.cols() + begin), count,
                  values.begin() + static_cast<std::ptrdiff_t>(i * width));
      of_rows[i] = params[groups.index(r, g)];
    }
    out.view().group_quantizer(band * height, g).quantize_tile(values, of_rows, codes);
    out.set_tile_codes(band, t, codes);
  }
}

/// Rounding to nearest of one matrix, a band of rows at a time; bands are independent.
template <Quantizer Q>
class NearestRows {
 public:
  NearestRows(std::span<const float> row_major, const ScaleSearch& search, std::span<const float> importance,
              const double* hessian, QuantizedMatrix<Q>& out)
      : w_(row_major), search_(search), importance_(importance), hessian_(hessian), out_(out), groups_(out.groups()) {
    if constexpr (TileQuantizer<Q>) fitted_.resize(groups_.total());
  }

  /// The parameters that all rows share, where they do.
  std::optional<Error> fit_tensor() {
    if (!groups_.shared_by_rows() || groups_.total() == 0) return std::nullopt;
    shared_ = fit_scale(search_, out_.view().group_quantizer(0, 0), w_);
    if (!params_finite<Q>(shared_)) return scale_overflow(0, 0, 0.0);
    out_.set_params(0, 0, shared_);
    if constexpr (TileQuantizer<Q>) fitted_[0] = shared_;
    return std::nullopt;
  }

  /// Fits the groups of rows [begin, end) and rounds their weights; those of tiles are rounded by quantize_tiles.
  std::optional<Error> round(std::size_t begin_row, std::size_t end_row) {
    constexpr std::size_t dim = Q::format_type::dim;
    const std::size_t cols = out_.cols();
    const PackedView<Q> view = out_.view();
    std::vector<typename Q::format_type::code_type> codes(ceil_div(cols, dim));
    for (std::size_t r = begin_row; r < end_row; ++r) {
      const auto row = w_.subspan(r * cols, cols);
      const float square = WeightedFitting<Q> && !importance_.empty() ? mean_square(row) : 0.0f;
      for (std::size_t g = 0; g < groups_.per_row_count(); ++g) {
        const std::size_t begin = groups_.begin(g), size = groups_.end(g) - begin;
        const Q here = view.group_quantizer(r, g);
        auto params = shared_;
        if (!groups_.shared_by_rows()) {
          params = fit_scale(search_, here, row.subspan(begin, size),
                             {.importance = importance_.empty() ? importance_ : importance_.subspan(begin, size),
                              .row_mean_square = square,
                              .hessian = hessian_ == nullptr ? nullptr : hessian_ + begin * (cols + 1),
                              .hessian_stride = cols});
          if (!params_finite<Q>(params)) return scale_overflow(r, begin, std::numeric_limits<double>::infinity());
          out_.set_params(r, g, params);
        }
        if constexpr (TileQuantizer<Q>) {
          if (!groups_.shared_by_rows()) fitted_[groups_.index(r, g)] = params;
        } else {
          const std::span of_group = std::span(codes).subspan(begin / dim, ceil_div(size, dim));
          if constexpr (requires { here.quantize_group(row, params, of_group); })
            here.quantize_group(row.subspan(begin, size), params, of_group);  // many codes at a time
          else
            detail::quantize_group(here, row.subspan(begin, size), params, of_group);
        }
      }
      if constexpr (!TileQuantizer<Q>) out_.set_row_codes(r, codes);
    }
    return std::nullopt;
  }

  void round_tiles(std::size_t band)
    requires TileQuantizer<Q>
  {
    quantize_tiles<Q>(w_, fitted_, band, out_);
  }

 private:
  std::span<const float> w_;
  const ScaleSearch& search_;
  std::span<const float> importance_;
  const double* hessian_;
  QuantizedMatrix<Q>& out_;
  Groups groups_;
  typename Q::params_type shared_{};
  std::vector<typename Q::params_type> fitted_;  // of every group, for tiles: they are rounded when all are known
};

}  // namespace detail

/// Calls task(i) for every i < count, one after the other. What stands in its place may call them in any order and at once.
struct InTurn {
  template <class Task>
  void run(std::size_t count, Task&& task) const {
    for (std::size_t i = 0; i < count; ++i) task(i);
  }
};

/// Rounds every weight to the nearest point of its group's grid; codes that depend on each other, tile by tile.
///
///   row_major   rows · cols finite floats
///   importance  empty, or cols weights for searches that use them
///   hessian     null, or [cols × cols], symmetric, row after row, for searches that use it
///   tasks       runs bands of rows: InTurn, or linalg's Executor; the result has the same bytes
///
/// Errors   not_finite (names row and column; also a scale that overflows its storage).
/// Cost     O(rows · cols) times the passes of the scale search; scratch: one row of codes per thread.
template <Quantizer Q, class Tasks = InTurn>
Result<QuantizedMatrix<Q>> quantize_nearest(const Q& q, std::span<const float> row_major, std::size_t rows,
                                            std::size_t cols, const ScaleSearch& search = AbsMax{},
                                            std::span<const float> importance = {}, const double* hessian = nullptr,
                                            Tasks&& tasks = Tasks{}) {
  LOWBIT_EXPECTS(row_major.size() == rows * cols, "the data holds rows × cols floats");
  LOWBIT_EXPECTS(importance.empty() || importance.size() == cols, "importance holds one weight per column");
  if (auto bad = find_not_finite(row_major, cols)) return std::move(*bad);

  QuantizedMatrix<Q> out(rows, cols, q);
  const Groups groups = out.groups();
  LOWBIT_EXPECTS(groups.per_row_count() <= 1 || groups.size() % code_columns<Q> == 0,
                 "the columns of one code, or of one tile, divide the group");
  fit_shared(q, row_major, importance, hessian, out);
  detail::NearestRows<Q> nearest(row_major, search, importance, hessian, out);
  if (auto bad = nearest.fit_tensor()) return std::move(*bad);
  constexpr std::size_t band = 16;
  std::vector<std::optional<Error>> errors(ceil_div(rows, band));
  tasks.run(errors.size(), [&](std::size_t i) { errors[i] = nearest.round(i * band, std::min(rows, (i + 1) * band)); });
  for (std::optional<Error>& bad : errors)
    if (bad) return std::move(*bad);
  if constexpr (TileQuantizer<Q>)
    tasks.run(out.view().bands(), [&](std::size_t b) { nearest.round_tiles(b); });
  return out;
}

}  // namespace lowbit
