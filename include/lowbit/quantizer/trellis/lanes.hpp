// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "lowbit/core/isa.hpp"
#include "lowbit/quantizer/trellis/metric.hpp"

#if LOWBIT_HAS_AVX2
#include <immintrin.h>
#endif

/// The metrics of trellis searches a register at a time. `repeat<Shift>(m)` is a register whose lane i holds m[i >>
/// Shift]; `less` gives one bit per lane, lane 0 lowest.

namespace lowbit::trellis {

/// No registers: the search runs its scalar definition.
template <class Metric, class Isa>
struct Lanes {
  static constexpr std::size_t width = 1;
};

#if LOWBIT_HAS_AVX2

namespace detail {

template <class T>
LOWBIT_ALWAYS_INLINE T load_as(const void* from) noexcept {
  T x;
  std::memcpy(&x, from, sizeof x);
  return x;
}

template <class T, std::size_t Count>
struct alignas(64) Indices {
  T at[Count];
};

/// For a shuffle of bytes: 16-bit element i becomes element i >> Shift of a 16-byte pattern.
template <std::size_t Bytes, int Shift>
inline constexpr Indices<std::uint8_t, Bytes> word_repeats = [] {
  Indices<std::uint8_t, Bytes> t{};
  for (std::size_t i = 0; i < Bytes; ++i) t.at[i] = static_cast<std::uint8_t>((2 * ((i / 2) >> Shift) + i % 2) % 16);
  return t;
}();

/// For a permutation of 16-bit elements: element i becomes element i / 2.
inline constexpr Indices<std::uint16_t, 32> word_pairs = [] {
  Indices<std::uint16_t, 32> t{};
  for (std::size_t i = 0; i < 32; ++i) t.at[i] = static_cast<std::uint16_t>(i / 2);
  return t;
}();

}  // namespace detail

template <std::size_t V>
struct Lanes<FixedMetric<V>, isa::avx2> {
  static constexpr std::size_t width = 16;
  using vec = __m256i;
  using bits = std::uint16_t;

  LOWBIT_ALWAYS_INLINE static vec sample(std::int16_t x) noexcept { return _mm256_set1_epi16(x); }
  LOWBIT_ALWAYS_INLINE static vec cost(std::uint16_t x) noexcept { return _mm256_set1_epi16(static_cast<short>(x)); }
  LOWBIT_ALWAYS_INLINE static vec load(const void* m) noexcept {
    return _mm256_loadu_si256(static_cast<const vec*>(m));
  }
  LOWBIT_ALWAYS_INLINE static void store(void* m, vec x) noexcept { _mm256_storeu_si256(static_cast<vec*>(m), x); }
  template <int Shift>
  LOWBIT_ALWAYS_INLINE static vec repeat(const std::uint16_t* m) noexcept {
    if constexpr (Shift >= 4) {
      return _mm256_set1_epi16(static_cast<short>(*m));
    } else {
      vec x;
      if constexpr (Shift == 1) x = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(m)));
      if constexpr (Shift == 2) x = _mm256_set1_epi64x(detail::load_as<long long>(m));
      if constexpr (Shift == 3) x = _mm256_set1_epi32(detail::load_as<int>(m));
      return _mm256_shuffle_epi8(x, load(detail::word_repeats<32, Shift>.at));
    }
  }
  LOWBIT_ALWAYS_INLINE static vec distance(vec x, const std::int16_t* c) noexcept {
    const vec d = _mm256_sub_epi16(x, load(c));
    return _mm256_mulhrs_epi16(d, d);
  }
  LOWBIT_ALWAYS_INLINE static vec weighted(vec d, vec w) noexcept { return _mm256_mulhrs_epi16(d, w); }
  LOWBIT_ALWAYS_INLINE static vec add(vec a, vec b) noexcept { return _mm256_add_epi16(a, b); }
  LOWBIT_ALWAYS_INLINE static vec lower(vec a, vec base) noexcept {
    return _mm256_min_epu16(_mm256_sub_epi16(a, base), _mm256_set1_epi16(-0x8000));
  }
  LOWBIT_ALWAYS_INLINE static vec min(vec b, vec a) noexcept { return _mm256_min_epu16(b, a); }
  LOWBIT_ALWAYS_INLINE static bits less(vec b, vec a) noexcept {
    const vec not_less = _mm256_cmpeq_epi16(_mm256_min_epu16(b, a), a);
    const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(not_less), _mm256_extracti128_si256(not_less, 1));
    return static_cast<bits>(~_mm_movemask_epi8(bytes));
  }
  LOWBIT_ALWAYS_INLINE static std::uint16_t least(vec a) noexcept {
    const __m128i half = _mm_min_epu16(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    return static_cast<std::uint16_t>(_mm_extract_epi16(_mm_minpos_epu16(half), 0));
  }
};

