// SPDX-License-Identifier: MIT
#pragma once

#include "lowbit/core/isa.hpp"

#if LOWBIT_HAS_AVX512
#include <immintrin.h>

#include "lowbit/kernel/gemm_add/tile.hpp"

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// Sixteen rows to a register. Lives on vpermps for tables of 16 sums and vpermi2ps for those of 32: both read no other bits
/// of an index than they need, so a shift is all that fields cost.
struct SumsAvx512 {
  static constexpr std::size_t rows = 16;
  using Words = __m512i;
  using Floats = __m512;

  template <class F>
  struct Table {
    __m512 low, high;
    LOWBIT_ALWAYS_INLINE explicit Table(const float* t) noexcept : low(_mm512_loadu_ps(t)) {
      if constexpr (F::entries == 32) high = _mm512_loadu_ps(t + 16);
    }
    template <std::size_t At>
    LOWBIT_ALWAYS_INLINE Floats look_up(Words word) const noexcept {
      const __m512i index = At == 0 ? word : _mm512_maskz_srli_epi32(0xffff, word, static_cast<unsigned>(At));
      if constexpr (F::entries == 32)
        return _mm512_permutex2var_ps(low, index, high);
      else
        return _mm512_maskz_permutexvar_ps(0xffff, index, low);
    }
  };

  LOWBIT_ALWAYS_INLINE static Words load(const std::uint8_t* p) noexcept { return _mm512_loadu_si512(p); }
  LOWBIT_ALWAYS_INLINE static Floats zero() noexcept { return _mm512_setzero_ps(); }
  LOWBIT_ALWAYS_INLINE static Floats add(Floats a, Floats b) noexcept { return _mm512_add_ps(a, b); }
  LOWBIT_ALWAYS_INLINE static Floats fma(Floats a, Floats b, Floats c) noexcept { return _mm512_fmadd_ps(a, b, c); }
  LOWBIT_ALWAYS_INLINE static Floats load_floats(const float* p) noexcept { return _mm512_loadu_ps(p); }
  LOWBIT_ALWAYS_INLINE static void store_floats(float* p, Floats v) noexcept { _mm512_storeu_ps(p, v); }
};

template <AddQuantizer Q>
isa::avx512 gemm(isa::avx512, const AddPanelView<Q>& w, RowRange rows, const AddView<typename AddLevels<Q>::Fields>& x,
                 std::span<float> y) noexcept {
  gemm_by_sums<SumsAvx512>(add_source(w), rows, x, y.data());
  return {};
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
#endif
