// SPDX-License-Identifier: MIT
#pragma once

#include "lowbit/core/isa.hpp"

#if LOWBIT_HAS_AVX512
#include "lowbit/kernel/gemm_int8/panels.hpp"
#include "lowbit/kernel/gemm_int8/requantized.hpp"
#include "lowbit/kernel/simd/bytes_avx512.hpp"

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

template <PanelQuantizer Q>
isa::avx512 gemm(isa::avx512, const PanelView<Q, compute::int8>& w, RowRange rows, const Int8View& x,
                 std::span<float> y) noexcept {
  gemm_by_panels<BytesAvx512>(w, rows, x, y);
  return {};
}
template <Quantizer Q>
isa::avx512 gemm(isa::avx512, const PackedView<Q>& w, RowRange rows, const Int8View& x, std::span<float> y) noexcept {
  gemm_by_requantizing<BytesAvx512>(weight_source<isa::avx512, requantized_run, requantized_slice>(w), rows, x, y.data());
  return {};
}

#if LOWBIT_HAS_AVX512_VNNI
template <PanelQuantizer Q>
isa::avx512_vnni gemm(isa::avx512_vnni, const PanelView<Q, compute::int8>& w, RowRange rows, const Int8View& x,
                      std::span<float> y) noexcept {
  gemm_by_panels<BytesAvx512Vnni>(w, rows, x, y);
  return {};
}
template <Quantizer Q>
isa::avx512_vnni gemm(isa::avx512_vnni, const PackedView<Q>& w, RowRange rows, const Int8View& x,
                      std::span<float> y) noexcept {
  gemm_by_requantizing<BytesAvx512Vnni>(weight_source<isa::avx512, requantized_run, requantized_slice>(w), rows, x,
                                        y.data());
  return {};
}
#endif

#if LOWBIT_HAS_AVX512_VBMI
/// Only tables of 64 and more bytes are better here.
template <PanelQuantizer Q>
  requires(PanelStorage<Q>::table >= 64 || std::is_same_v<typename PanelStorage<Q>::Codes, PanelE8p> ||
           trit_codes<typename PanelStorage<Q>::Codes>)
isa::avx512_vbmi gemm(isa::avx512_vbmi, const PanelView<Q, compute::int8>& w, RowRange rows, const Int8View& x,
                      std::span<float> y) noexcept {
  gemm_by_panels<BytesAvx512Vbmi>(w, rows, x, y);
  return {};
}
#endif

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
#endif
