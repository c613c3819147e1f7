// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>

#include "lowbit/core/isa.hpp"
#include "lowbit/quantizer/concept.hpp"

#if LOWBIT_HAS_AVX2
#include <immintrin.h>
#endif

/// Codes to points, a register at a time: by permutation where the table fits registers, by arithmetic where the points
/// are evenly spaced. (Larger tables are left to scalar loads: on Zen 4 a gather is slower than they are.)

namespace lowbit {

/// Quantizers whose weights are scale · levels[code], or scale · levels[code] − offset where a point has an offset: both
/// operations rounded.
template <class Q>
concept LevelQuantizer = Quantizer<Q> && Q::format_type::dim == 1 && requires(const point_params_t<Q> p) {
  { Q::levels[0] } -> std::convertible_to<float>;
  { Q::levels.size() } -> std::convertible_to<std::size_t>;
  { p.scale } -> std::convertible_to<float>;
};

template <class Q>
inline constexpr bool has_offset = requires(const point_params_t<Q> p) { p.offset; };

namespace kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// What is known of Q's levels at compile time.
template <LevelQuantizer Q>
struct LevelFacts {
  static constexpr std::size_t count = Q::levels.size();
  /// levels[c] == (c + first) · step for every code, in float arithmetic.
  static constexpr float step = count > 1 ? Q::levels[1] - Q::levels[0] : 1.0f;
  static constexpr float first = step != 0.0f ? Q::levels[0] / step : 0.0f;
  static constexpr bool even = [] {
    if (!(step > 0.0f)) return false;
    for (std::size_t c = 0; c < count; ++c)
      if (!((static_cast<float>(c) + first) * step == Q::levels[c])) return false;
    return true;
  }();
  /// The table with room for whole registers; codes past the end never occur.
  static constexpr std::size_t room = (count + 15) / 16 * 16;
  alignas(64) static constexpr std::array<float, room> table = [] {
    std::array<float, room> all{};
    for (std::size_t c = 0; c < count; ++c) all[c] = Q::levels[c];
    return all;
  }();
};

/// Tables of at most `most` points, or any number of evenly spaced ones.
template <class Q, std::size_t most>
concept RegisterLevels = LevelQuantizer<Q> && (LevelFacts<Q>::even || LevelFacts<Q>::count <= most);

#if LOWBIT_HAS_AVX2
/// Points of eight codes.
template <RegisterLevels<32> Q>
class LevelTableAvx2 {
 public:
  LOWBIT_ALWAYS_INLINE LevelTableAvx2() noexcept {
    if constexpr (!Facts::even)
      for (std::size_t i = 0; i < registers; ++i) part_[i] = _mm256_load_ps(Facts::table.data() + 8 * i);
  }
  LOWBIT_ALWAYS_INLINE __m256 operator()(__m256i c) const noexcept {
    if constexpr (Facts::even) {
      const __m256 sum = _mm256_add_ps(_mm256_cvtepi32_ps(c), _mm256_set1_ps(Facts::first));
      return Facts::step == 1.0f ? sum : _mm256_mul_ps(sum, _mm256_set1_ps(Facts::step));
    } else if constexpr (Facts::count <= 8) {
      return _mm256_permutevar8x32_ps(part_[0], c);
    } else if constexpr (Facts::count <= 16) {
      return of_sixteen(part_[0], part_[1], c);
    } else {
      return _mm256_blendv_ps(of_sixteen(part_[0], part_[1], c), of_sixteen(part_[2], part_[3], c),
                              _mm256_castsi256_ps(_mm256_slli_epi32(c, 27)));
    }
  }

 private:
  using Facts = LevelFacts<Q>;
  static constexpr std::size_t registers = Facts::even ? 1 : Facts::room / 8;
  LOWBIT_ALWAYS_INLINE static __m256 of_sixteen(__m256 low, __m256 high, __m256i c) noexcept {
    return _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, c), _mm256_permutevar8x32_ps(high, c),
                            _mm256_castsi256_ps(_mm256_slli_epi32(c, 28)));
  }
  __m256 part_[registers];
};
#endif

#if LOWBIT_HAS_AVX512
/// Points of sixteen codes.
template <RegisterLevels<64> Q>
class LevelTableAvx512 {
 public:
  LOWBIT_ALWAYS_INLINE LevelTableAvx512() noexcept {
    if constexpr (!Facts::even)
      for (std::size_t i = 0; i < registers; ++i) part_[i] = _mm512_load_ps(Facts::table.data() + 16 * i);
  }
  LOWBIT_ALWAYS_INLINE __m512 operator()(__m512i c) const noexcept {
    if constexpr (Facts::even) {
      const __m512 sum = _mm512_add_ps(_mm512_cvtepi32_ps(c), _mm512_set1_ps(Facts::first));
      return Facts::step == 1.0f ? sum : _mm512_mul_ps(sum, _mm512_set1_ps(Facts::step));
    } else if constexpr (Facts::count <= 16) {
      return _mm512_permutexvar_ps(c, part_[0]);
    } else if constexpr (Facts::count <= 32) {
      return _mm512_permutex2var_ps(part_[0], c, part_[1]);
    } else {
      constexpr std::size_t last = registers - 1;
      return _mm512_mask_blend_ps(_mm512_test_epi32_mask(c, _mm512_set1_epi32(32)),
                                  _mm512_permutex2var_ps(part_[0], c, part_[1]),
                                  _mm512_permutex2var_ps(part_[2], c, part_[last]));
    }
  }

 private:
  using Facts = LevelFacts<Q>;
  static constexpr std::size_t registers = Facts::even ? 1 : Facts::room / 16;
  __m512 part_[registers];
};
#endif

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace kernel
}  // namespace lowbit
