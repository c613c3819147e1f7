// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "lowbit/core/contract.hpp"
#include "lowbit/kernel/gemm_int8/avx2.hpp"
#include "lowbit/kernel/gemm_int8/avx512.hpp"
#include "lowbit/kernel/gemm_int8/neon.hpp"
#include "lowbit/kernel/gemm_int8/requantized.hpp"
#include "lowbit/kernel/gemm_int8/scalar.hpp"

namespace lowbit {
inline namespace LOWBIT_ISA_NAMESPACE {

/// The tag of the instruction set that multiplies W in compute::int8 when Isa is asked for; W is a PanelView or PackedView.
template <class Isa, class W>
using gemm_int8_isa_of = decltype(kernel::gemm(Isa{}, std::declval<const W&>(), RowRange{}, std::declval<const Int8View&>(),
                                               std::span<float>{}));
template <class Isa, PanelQuantizer Q>
using gemm_int8_isa = gemm_int8_isa_of<Isa, PanelView<Q, compute::int8>>;

/// How activations must lie for products with w.
template <PanelQuantizer Q>
constexpr Int8Shape int8_shape(const PanelView<Q, compute::int8>& w) noexcept {
  const kernel::PanelShape shape = w.shape();
  using Levels = kernel::PanelLevels<Q>;
  return {.cols = w.cols,
          .run = shape.run,
          .run_stride = shape.run_stride(),
          .offset = Levels::kind == kernel::PanelOffset::constant ? Levels::offset : 1,
          .real = Levels::kind == kernel::PanelOffset::real,
          .vector = Q::format_type::dim};
}
template <Quantizer Q>
constexpr Int8Shape int8_shape(const PackedView<Q>& w) noexcept {
  return {.cols = w.cols, .run = kernel::requantized_run, .run_stride = kernel::requantized_run, .offset = 128};
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

/// The same from packed weights of any format, which become int8 on the way, with one scale for 32 columns of a row; for
/// quantizers that have no panels (vectors, trellises, points that a group computes). x.shape == int8_shape(w).
///
/// The bits of an output depend on neither the instruction set, `rows` nor the number of tokens. With m the largest |ŵ| of
/// the 32 columns and n = cols/32, the error against Ŵ·x of the float activations is at most
///
///   Σ (|ŵ| + m/254)·(s/2)(1 + 2^-15) + Σ m/254·(1 + 2^-15)·|x| + γ_{n+4}·Σ 2m·|x̂|
///
/// and 2^-100·Σ|x| where a run is all smaller than that.
/// Cost     as dequantizing all weights once for 512 tokens, and the product; no allocation; about 130 KiB of stack.
template <class Isa = isa::native, Quantizer Q>
gemm_int8_isa_of<Isa, PackedView<Q>> gemm(const PackedView<Q>& w, RowRange rows, const Int8View& x, std::span<float> y) {
  LOWBIT_EXPECTS(w.consistent(), "gemm: the spans of the view fit its shape");
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
template <class Isa = isa::native, Quantizer Q>
gemm_int8_isa_of<Isa, PackedView<Q>> gemm(const PackedView<Q>& w, const Int8View& x, std::span<float> y) {
  return gemm<Isa>(w, RowRange{0, w.rows}, x, y);
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit
