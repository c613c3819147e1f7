// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "lowbit/core/contract.hpp"
#include "lowbit/kernel/gemm/avx2.hpp"
#include "lowbit/kernel/gemm/avx512.hpp"
#include "lowbit/kernel/gemm/neon.hpp"
#include "lowbit/kernel/gemm/scalar.hpp"

namespace lowbit {
inline namespace LOWBIT_ISA_NAMESPACE {

/// The tag of the instruction set that computes gemm of Q when Isa is asked for.
template <class Isa, Quantizer Q>
using gemm_isa = decltype(kernel::gemm(Isa{}, std::declval<const PackedView<Q>&>(), RowRange{},
                                       std::span<const float>{}, std::span<float>{}, std::size_t{}));

/// y[t·w.rows + r] = Σ_c ŵ(r, c)·x[t·w.cols + c] for every token t and the rows of `rows`; the other elements of y stay
/// as they are.
///
///   w       consistent() holds
///   rows    inside the matrix
///   x       tokens · w.cols floats, each token's vector contiguous
///   y       tokens · w.rows floats, likewise; y and x do not overlap
///
/// Each output has the bits and the error bound of `gemv` for that token, whatever `tokens` and `rows` are.
/// Cost     2·cols flops per output; each packed row is unpacked once for several tokens; no allocation.
template <class Isa = isa::native, Quantizer Q>
gemm_isa<Isa, Q> gemm(const PackedView<Q>& w, RowRange rows, std::span<const float> x, std::span<float> y,
                      std::size_t tokens) {
  LOWBIT_EXPECTS(w.consistent(), "gemm: the spans of the view fit its shape");
  LOWBIT_EXPECTS(rows.begin <= rows.end && rows.end <= w.rows, "gemm: the rows lie inside the matrix");
  LOWBIT_EXPECTS(x.size() == tokens * w.cols, "gemm: x holds one float per column and token");
  LOWBIT_EXPECTS(y.size() == tokens * w.rows, "gemm: y holds one float per row and token");
  return kernel::gemm(Isa{}, w, rows, x, y, tokens);
}

/// Y = Ŵ·X for all rows.
template <class Isa = isa::native, Quantizer Q>
gemm_isa<Isa, Q> gemm(const PackedView<Q>& w, std::span<const float> x, std::span<float> y, std::size_t tokens) {
  return gemm<Isa>(w, RowRange{0, w.rows}, x, y, tokens);
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit
