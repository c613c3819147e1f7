// SPDX-License-Identifier: MIT
#pragma once

#include "lowbit/core/isa.hpp"

#if LOWBIT_HAS_NEON
#include "lowbit/kernel/gemm_int8/panels.hpp"
#include "lowbit/kernel/gemm_int8/requantized.hpp"
#include "lowbit/kernel/simd/bytes_neon.hpp"

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

template <PanelQuantizer Q>
isa::neon gemm(isa::neon, const PanelView<Q, compute::int8>& w, RowRange rows, const Int8View& x,
               std::span<float> y) noexcept {
  gemm_by_panels<BytesNeon>(w, rows, x, y);
  return {};
}
template <Quantizer Q>
isa::neon gemm(isa::neon, const PackedView<Q>& w, RowRange rows, const Int8View& x, std::span<float> y) noexcept {
  gemm_by_requantizing<BytesNeon>(weight_source<isa::neon, requantized_run, requantized_slice>(w), rows, x, y.data());
  return {};
}

#if LOWBIT_HAS_NEON_DOTPROD
template <PanelQuantizer Q>
isa::neon_dotprod gemm(isa::neon_dotprod, const PanelView<Q, compute::int8>& w, RowRange rows, const Int8View& x,
                       std::span<float> y) noexcept {
  gemm_by_panels<BytesNeonDotprod>(w, rows, x, y);
  return {};
}
template <Quantizer Q>
isa::neon_dotprod gemm(isa::neon_dotprod, const PackedView<Q>& w, RowRange rows, const Int8View& x,
                       std::span<float> y) noexcept {
  gemm_by_requantizing<BytesNeonDotprod>(weight_source<isa::neon, requantized_run, requantized_slice>(w), rows, x,
                                         y.data());
  return {};
}
#endif

#if LOWBIT_HAS_NEON_I8MM
template <PanelQuantizer Q>
isa::neon_i8mm gemm(isa::neon_i8mm, const PanelView<Q, compute::int8>& w, RowRange rows, const Int8View& x,
                    std::span<float> y) noexcept {
  gemm_by_panels<BytesNeonI8mm>(w, rows, x, y);
  return {};
}
template <Quantizer Q>
isa::neon_i8mm gemm(isa::neon_i8mm, const PackedView<Q>& w, RowRange rows, const Int8View& x,
                    std::span<float> y) noexcept {
  gemm_by_requantizing<BytesNeonI8mm>(weight_source<isa::neon, requantized_run, requantized_slice>(w), rows, x, y.data());
  return {};
}
#endif

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
#endif
