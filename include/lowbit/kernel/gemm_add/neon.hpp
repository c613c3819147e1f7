// SPDX-License-Identifier: MIT
#pragma once

#include "lowbit/core/isa.hpp"

#if LOWBIT_HAS_NEON
#include <arm_neon.h>

#include "lowbit/kernel/gemm_add/tile.hpp"

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// Four rows to a register. Lives on tbl of four registers, which hold 16 floats; the sign of a trit field is xor-ed in.
struct SumsNeon {
  static constexpr std::size_t rows = 4;
  using Words = uint32x4_t;
  using Floats = float32x4_t;

  template <class F>
  struct Table {
    uint8x16x4_t entries;
    LOWBIT_ALWAYS_INLINE explicit Table(const float* t) noexcept {
      for (int i = 0; i < 4; ++i) entries.val[i] = vreinterpretq_u8_f32(vld1q_f32(t + 4 * i));
    }
    template <std::size_t At>
    LOWBIT_ALWAYS_INLINE Floats look_up(Words word) const noexcept {
      uint32x4_t index = word;
      if constexpr (At != 0) index = vshrq_n_u32(word, static_cast<int>(At));
      const uint32x4_t bytes =
          vmlaq_u32(vdupq_n_u32(0x03020100), vandq_u32(index, vdupq_n_u32(15)), vdupq_n_u32(0x04040404));
      const uint32x4_t found = vreinterpretq_u32_u8(vqtbl4q_u8(entries, vreinterpretq_u8_u32(bytes)));
      if constexpr (F::negated_half)
        return vreinterpretq_f32_u32(
            veorq_u32(found, vandq_u32(vshlq_n_u32(word, static_cast<int>(27 - At)), vdupq_n_u32(0x80000000u))));
      else
        return vreinterpretq_f32_u32(found);
    }
  };

  LOWBIT_ALWAYS_INLINE static Words load(const std::uint8_t* p) noexcept { return vreinterpretq_u32_u8(vld1q_u8(p)); }
  LOWBIT_ALWAYS_INLINE static Floats zero() noexcept { return vdupq_n_f32(0.0f); }
  LOWBIT_ALWAYS_INLINE static Floats add(Floats a, Floats b) noexcept { return vaddq_f32(a, b); }
  LOWBIT_ALWAYS_INLINE static Floats fma(Floats a, Floats b, Floats c) noexcept { return vfmaq_f32(c, a, b); }
  LOWBIT_ALWAYS_INLINE static Floats load_floats(const float* p) noexcept { return vld1q_f32(p); }
  LOWBIT_ALWAYS_INLINE static void store_floats(float* p, Floats v) noexcept { vst1q_f32(p, v); }
};

template <AddQuantizer Q>
isa::neon gemm(isa::neon, const AddPanelView<Q>& w, RowRange rows, const AddView<typename AddLevels<Q>::Fields>& x,
               std::span<float> y) noexcept {
  gemm_by_sums<SumsNeon>(add_source(w), rows, x, y.data());
  return {};
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
#endif
