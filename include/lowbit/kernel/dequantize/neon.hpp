// SPDX-License-Identifier: MIT
#pragma once

#include "lowbit/core/isa.hpp"

#if LOWBIT_HAS_NEON
#include <arm_neon.h>

#include "lowbit/kernel/dequantize/eights.hpp"
#include "lowbit/kernel/simd/stripe.hpp"

/// Eight weights at a time: codes to bytes in a general register, ushll and ucvtf (bytes to floats), then the definition's
/// one subtraction and one product.

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// dequantize/scalar.hpp, bit by bit, for uniform grids of 2 to 8 bits. Groups whose size is not a multiple of 8 take the
/// scalar tile.
template <int B, UniformOptions O>
isa::neon dequantize(isa::neon, const PackedView<Uniform<Int<B>, O>>& w, RowRange rows, ColumnRange columns,
                     std::span<float> out) noexcept {
  if (!lanes_hold_one_group(w.groups())) {
    dequantize(isa::scalar{}, w, rows, columns, out);
    return {};
  }
  for_each_eight(w, rows, columns, out.data(), [](std::uint64_t codes, float scale, float zero_point, float* to)
                                                   LOWBIT_INLINE_LAMBDA {
    const uint16x8_t c = vmovl_u8(vcreate_u8(codes));
    const float32x4_t zero = vdupq_n_f32(zero_point);
    vst1q_f32(to, vmulq_n_f32(vsubq_f32(vcvtq_f32_u32(vmovl_u16(vget_low_u16(c))), zero), scale));
    vst1q_f32(to + 4, vmulq_n_f32(vsubq_f32(vcvtq_f32_u32(vmovl_u16(vget_high_u16(c))), zero), scale));
  });
  return {};
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
#endif
