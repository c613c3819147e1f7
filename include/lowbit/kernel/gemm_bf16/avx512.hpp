// SPDX-License-Identifier: MIT
#pragma once

#include "lowbit/core/isa.hpp"

#if LOWBIT_HAS_AVX512
#include "lowbit/kernel/gemm_bf16/tile.hpp"
#include "lowbit/kernel/simd/pairs_avx512.hpp"

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

template <Quantizer Q>
isa::avx512 gemm(isa::avx512, const PackedView<Q>& w, RowRange rows, const Bf16View& x, std::span<float> y) noexcept {
  gemm_by_pairs<PairsAvx512>(weight_source<isa::avx512, 2, pair_slice>(w), rows, x, y.data());
  return {};
}

#if LOWBIT_HAS_AVX512_BF16
template <Quantizer Q>
isa::avx512_bf16 gemm(isa::avx512_bf16, const PackedView<Q>& w, RowRange rows, const Bf16View& x,
                      std::span<float> y) noexcept {
  gemm_by_pairs<PairsAvx512Bf16>(weight_source<isa::avx512, 2, pair_slice>(w), rows, x, y.data());
  return {};
}
#endif

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
#endif
