// SPDX-License-Identifier: MIT
#pragma once

#include "lowbit/core/isa.hpp"

#if LOWBIT_HAS_NEON
#include "lowbit/kernel/gemm_bf16/tile.hpp"
#include "lowbit/kernel/simd/pairs_neon.hpp"

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

template <Quantizer Q>
isa::neon gemm(isa::neon, const PackedView<Q>& w, RowRange rows, const Bf16View& x, std::span<float> y) noexcept {
  gemm_by_pairs<PairsNeon>(weight_source<isa::neon, 2, pair_slice>(w), rows, x, y.data());
  return {};
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
#endif