template <>
struct Lanes<FloatMetric, isa::avx2> {
  static constexpr std::size_t width = 8;
  using vec = __m256;
  using bits = std::uint8_t;

  LOWBIT_ALWAYS_INLINE static vec sample(float x) noexcept { return _mm256_set1_ps(x); }
  LOWBIT_ALWAYS_INLINE static vec cost(float x) noexcept { return _mm256_set1_ps(x); }
  LOWBIT_ALWAYS_INLINE static vec load(const float* m) noexcept { return _mm256_loadu_ps(m); }
  LOWBIT_ALWAYS_INLINE static void store(float* m, vec x) noexcept { _mm256_storeu_ps(m, x); }
  template <int Shift>
  LOWBIT_ALWAYS_INLINE static vec repeat(const float* m) noexcept {
    if constexpr (Shift == 1) {
      const vec x = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(m)), _mm_loadu_ps(m), 1);
      return _mm256_permutevar_ps(x, _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3));
    } else if constexpr (Shift == 2) {
      const vec x = _mm256_castpd_ps(_mm256_set1_pd(detail::load_as<double>(m)));
      return _mm256_permutevar_ps(x, _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1));
    } else {
      return _mm256_set1_ps(*m);
    }
  }
  LOWBIT_ALWAYS_INLINE static vec distance(vec x, const float* c) noexcept {
    const vec d = _mm256_sub_ps(x, load(c));
    return _mm256_mul_ps(d, d);
  }
  LOWBIT_ALWAYS_INLINE static vec weighted(vec d, vec w) noexcept { return _mm256_mul_ps(d, w); }
  LOWBIT_ALWAYS_INLINE static vec add(vec a, vec b) noexcept { return _mm256_add_ps(a, b); }
  LOWBIT_ALWAYS_INLINE static vec lower(vec a, vec) noexcept { return a; }
  LOWBIT_ALWAYS_INLINE static vec min(vec b, vec a) noexcept { return _mm256_min_ps(b, a); }
  LOWBIT_ALWAYS_INLINE static bits less(vec b, vec a) noexcept {
    return static_cast<bits>(_mm256_movemask_ps(_mm256_cmp_ps(b, a, _CMP_LT_OQ)));
  }
  LOWBIT_ALWAYS_INLINE static float least(vec a) noexcept {
    alignas(32) float all[width];
    _mm256_store_ps(all, a);
    return *std::min_element(all, all + width);
  }
};

#endif
#if LOWBIT_HAS_AVX512

template <std::size_t V>
struct Lanes<FixedMetric<V>, isa::avx512> {
  static constexpr std::size_t width = 32;
  using vec = __m512i;
  using bits = std::uint32_t;

