// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "lowbit/core/contract.hpp"
#include "lowbit/kernel/dequantize/avx2.hpp"
#include "lowbit/kernel/dequantize/levels.hpp"
#include "lowbit/kernel/dequantize/scalar.hpp"
#include "lowbit/kernel/dequantize/tabulated.hpp"

namespace lowbit {
inline namespace LOWBIT_ISA_NAMESPACE {

/// The tag of the instruction set that dequantizes Q when Isa is asked for.
template <class Isa, Quantizer Q>
using dequantize_isa =
    decltype(kernel::dequantize(Isa{}, std::declval<const PackedView<Q>&>(), RowRange{}, std::span<float>{}));

/// Writes rows row_begin … row_end − 1 of Ŵ to out, row by row, each weight rounded to float as Q's dequantize rounds it:
/// all instruction sets give the same bits.
///
///   w    consistent() holds
///   out  (row_end − row_begin) · w.cols floats
///
/// Cost     one pass over the rows' codes; no allocation.
template <class Isa = isa::native, Quantizer Q>
dequantize_isa<Isa, Q> dequantize(const PackedView<Q>& w, std::size_t row_begin, std::size_t row_end,
                                  std::span<float> out) {
  LOWBIT_EXPECTS(w.consistent(), "dequantize: the spans of the view fit its shape");
  LOWBIT_EXPECTS(row_begin <= row_end && row_end <= w.rows, "dequantize: the rows lie inside the matrix");
  LOWBIT_EXPECTS(out.size() == (row_end - row_begin) * w.cols, "dequantize: out holds one float per weight");
  return kernel::dequantize(Isa{}, w, RowRange{row_begin, row_end}, out);
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit
