// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "lowbit/core/contract.hpp"
#include "lowbit/kernel/gemm_int8/avx2.hpp"
#include "lowbit/kernel/gemm_int8/avx512.hpp"
#include "lowbit/kernel/gemm_int8/scalar.hpp"

namespace lowbit {
inline namespace LOWBIT_ISA_NAMESPACE {

/// The tag of the instruction set that multiplies panels of Q in compute::int8 when Isa is asked for.
template <class Isa, PanelQuantizer Q>
using gemm_int8_isa = decltype(kernel::gemm(Isa{}, std::declval<const PanelView<Q, compute::int8>&>(), RowRange{},
                                            std::declval<const Int8View&>(), std::span<float>{}));

/// How activations must lie for products with w.
template <PanelQuantizer Q>
constexpr Int8Shape int8_shape(const PanelView<Q, compute::int8>& w) noexcept {
  const kernel::PanelShape shape = w.shape();
  using Levels = kernel::PanelLevels<Q>;
  return {.cols = w.cols,
          .run = shape.run,
          .run_stride = shape.run_stride(),
          .offset = Levels::kind == kernel::PanelOffset::constant ? Levels::offset : 1,
          .real = Levels::kind == kernel::PanelOffset::real};
}

/// y[t·w.rows + r] = Σ_c ŵ(r, c)·x̂[t, c] for every token t and the rows of `rows`, x̂ the activations as int8 holds them;
/// the other elements of y stay as they are. gemv is gemm of one token.
///
///   w     consistent() holds
///   rows  inside the matrix; panels that it cuts are computed whole, so cut at multiples of 16
///   x     x.shape == int8_shape(w)
///   y     x.tokens · w.rows floats, each token's vector contiguous; does not overlap x
///
/// The bits of an output do not depend on the instruction set, `rows` or the number of tokens. Against Ŵ·x of the float
/// activations, with s the token's scale, u = 2^-24, n the runs of a row and e = 0 where the points of Q are exact in
/// bytes (PanelLevels<Q>::exact), otherwise half a step of its scale, the error is at most
///
///   Σ (|ŵ| + e)·(s/2)(1 + 2^-15) + Σ e·|x| + γ_{n+4}·Σ (|byte − offset|·scale + |m|)·|x̂|
///
/// Cost     2·cols operations per output, four to a product of bytes; one multiply-add of floats per run (two for formats
///          with real offsets); no allocation; about 40 KiB of stack.
template <class Isa = isa::native, PanelQuantizer Q>
gemm_int8_isa<Isa, Q> gemm(const PanelView<Q, compute::int8>& w, RowRange rows, const Int8View& x, std::span<float> y) {
  LOWBIT_EXPECTS(w.consistent(), "gemm: the spans of the panels fit their shape");
  LOWBIT_EXPECTS(rows.begin <= rows.end && rows.end <= w.rows, "gemm: the rows lie inside the matrix");
  LOWBIT_EXPECTS(x.consistent() && x.shape == int8_shape(w), "gemm: the activations lie as int8_shape says");
  LOWBIT_EXPECTS(y.size() == x.tokens * w.rows, "gemm: y holds one float per row and token");
  return kernel::gemm(Isa{}, w, rows, x, y);
}

/// Y = Ŵ·X̂ for all rows.
template <class Isa = isa::native, PanelQuantizer Q>
gemm_int8_isa<Isa, Q> gemm(const PanelView<Q, compute::int8>& w, const Int8View& x, std::span<float> y) {
  return gemm<Isa>(w, RowRange{0, w.rows}, x, y);
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit
