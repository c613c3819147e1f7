// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "lowbit/core/isa.hpp"
#include "lowbit/core/round.hpp"

#if LOWBIT_HAS_AVX2
#include <immintrin.h>
#endif

/// Arithmetic that reads the same for one number and for a register of them, so that one body is both the scalar
/// definition and its SIMD twin: branches become `select`. Bodies written in it multiply by powers of two only (or in
/// double, where the products are exact), so contraction to fused operations changes no bit.

/// 1 where the compiler has vector extensions (GCC, Clang).
#if defined(__GNUC__)
#define LOWBIT_HAS_LATTICE_LANES 1
#else
#define LOWBIT_HAS_LATTICE_LANES 0
#endif

namespace lowbit::lattice::detail {
inline namespace LOWBIT_ISA_NAMESPACE {

/// What a comparison of two V gives, the type of one lane, and integers to count with.
template <class V>
struct LaneTraits {
  using mask = bool;
  using value = V;
  using integer = std::int64_t;
  static constexpr std::size_t count = 1;
};

template <class T>
  requires std::is_arithmetic_v<T>
LOWBIT_ALWAYS_INLINE T select(bool mask, T a, T b) noexcept {
  return mask ? a : b;
}
template <class T>
  requires std::is_floating_point_v<T>
LOWBIT_ALWAYS_INLINE T magnitude(T x) noexcept {
  return std::fabs(x);
}
template <class T>
  requires std::is_floating_point_v<T>
LOWBIT_ALWAYS_INLINE T rounded(T x) noexcept {
  return round_half_even(x);
}
LOWBIT_ALWAYS_INLINE bool any(bool mask) noexcept { return mask; }
/// 1 where the mask is set, else 0.
LOWBIT_ALWAYS_INLINE std::int64_t tally(bool mask) noexcept { return mask ? 1 : 0; }

#if LOWBIT_HAS_LATTICE_LANES

inline constexpr std::size_t register_bytes = LOWBIT_HAS_AVX512 ? 64 : LOWBIT_HAS_AVX2 ? 32 : 16;
using f32_lanes = float __attribute__((vector_size(register_bytes)));
using i32_lanes = std::int32_t __attribute__((vector_size(register_bytes)));
using f64_lanes = double __attribute__((vector_size(register_bytes)));
using i64_lanes = std::int64_t __attribute__((vector_size(register_bytes)));

template <>
struct LaneTraits<f32_lanes> {
  using mask = i32_lanes;
  using value = float;
  using integer = i32_lanes;
  static constexpr std::size_t count = register_bytes / sizeof(float);
};
template <>
struct LaneTraits<f64_lanes> {
  using mask = i64_lanes;
  using value = double;
  using integer = i64_lanes;
  static constexpr std::size_t count = register_bytes / sizeof(double);
};

LOWBIT_ALWAYS_INLINE f32_lanes select(i32_lanes mask, f32_lanes a, f32_lanes b) noexcept { return mask ? a : b; }
LOWBIT_ALWAYS_INLINE f64_lanes select(i64_lanes mask, f64_lanes a, f64_lanes b) noexcept { return mask ? a : b; }
LOWBIT_ALWAYS_INLINE i64_lanes select(i64_lanes mask, i64_lanes a, i64_lanes b) noexcept { return mask ? a : b; }
LOWBIT_ALWAYS_INLINE i64_lanes tally(i64_lanes mask) noexcept { return -mask; }
LOWBIT_ALWAYS_INLINE f32_lanes magnitude(f32_lanes x) noexcept { return (f32_lanes)((i32_lanes)x & 0x7fffffff); }
LOWBIT_ALWAYS_INLINE f64_lanes magnitude(f64_lanes x) noexcept {
  return (f64_lanes)((i64_lanes)x & 0x7fffffffffffffffll);
}

LOWBIT_ALWAYS_INLINE f32_lanes rounded(f32_lanes x) noexcept {
#if LOWBIT_HAS_AVX512
  return (f32_lanes)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif LOWBIT_HAS_AVX2
  return (f32_lanes)_mm256_round_ps((__m256)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
  for (std::size_t i = 0; i < LaneTraits<f32_lanes>::count; ++i) x[i] = round_half_even(x[i]);
  return x;
#endif
}

LOWBIT_ALWAYS_INLINE bool any(i64_lanes mask) noexcept {
#if LOWBIT_HAS_AVX512
  return _mm512_test_epi64_mask((__m512i)mask, (__m512i)mask) != 0;
#elif LOWBIT_HAS_AVX2
  return _mm256_testz_si256((__m256i)mask, (__m256i)mask) == 0;
#else
  std::int64_t all = 0;
  for (std::size_t i = 0; i < LaneTraits<f64_lanes>::count; ++i) all |= mask[i];
  return all != 0;
#endif
}

#endif  // LOWBIT_HAS_LATTICE_LANES

template <class V>
using mask_of = typename LaneTraits<V>::mask;
template <class V>
using integer_of = typename LaneTraits<V>::integer;

/// c in every lane.
template <class V>
LOWBIT_ALWAYS_INLINE V splat(typename LaneTraits<V>::value c) noexcept {
  return V{} + c;
}
/// a < b ? a : b, and a > b ? a : b.
template <class V>
LOWBIT_ALWAYS_INLINE V smaller(V a, V b) noexcept {
#if LOWBIT_HAS_AVX512
  if constexpr (std::is_same_v<V, f32_lanes>) return (V)_mm512_min_ps((__m512)a, (__m512)b);
  if constexpr (std::is_same_v<V, f64_lanes>) return (V)_mm512_min_pd((__m512d)a, (__m512d)b);
#elif LOWBIT_HAS_AVX2
  if constexpr (std::is_same_v<V, f32_lanes>) return (V)_mm256_min_ps((__m256)a, (__m256)b);
  if constexpr (std::is_same_v<V, f64_lanes>) return (V)_mm256_min_pd((__m256d)a, (__m256d)b);
#endif
  return select(a < b, a, b);
}
template <class V>
LOWBIT_ALWAYS_INLINE V larger(V a, V b) noexcept {
#if LOWBIT_HAS_AVX512
  if constexpr (std::is_same_v<V, f32_lanes>) return (V)_mm512_max_ps((__m512)a, (__m512)b);
  if constexpr (std::is_same_v<V, f64_lanes>) return (V)_mm512_max_pd((__m512d)a, (__m512d)b);
#elif LOWBIT_HAS_AVX2
  if constexpr (std::is_same_v<V, f32_lanes>) return (V)_mm256_max_ps((__m256)a, (__m256)b);
  if constexpr (std::is_same_v<V, f64_lanes>) return (V)_mm256_max_pd((__m256d)a, (__m256d)b);
#endif
  return select(a > b, a, b);
}
/// x within ±1e30, NaN as 0: sums of a few such numbers and their products with small ones are finite.
template <class V>
LOWBIT_ALWAYS_INLINE V bounded(V x) noexcept {
  using T = typename LaneTraits<V>::value;
  const V zero_for_nan = select(x == x, x, V{});
  return smaller(larger(zero_for_nan, splat<V>(T(-1e30))), splat<V>(T(1e30)));
}
/// Whether whole numbers are odd.
template <class V>
LOWBIT_ALWAYS_INLINE mask_of<V> odd(V whole) noexcept {
  const V half = whole * typename LaneTraits<V>::value(0.5);
  return half != rounded(half);
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::lattice::detail
