// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "lowbit/kernel/dequantize/scalar.hpp"
#include "lowbit/pack/spread.hpp"
#include "lowbit/quantizer/uniform.hpp"

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// Calls eight(codes, scale, zero_point, out) for eight weights of one group at a time, row by row, a code to a byte; what
/// is left at the end of the columns is done by the definition. Groups' sizes are multiples of 8.
template <int B, UniformOptions O, class Eight>
LOWBIT_ALWAYS_INLINE void for_each_eight(const PackedView<Uniform<Int<B>, O>>& w, RowRange rows, ColumnRange columns,
                                         float* to, const Eight& eight) noexcept {
  const Groups groups = w.groups();
  for (std::size_t r = rows.begin; r < rows.end; ++r) {
    const std::uint8_t* from = w.row_codes(r).data() + columns.begin / 8 * B;
    for (std::size_t begin = columns.begin; begin < columns.end;) {
      const std::size_t g = groups.of_column(begin), end = std::min(columns.end, groups.end(g));
      const auto p = w.group_params(r, g);
      std::size_t count = end - begin;
      for (; count >= 8; count -= 8, to += 8, from += B)
        eight(pack::spread_to_bytes<B>(pack::load_word<B>(from)), p.scale, p.zero_point, to);
      if (count != 0) {
        const std::size_t bytes = ceil_div(count * static_cast<std::size_t>(B), 8);
        const std::uint64_t codes = pack::spread_to_bytes<B>(pack::load_word(from, bytes));
        for (std::size_t i = 0; i < count; ++i)
          *to++ = w.quantizer.dequantize(static_cast<std::uint8_t>(codes >> (8 * i)), p);
      }
      begin = end;
    }
  }
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
