// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <utility>

#include "lowbit/core/contract.hpp"
#include "lowbit/kernel/gemv/avx2.hpp"
#include "lowbit/kernel/gemv/avx512.hpp"
#include "lowbit/kernel/gemv/neon.hpp"
#include "lowbit/kernel/gemv/scalar.hpp"

namespace lowbit {
inline namespace LOWBIT_ISA_NAMESPACE {

/// The tag of the instruction set that computes gemv of Q when Isa is asked for; e.g. gemv_isa<isa::avx512, Q> is
/// isa::scalar for a Q that has no overload of its own.
template <class Isa, Quantizer Q>
using gemv_isa = decltype(kernel::gemv(Isa{}, std::declval<const PackedView<Q>&>(), RowRange{},
                                       std::span<const float>{}, std::span<float>{}));

/// y[r] = Σ_c ŵ(r, c)·x[c] for the rows of `rows`; the other elements of y stay as they are.
///
///   w     consistent() holds
///   rows  inside the matrix
///   x     w.cols floats
///   y     w.rows floats; y and x do not overlap
///
/// Products and sums are float. With n = w.cols and u = 2^-24, the error is at most γ_{n+3}·Σ|ŵ||x|, γ_k = ku/(1 − ku).
/// The bits of y[r] do not depend on `rows` and equal those of gemm for the same token.
/// Cost     2·cols flops a row, one pass over the packed rows; no allocation.
template <class Isa = isa::native, Quantizer Q>
gemv_isa<Isa, Q> gemv(const PackedView<Q>& w, RowRange rows, std::span<const float> x, std::span<float> y) {
  LOWBIT_EXPECTS(w.consistent(), "gemv: the spans of the view fit its shape");
  LOWBIT_EXPECTS(rows.begin <= rows.end && rows.end <= w.rows, "gemv: the rows lie inside the matrix");
  LOWBIT_EXPECTS(x.size() == w.cols, "gemv: x holds one float per column");
  LOWBIT_EXPECTS(y.size() == w.rows, "gemv: y holds one float per row");
  return kernel::gemv(Isa{}, w, rows, x, y);
}

/// y = Ŵ·x.
template <class Isa = isa::native, Quantizer Q>
gemv_isa<Isa, Q> gemv(const PackedView<Q>& w, std::span<const float> x, std::span<float> y) {
  return gemv<Isa>(w, RowRange{0, w.rows}, x, y);
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit
