// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "lowbit/core/isa.hpp"
#include "lowbit/kernel/dequantize/scalar.hpp"

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// Calls run(codes, count, quantizer, point, out) for every run of weights that share a point_type, row by row. codes: one
/// byte each, and 16 more may be read.
template <Quantizer Q, class Run>
  requires(Q::format_type::dim == 1)
LOWBIT_ALWAYS_INLINE void for_each_run(const PackedView<Q>& w, RowRange rows, ColumnRange columns, float* out,
                                       const Run& run) noexcept {
  constexpr std::size_t padding = 16;
  std::uint8_t codes[tile_codes<Q> + padding] = {};
  const Groups groups = w.groups();
  for (std::size_t r = rows.begin; r < rows.end; ++r)
    for (std::size_t begin = columns.begin; begin < columns.end; begin += tile_columns<Q>) {
      const std::size_t count = std::min(tile_columns<Q>, columns.end - begin);
      pack::unpack_range<typename Q::layout_type>(w.row_codes(r), begin, std::span<std::uint8_t>(codes, count));
      for (std::size_t done = 0; done < count;) {
        const std::size_t g = groups.of_column(begin + done);
        const typename Q::params_type p = w.group_params(r, g);
        const Q q = w.group_quantizer(r, g);
        const std::size_t stop = std::min(count, groups.end(g) - begin);
        while (done < stop) {
          const std::size_t at = begin + done - groups.begin(g);
          std::size_t end = stop;
          if constexpr (SuperBlocks<Q>) end = std::min(stop, done + Q::sub_group - at % Q::sub_group);
          run(codes + done, end - done, q, point_params(q, p, at), out + done);
          done = end;
        }
      }
      out += count;
    }
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
