// SPDX-License-Identifier: MIT
#pragma once

#include "lowbit/kernel/int8_activations/scalar.hpp"

#if LOWBIT_HAS_NEON
#include <arm_neon.h>

#include <cstring>

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// Lives on umax (over the bits of magnitudes), fcvtns, which has its own rounding mode, and xtn.
inline float quantize_token(isa::neon, const Int8Shape& shape, const float* x, std::int8_t* codes,
                            std::int32_t* sums) noexcept {
  uint32x4_t most = vdupq_n_u32(0);
  std::size_t at = 0;
  for (; at + 4 <= shape.cols; at += 4)
    most = vmaxq_u32(most, vandq_u32(vreinterpretq_u32_f32(vld1q_f32(x + at)), vdupq_n_u32(0x7fffffff)));
  std::uint32_t largest = vmaxvq_u32(most);
  for (; at < shape.cols; ++at) largest = std::max(largest, std::bit_cast<std::uint32_t>(x[at]) & 0x7fffffffu);
  const Int8Scale s = int8_scale(largest);
  std::memset(codes, 0, shape.pitch());
  for (std::size_t i = 0; i < shape.runs(); ++i) {
    sums[i] = shape.kept(0);
    if (s.inverse == 0.0f) continue;
    const std::size_t begin = i * shape.run, count = std::min(shape.run, shape.cols - begin);
    const float* const from = x + begin;
    std::int8_t* const to = codes + i * shape.run_stride;
    const auto four = [&](std::size_t k) LOWBIT_INLINE_LAMBDA {
      return vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(from + k), s.inverse));
    };
    int32x4_t sum = vdupq_n_s32(0);
    std::size_t c = 0;
    for (; c + 16 <= count; c += 16) {
      const int32x4_t v0 = four(c), v1 = four(c + 4), v2 = four(c + 8), v3 = four(c + 12);
      sum = vaddq_s32(sum, vaddq_s32(vaddq_s32(v0, v1), vaddq_s32(v2, v3)));
      const int16x8_t low = vcombine_s16(vmovn_s32(v0), vmovn_s32(v1)), high = vcombine_s16(vmovn_s32(v2), vmovn_s32(v3));
      vst1q_s8(to + c, vcombine_s8(vmovn_s16(low), vmovn_s16(high)));
    }
    std::int32_t all = vaddvq_s32(sum);
    for (; c < count; ++c) {
      const auto code = static_cast<std::int32_t>(round_half_even(from[c] * s.inverse));
      to[c] = static_cast<std::int8_t>(code);
      all += code;
    }
    sums[i] = shape.kept(all);
  }
  return s.scale;
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
#endif
