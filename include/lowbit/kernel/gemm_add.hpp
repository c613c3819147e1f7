// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "lowbit/core/contract.hpp"
#include "lowbit/kernel/gemm_add/avx2.hpp"
#include "lowbit/kernel/gemm_add/avx512.hpp"
#include "lowbit/kernel/gemm_add/neon.hpp"
#include "lowbit/kernel/gemm_add/scalar.hpp"

namespace lowbit {
inline namespace LOWBIT_ISA_NAMESPACE {

/// The sums that panels of Q look up.
template <AddQuantizer Q>
using add_fields = typename kernel::AddLevels<Q>::Fields;

/// The tag of the instruction set that multiplies panels of Q in compute::add when Isa is asked for.
template <class Isa, AddQuantizer Q>
using gemm_add_isa = decltype(kernel::gemm(Isa{}, std::declval<const AddPanelView<Q>&>(), RowRange{},
                                           std::declval<const AddView<add_fields<Q>>&>(), std::span<float>{}));

/// How the sums of activations must lie for products with w.
template <AddQuantizer Q>
constexpr AddShape add_shape(const AddPanelView<Q>& w) noexcept {
  return w.places().shape;
}

/// y[t·w.rows + r] = Σ_c ŵ(r, c)·x[t, c] for every token t and the rows of `rows`, in compute::add: activations stay float,
/// weights are exact, and nothing is multiplied but the sum of a run, by its scale. The other elements of y stay as they
/// are. For one token or a few, where its look-ups take about as long as int8's byte products; the tables of many do not
/// fit the caches.
///
///   w     consistent() holds
///   rows  inside the matrix; panels that it cuts are computed whole, so cut at multiples of 64
///   x     x.shape == add_shape(w); made by sum_activations
///   y     x.tokens · w.rows floats, each token's vector contiguous; does not overlap x
///
/// The bits of an output do not depend on the instruction set, `rows` or the number of tokens. An activation that is NaN or
/// infinite reaches the rows that add it, not those where its weight is 0. With u = 2^-24, n the columns of a run, c those
/// of a field, N = c + whole words of fields in n, and P the number of multiply-adds of a row (runs × planes × parts), the
/// error is at most
///
///   γ_{N+P}·Σ |scale|·|x| over all planes' weights that are not 0
///
/// Cost     one look-up and one addition per field of 3 trits, 4 signs or, for each part, 2 phases; no allocation; about
///          5 KiB of stack.
/// Source   Look-up tables for low-bit weights: T-MAC, arXiv:2407.00088; bitnet.cpp, arXiv:2502.11880. There activations are
///          int8 and tables are bytes; ours are floats, 16 or 32 of which fit one permutation.
template <class Isa = isa::native, AddQuantizer Q>
gemm_add_isa<Isa, Q> gemm(const AddPanelView<Q>& w, RowRange rows, const AddView<add_fields<Q>>& x, std::span<float> y) {
  LOWBIT_EXPECTS(w.consistent(), "gemm: the spans of the panels fit their shape");
  LOWBIT_EXPECTS(rows.begin <= rows.end && rows.end <= w.rows, "gemm: the rows lie inside the matrix");
  LOWBIT_EXPECTS(x.consistent() && x.shape == add_shape(w), "gemm: the sums lie as add_shape says");
  LOWBIT_EXPECTS(y.size() == x.tokens * w.rows, "gemm: y holds one float per row and token");
  return kernel::gemm(Isa{}, w, rows, x, y);
}

/// Y = Ŵ·X for all rows.
template <class Isa = isa::native, AddQuantizer Q>
gemm_add_isa<Isa, Q> gemm(const AddPanelView<Q>& w, const AddView<add_fields<Q>>& x, std::span<float> y) {
  return gemm<Isa>(w, RowRange{0, w.rows}, x, y);
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit
