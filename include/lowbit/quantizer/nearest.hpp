// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "lowbit/core/result.hpp"
#include "lowbit/quantizer/matrix.hpp"
#include "lowbit/quantizer/scale_search.hpp"

namespace lowbit {

/// The first element that is NaN or infinite, as an error with its row, column and value.
inline std::optional<Error> find_not_finite(std::span<const float> row_major, std::size_t cols) {
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

template <Quantizer Q>
bool params_finite(const typename Q::params_type& p) noexcept {
  if constexpr (requires { p.scale; }) return std::isfinite(p.scale);
  return true;
}

/// Rounds every weight to the nearest point of its group's grid.
///
///   row_major   rows · cols finite floats
///   importance  empty, or cols weights for searches that use them
///
/// Errors   not_finite (names row and column; also a scale that overflows its storage).
/// Cost     O(rows · cols) times the passes of the scale search; scratch: one row of codes.
template <Quantizer Q>
Result<QuantizedMatrix<Q>> quantize_nearest(const Q& q, std::span<const float> row_major, std::size_t rows,
                                            std::size_t cols, const ScaleSearch& search = AbsMax{},
                                            std::span<const float> importance = {}) {
  constexpr std::size_t dim = Q::format_type::dim;
  LOWBIT_EXPECTS(row_major.size() == rows * cols, "the data holds rows × cols floats");
  LOWBIT_EXPECTS(cols % dim == 0, "the format's dimension divides the columns");
  LOWBIT_EXPECTS(importance.empty() || importance.size() == cols, "importance holds one weight per column");
  if (auto bad = find_not_finite(row_major, cols)) return std::move(*bad);

  QuantizedMatrix<Q> out(rows, cols, q);
  const Groups groups = out.groups();
  std::vector<typename Q::format_type::code_type> codes(cols / dim);
  typename Q::params_type shared{};
  if (groups.shared_by_rows() && groups.total() != 0) {
    shared = fit_scale(search, q, row_major);
    if (!params_finite<Q>(shared)) return scale_overflow(0, 0, 0.0);
    out.set_params(0, 0, shared);
  }
  for (std::size_t r = 0; r < rows; ++r) {
    const auto row = row_major.subspan(r * cols, cols);
    for (std::size_t g = 0; g < groups.per_row_count(); ++g) {
      const std::size_t begin = groups.begin(g), size = groups.end(g) - begin;
      auto params = shared;
      if (!groups.shared_by_rows()) {
        params = fit_scale(search, q, row.subspan(begin, size),
                           importance.empty() ? importance : importance.subspan(begin, size));
        if (!params_finite<Q>(params)) return scale_overflow(r, begin, std::numeric_limits<double>::infinity());
        out.set_params(r, g, params);
      }
      for (std::size_t c = begin; c < begin + size; c += dim)
        codes[c / dim] = q.quantize(std::span<const float, dim>(row.subspan(c).template first<dim>()), params);
    }
    out.set_row_codes(r, codes);
  }
  return out;
}

}  // namespace lowbit
