// SPDX-License-Identifier: MIT
#pragma once

#include <span>

#include "lowbit/kernel/gemm/scalar.hpp"

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// y[r] = Σ_c ŵ(r, c)·x[c] for the named rows: the product with one token.
template <Quantizer Q>
isa::scalar gemv(isa::scalar tag, const PackedView<Q>& w, RowRange rows, std::span<const float> x,
                 std::span<float> y) noexcept {
  return gemm(tag, w, rows, x, y, 1);
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