  LOWBIT_ALWAYS_INLINE static vec sample(std::int16_t x) noexcept { return _mm512_set1_epi16(x); }
  LOWBIT_ALWAYS_INLINE static vec cost(std::uint16_t x) noexcept { return _mm512_set1_epi16(static_cast<short>(x)); }
  LOWBIT_ALWAYS_INLINE static vec load(const void* m) noexcept { return _mm512_loadu_si512(m); }
  LOWBIT_ALWAYS_INLINE static void store(void* m, vec x) noexcept { _mm512_storeu_si512(m, x); }
  template <int Shift>
  LOWBIT_ALWAYS_INLINE static vec repeat(const std::uint16_t* m) noexcept {
    if constexpr (Shift >= 5) {
      return _mm512_set1_epi16(static_cast<short>(*m));
    } else if constexpr (Shift == 1) {
      return _mm512_permutexvar_epi16(load(detail::word_pairs.at),
                                      _mm512_castsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(m))));
    } else {
      vec x;
      if constexpr (Shift == 2) x = _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(m)));
      if constexpr (Shift == 3) x = _mm512_set1_epi64(detail::load_as<long long>(m));
      if constexpr (Shift == 4) x = _mm512_set1_epi32(detail::load_as<int>(m));
      return _mm512_shuffle_epi8(x, load(detail::word_repeats<64, Shift>.at));
    }
  }
  LOWBIT_ALWAYS_INLINE static vec distance(vec x, const std::int16_t* c) noexcept {
    const vec d = _mm512_sub_epi16(x, load(c));
    return _mm512_mulhrs_epi16(d, d);
  }
  LOWBIT_ALWAYS_INLINE static vec weighted(vec d, vec w) noexcept { return _mm512_mulhrs_epi16(d, w); }
  LOWBIT_ALWAYS_INLINE static vec add(vec a, vec b) noexcept { return _mm512_add_epi16(a, b); }
  LOWBIT_ALWAYS_INLINE static vec lower(vec a, vec base) noexcept {
    return _mm512_min_epu16(_mm512_sub_epi16(a, base), _mm512_set1_epi16(-0x8000));
  }
  LOWBIT_ALWAYS_INLINE static vec min(vec b, vec a) noexcept { return _mm512_min_epu16(b, a); }
  LOWBIT_ALWAYS_INLINE static bits less(vec b, vec a) noexcept { return _mm512_cmplt_epu16_mask(b, a); }
  LOWBIT_ALWAYS_INLINE static std::uint16_t least(vec a) noexcept {
    return Lanes<FixedMetric<V>, isa::avx2>::least(
        _mm256_min_epu16(_mm512_castsi512_si256(a), _mm512_extracti64x4_epi64(a, 1)));
  }
};

template <>
struct Lanes<FloatMetric, isa::avx512> {
  static constexpr std::size_t width = 16;
  using vec = __m512;
  using bits = std::uint16_t;

  LOWBIT_ALWAYS_INLINE static vec sample(float x) noexcept { return _mm512_set1_ps(x); }
  LOWBIT_ALWAYS_INLINE static vec cost(float x) noexcept { return _mm512_set1_ps(x); }
  LOWBIT_ALWAYS_INLINE static vec load(const float* m) noexcept { return _mm512_loadu_ps(m); }
  LOWBIT_ALWAYS_INLINE static void store(float* m, vec x) noexcept { _mm512_storeu_ps(m, x); }
  template <int Shift>
  LOWBIT_ALWAYS_INLINE static vec repeat(const float* m) noexcept {
    if constexpr (Shift == 1) {
      return _mm512_permutexvar_ps(_mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7),
                                   _mm512_castps256_ps512(_mm256_loadu_ps(m)));
    } else if constexpr (Shift == 2) {
      return _mm512_permutevar_ps(_mm512_broadcast_f32x4(_mm_loadu_ps(m)),
                                  _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3));
    } else if constexpr (Shift == 3) {
      return _mm512_permutevar_ps(_mm512_castpd_ps(_mm512_set1_pd(detail::load_as<double>(m))),
                                  _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
    } else {
      return _mm512_set1_ps(*m);
    }
  }
  LOWBIT_ALWAYS_INLINE static vec distance(vec x, const float* c) noexcept {
    const vec d = _mm512_sub_ps(x, load(c));
    return _mm512_mul_ps(d, d);
  }
  LOWBIT_ALWAYS_INLINE static vec weighted(vec d, vec w) noexcept { return _mm512_mul_ps(d, w); }
  LOWBIT_ALWAYS_INLINE static vec add(vec a, vec b) noexcept { return _mm512_add_ps(a, b); }
  LOWBIT_ALWAYS_INLINE static vec lower(vec a, vec) noexcept { return a; }
  LOWBIT_ALWAYS_INLINE static vec min(vec b, vec a) noexcept { return _mm512_min_ps(b, a); }
  LOWBIT_ALWAYS_INLINE static bits less(vec b, vec a) noexcept { return _mm512_cmp_ps_mask(b, a, _CMP_LT_OQ); }
  LOWBIT_ALWAYS_INLINE static float least(vec a) noexcept { return _mm512_reduce_min_ps(a); }
};

#endif

}  // namespace lowbit::trellis
