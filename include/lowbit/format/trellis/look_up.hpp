// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "lowbit/core/float16.hpp"
#include "lowbit/core/isa.hpp"
#include "lowbit/core/rng.hpp"

#if LOWBIT_HAS_AVX2
#include <immintrin.h>
#endif

namespace lowbit::trellis {

/// RPTC, the random code: every state's point is drawn from N(0, 1) once and for all, 2^16 · Dim numbers rounded to f16
/// (and kept as floats: 256 KiB per dimension). What computed codes are compared with.
///
///   Dim   1 or 2 weights per state
///   Seed  of the draws; state s has draws Dim·s … of stream 0
///
/// The table is made at the first use, by one thread while others wait. Rounding to f16 hides the last digits of
/// <cmath>, so the table is the same everywhere; tests hold its checksum. Source: Tseng et al., "QTIP",
/// arXiv:2406.11235.
template <int Dim = 1, std::uint64_t Seed = 0>
struct LookUp {
  static_assert(Dim == 1 || Dim == 2, "trellis::LookUp draws one or two weights per state.");
  static constexpr std::size_t dim = Dim;
  static constexpr int max_state_bits = 16;
  static constexpr std::string_view name = Dim == 1 ? "lut" : "lut2";
  static constexpr float rms = 1.0f;

  /// State s has its point at [Dim·s, Dim·s + Dim).
  static std::span<const float> table() noexcept {
    static const std::vector<float> drawn = [] {
      Rng rng(Seed);
      std::vector<float> y(dim << max_state_bits);
      for (float& v : y) v = static_cast<float>(f16(static_cast<float>(rng.normal())));
      return y;
    }();
    return drawn;
  }

  static void value(std::uint32_t state, std::span<float, dim> y) noexcept {
    std::copy_n(table().data() + dim * state, dim, y.data());
  }

#if LOWBIT_HAS_AVX2
  LOWBIT_ALWAYS_INLINE static void values(isa::avx2, __m256i states, __m256 (&y)[dim]) noexcept {
    const float* const from = table().data();
    for (int v = 0; v < Dim; ++v) y[v] = _mm256_i32gather_ps(from + v, states, Dim * 4);
  }
#endif
#if LOWBIT_HAS_AVX512
  LOWBIT_ALWAYS_INLINE static void values(isa::avx512, __m512i states, __m512 (&y)[dim]) noexcept {
    const float* const from = table().data();
    for (int v = 0; v < Dim; ++v) y[v] = _mm512_i32gather_ps(states, from + v, Dim * 4);
  }
#endif
};

}  // namespace lowbit::trellis
