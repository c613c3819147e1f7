// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "lowbit/core/contract.hpp"
#include "lowbit/kernel/dequantize/avx2.hpp"
#include "lowbit/kernel/dequantize/levels.hpp"
#include "lowbit/kernel/dequantize/neon.hpp"
#include "lowbit/kernel/dequantize/scalar.hpp"
#include "lowbit/kernel/dequantize/tabulated.hpp"

namespace lowbit {
inline namespace LOWBIT_ISA_NAMESPACE {

/// The tag of the instruction set that dequantizes Q when Isa is asked for.
template <class Isa, Quantizer Q>
using dequantize_isa =
    decltype(kernel::dequantize(Isa{}, std::declval<const PackedView<Q>&>(), RowRange{}, ColumnRange{}, std::span<float>{}));

/// Where a range of columns may begin: at multiples of this many.
template <Quantizer Q>
inline constexpr std::size_t dequantize_columns = kernel::tile_columns<Q>;

/// Writes the named rows and columns of Ŵ to out, row by row, each weight rounded to float as Q's dequantize rounds it:
/// all instruction sets give the same bits.
///
///   w        consistent() holds
///   rows     inside the matrix
///   columns  inside the matrix; begin is a multiple of dequantize_columns<Q>
///   out      one float per weight
///
/// Cost     one pass over the codes; no allocation.
template <class Isa = isa::native, Quantizer Q>
dequantize_isa<Isa, Q> dequantize(const PackedView<Q>& w, RowRange rows, ColumnRange columns, std::span<float> out) {
  LOWBIT_EXPECTS(w.consistent(), "dequantize: the spans of the view fit its shape");
  LOWBIT_EXPECTS(rows.begin <= rows.end && rows.end <= w.rows, "dequantize: the rows lie inside the matrix");
  LOWBIT_EXPECTS(columns.begin <= columns.end && columns.end <= w.cols, "dequantize: the columns lie inside the matrix");
  LOWBIT_EXPECTS(columns.begin % dequantize_columns<Q> == 0, "dequantize: columns begin at a multiple of dequantize_columns");
  LOWBIT_EXPECTS(out.size() == (rows.end - rows.begin) * columns.size(), "dequantize: out holds one float per weight");
  return kernel::dequantize(Isa{}, w, rows, columns, out);
}

/// Whole rows.
template <class Isa = isa::native, Quantizer Q>
dequantize_isa<Isa, Q> dequantize(const PackedView<Q>& w, std::size_t row_begin, std::size_t row_end,
                                  std::span<float> out) {
  return dequantize<Isa>(w, RowRange{row_begin, row_end}, ColumnRange{0, w.cols}, out);
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit
