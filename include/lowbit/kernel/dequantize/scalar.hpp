// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "lowbit/kernel/row_range.hpp"
#include "lowbit/quantizer/matrix.hpp"

/// The definition of ŵ, for every Quantizer: unpack, load the group's parameters, call the quantizer.

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// Codes that are unpacked at a time, to a buffer on the stack; a multiple of every layout's block of up to 8 codes.
template <Quantizer Q>
inline constexpr std::size_t tile_codes = std::max<std::size_t>(8, 256 / Q::format_type::dim / 8 * 8);

template <Quantizer Q>
inline constexpr std::size_t tile_columns = tile_codes<Q> * Q::format_type::dim;

/// Writes ŵ of columns [begin, begin + count) of row r. begin is a multiple of dim. `out` has room for count rounded up
/// to a multiple of dim: the last code of a row may stand for more columns than there are. count ≤ tile_columns<Q>.
template <Quantizer Q>
void dequantize_tile(const PackedView<Q>& w, std::size_t r, std::size_t begin, std::size_t count, float* out) noexcept {
  using Code = typename Q::format_type::code_type;
  constexpr std::size_t dim = Q::format_type::dim;
  Code codes[tile_codes<Q>];
  const std::size_t total = ceil_div(count, dim);
  w.unpack(r, begin / dim, std::span<Code>(codes, total));
  const Groups groups = w.groups();
  for (std::size_t done = 0; done < total;) {
    const std::size_t g = groups.of_column(begin + done * dim);
    const typename Q::params_type p = w.group_params(r, g);
    const Q q = w.group_quantizer(r, g);
    const std::size_t stop = std::min(total, ceil_div(groups.end(g) - begin, dim));
    while (done < stop) {
      const std::size_t at = begin + done * dim - groups.begin(g);  // in the group
      const auto point = point_params(q, p, at);
      std::size_t end = stop;
      if constexpr (SuperBlocks<Q>) end = std::min(stop, done + (Q::sub_group - at % Q::sub_group) / dim);
      if constexpr (requires { Q::tabulated; }) {  // few points, costly ones: all of them once
        constexpr std::size_t points = Q::format_type::cardinality;
        float table[points * dim];
        for (std::size_t c = 0; c < points; ++c)
          q.dequantize(static_cast<Code>(c), point, std::span<float, dim>(table + c * dim, dim));
        for (; done < end; ++done) std::copy_n(table + codes[done] * dim, dim, out + done * dim);
      } else {
        for (; done < end; ++done) q.dequantize(codes[done], point, std::span<float, dim>(out + done * dim, dim));
      }
    }
  }
}

/// Writes ŵ of the named rows and columns, row by row, to out[0 … rows · columns). columns.begin is a multiple of
/// tile_columns<Q>.
template <Quantizer Q>
isa::scalar dequantize(isa::scalar, const PackedView<Q>& w, RowRange rows, ColumnRange columns,
                       std::span<float> out) noexcept {
  float tile[tile_columns<Q>];
  float* at = out.data();
  for (std::size_t r = rows.begin; r < rows.end; ++r)
    for (std::size_t begin = columns.begin; begin < columns.end; begin += tile_columns<Q>) {
      const std::size_t count = std::min(tile_columns<Q>, columns.end - begin);
      const bool whole_codes = count % Q::format_type::dim == 0;
      dequantize_tile(w, r, begin, count, whole_codes ? at : tile);
      if (!whole_codes) std::copy(tile, tile + count, at);
      at += count;
    }
  return {};
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
