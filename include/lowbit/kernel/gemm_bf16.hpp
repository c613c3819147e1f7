// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "lowbit/core/contract.hpp"
#include "lowbit/kernel/compute.hpp"
#include "lowbit/kernel/gemm_bf16/avx2.hpp"
#include "lowbit/kernel/gemm_bf16/avx512.hpp"
#include "lowbit/kernel/gemm_bf16/neon.hpp"
#include "lowbit/kernel/gemm_bf16/scalar.hpp"

namespace lowbit {
inline namespace LOWBIT_ISA_NAMESPACE {

/// The tag of the instruction set that multiplies Q in compute::bf16 when Isa is asked for.
template <class Isa, Quantizer Q>
using gemm_bf16_isa = decltype(kernel::gemm(Isa{}, std::declval<const PackedView<Q>&>(), RowRange{},
                                            std::declval<const Bf16View&>(), std::span<float>{}));

/// y[t·w.rows + r] = Σ_c bf16(ŵ(r, c))·x[t, c] for every token t and the rows of `rows`, in compute::bf16; the other
/// elements of y stay as they are. For many tokens, where it is twice as fast as compute::f32 and rounds less than int8.
///
///   w     consistent() holds
///   rows  inside the matrix; best cut at multiples of 32
///   x     x.cols == w.cols
///   y     x.tokens · w.rows floats, each token's vector contiguous; does not overlap x
///
/// The bits of an output do not depend on `rows` or the number of tokens, and on the instruction set only where subnormal
/// numbers occur. With n = w.cols, u = 2^-24 and b = 2^-8, the error against Ŵ·x of the float activations is at most
///
///   ((1 + b)²(1 + γ_n) − 1)·Σ|ŵ||x| + 2^-125·Σ(|ŵ| + |x| + 1)
///
/// Cost     2·cols operations per output, two to a fused product; each weight is dequantized once for 512 tokens; no
///          allocation; about 130 KiB of stack.
template <class Isa = isa::native, Quantizer Q>
gemm_bf16_isa<Isa, Q> gemm(const PackedView<Q>& w, RowRange rows, const Bf16View& x, std::span<float> y) {
  LOWBIT_EXPECTS(w.consistent(), "gemm: the spans of the view fit its shape");
  LOWBIT_EXPECTS(rows.begin <= rows.end && rows.end <= w.rows, "gemm: the rows lie inside the matrix");
  LOWBIT_EXPECTS(x.consistent() && x.cols == w.cols, "gemm: the activations have one value per column");
  LOWBIT_EXPECTS(y.size() == x.tokens * w.rows, "gemm: y holds one float per row and token");
  return kernel::gemm(Isa{}, w, rows, x, y);
}

/// All rows.
template <class Isa = isa::native, Quantizer Q>
gemm_bf16_isa<Isa, Q> gemm(const PackedView<Q>& w, const Bf16View& x, std::span<float> y) {
  return gemm<Isa>(w, RowRange{0, w.rows}, x, y);
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit
