// SPDX-License-Identifier: MIT
#pragma once

#include "lowbit/core/isa.hpp"

#if LOWBIT_HAS_AVX2
#include "lowbit/kernel/gemm_int8/panels.hpp"
#include "lowbit/kernel/gemm_int8/requantized.hpp"
#include "lowbit/kernel/simd/bytes_avx2.hpp"

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

template <PanelQuantizer Q>
isa::avx2 gemm(isa::avx2, const PanelView<Q, compute::int8>& w, RowRange rows, const Int8View& x,
               std::span<float> y) noexcept {
  gemm_by_panels<BytesAvx2>(w, rows, x, y);
  return {};
}
template <Quantizer Q>
isa::avx2 gemm(isa::avx2, const PackedView<Q>& w, RowRange rows, const Int8View& x, std::span<float> y) noexcept {
  gemm_by_requantizing<BytesAvx2>(weight_source<isa::avx2, requantized_run, requantized_slice>(w), rows, x, y.data());
  return {};
}

#if LOWBIT_HAS_AVX2_VNNI
template <PanelQuantizer Q>
isa::avx2_vnni gemm(isa::avx2_vnni, const PanelView<Q, compute::int8>& w, RowRange rows, const Int8View& x,
                    std::span<float> y) noexcept {
  gemm_by_panels<BytesAvx2Vnni>(w, rows, x, y);
  return {};
}
template <Quantizer Q>
isa::avx2_vnni gemm(isa::avx2_vnni, const PackedView<Q>& w, RowRange rows, const Int8View& x,
                    std::span<float> y) noexcept {
  gemm_by_requantizing<BytesAvx2Vnni>(weight_source<isa::avx2, requantized_run, requantized_slice>(w), rows, x, y.data());
  return {};
}
#endif

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
#endif
