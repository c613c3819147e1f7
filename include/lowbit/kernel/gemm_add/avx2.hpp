// SPDX-License-Identifier: MIT
#pragma once

#include "lowbit/core/isa.hpp"

#if LOWBIT_HAS_AVX2
#include <immintrin.h>

#include "lowbit/kernel/gemm_add/tile.hpp"

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// Eight rows to a register. Lives on vpermd, which reads three bits of an index; the fourth chooses between two registers
/// by vblendvps, and the sign of a trit field is xor-ed in.
struct SumsAvx2 {
  static constexpr std::size_t rows = 8;
  using Words = __m256i;
  using Floats = __m256;

  template <class F>
  struct Table {
    __m256 low, high;
    LOWBIT_ALWAYS_INLINE explicit Table(const float* t) noexcept : low(_mm256_loadu_ps(t)), high(_mm256_loadu_ps(t + 8)) {}
    /// The entry that the bits from At on name.
    template <std::size_t At>
    LOWBIT_ALWAYS_INLINE Floats look_up(Words word) const noexcept {
      const __m256i index = At == 0 ? word : _mm256_srli_epi32(word, static_cast<int>(At));
      const __m256 a = _mm256_permutevar8x32_ps(low, index), b = _mm256_permutevar8x32_ps(high, index);
      const __m256 found = _mm256_blendv_ps(a, b, _mm256_castsi256_ps(_mm256_slli_epi32(word, static_cast<int>(28 - At))));
      if constexpr (F::negated_half) {
        const __m256 sign = _mm256_castsi256_ps(_mm256_slli_epi32(word, static_cast<int>(27 - At)));
        return _mm256_xor_ps(found, _mm256_and_ps(sign, _mm256_set1_ps(-0.0f)));
      } else {
        return found;
      }
    }
  };

  LOWBIT_ALWAYS_INLINE static Words load(const std::uint8_t* p) noexcept {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  LOWBIT_ALWAYS_INLINE static Floats zero() noexcept { return _mm256_setzero_ps(); }
  LOWBIT_ALWAYS_INLINE static Floats add(Floats a, Floats b) noexcept { return _mm256_add_ps(a, b); }
  LOWBIT_ALWAYS_INLINE static Floats fma(Floats a, Floats b, Floats c) noexcept { return _mm256_fmadd_ps(a, b, c); }
  LOWBIT_ALWAYS_INLINE static Floats load_floats(const float* p) noexcept { return _mm256_loadu_ps(p); }
  LOWBIT_ALWAYS_INLINE static void store_floats(float* p, Floats v) noexcept { _mm256_storeu_ps(p, v); }
};

template <AddQuantizer Q>
isa::avx2 gemm(isa::avx2, const AddPanelView<Q>& w, RowRange rows, const AddView<typename AddLevels<Q>::Fields>& x,
               std::span<float> y) noexcept {
  gemm_by_sums<SumsAvx2>(add_source(w), rows, x, y.data());
  return {};
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
#endif
