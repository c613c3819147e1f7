// SPDX-License-Identifier: MIT
#pragma once

#include "lowbit/core/isa.hpp"

#if LOWBIT_HAS_NEON
#include "lowbit/kernel/simd/lanes_neon.hpp"
#include "lowbit/kernel/simd/product.hpp"

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// gemv/scalar.hpp for uniform grids of 2 to 8 bits, any group size and storage.
template <int B, UniformOptions O>
isa::neon gemv(isa::neon, const PackedView<Uniform<Int<B>, O>>& w, RowRange rows, std::span<const float> x,
               std::span<float> y) noexcept {
  gemv_by_stripes<LanesNeon>(w, rows, x, y);
  return {};
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
#endif
