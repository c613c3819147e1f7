// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "lowbit/core/isa.hpp"

#if LOWBIT_HAS_AVX2
#include <immintrin.h>
#endif

/// 1 where the compiler has vector extensions (GCC, Clang): the lanes of quantizer/ are written in them, so one body
/// serves AVX-512, AVX2, SSE2 and NEON. Elsewhere the scalar definitions run.
#if defined(__GNUC__)
#define LOWBIT_HAS_LANES 1
#else
#define LOWBIT_HAS_LANES 0
#endif

namespace lowbit::detail {
inline namespace LOWBIT_ISA_NAMESPACE {

// One lane: what the shared bodies need of float, so that they compile for both.
LOWBIT_ALWAYS_INLINE float select(bool mask, float a, float b) noexcept { return mask ? a : b; }
LOWBIT_ALWAYS_INLINE std::int32_t bits_of(float x) noexcept { return std::bit_cast<std::int32_t>(x); }
LOWBIT_ALWAYS_INLINE float float_of_bits(std::int32_t x) noexcept { return std::bit_cast<float>(x); }
LOWBIT_ALWAYS_INLINE std::int32_t truncated(float x) noexcept { return static_cast<std::int32_t>(x); }
LOWBIT_ALWAYS_INLINE float to_float(std::int32_t x) noexcept { return static_cast<float>(x); }

#if LOWBIT_HAS_LANES

/// Floats in a register of this build.
inline constexpr std::size_t lane_count = LOWBIT_HAS_AVX512 ? 16 : LOWBIT_HAS_AVX2 ? 8 : 4;
using f32xn = float __attribute__((vector_size(4 * lane_count)));
using i32xn = std::int32_t __attribute__((vector_size(4 * lane_count)));
using u32xn = std::uint32_t __attribute__((vector_size(4 * lane_count)));
using u8xn = std::uint8_t __attribute__((vector_size(lane_count)));

LOWBIT_ALWAYS_INLINE f32xn broadcast(float x) noexcept { return x - f32xn{}; }  // x − 0 keeps the sign of zero
LOWBIT_ALWAYS_INLINE f32xn load_lanes(const float* from) noexcept {
  f32xn x;
  std::memcpy(&x, from, sizeof x);
  return x;
}
LOWBIT_ALWAYS_INLINE void store_lanes(float* to, f32xn x) noexcept { std::memcpy(to, &x, sizeof x); }
LOWBIT_ALWAYS_INLINE i32xn bits_of(f32xn x) noexcept { return (i32xn)x; }
LOWBIT_ALWAYS_INLINE f32xn float_of_bits(i32xn x) noexcept { return (f32xn)x; }
LOWBIT_ALWAYS_INLINE i32xn truncated(f32xn x) noexcept { return __builtin_convertvector(x, i32xn); }
LOWBIT_ALWAYS_INLINE f32xn to_float(i32xn x) noexcept { return __builtin_convertvector(x, f32xn); }
LOWBIT_ALWAYS_INLINE f32xn select(i32xn mask, f32xn a, f32xn b) noexcept { return mask ? a : b; }
LOWBIT_ALWAYS_INLINE i32xn select(i32xn mask, i32xn a, i32xn b) noexcept { return mask ? a : b; }
LOWBIT_ALWAYS_INLINE f32xn magnitude(f32xn x) noexcept { return float_of_bits(bits_of(x) & 0x7fffffff); }

/// a < b ? a : b, and a > b ? a : b.
LOWBIT_ALWAYS_INLINE f32xn smaller(f32xn a, f32xn b) noexcept {
#if LOWBIT_HAS_AVX512
  return (f32xn)_mm512_min_ps((__m512)a, (__m512)b);
#elif LOWBIT_HAS_AVX2
  return (f32xn)_mm256_min_ps((__m256)a, (__m256)b);
#else
  return a < b ? a : b;
#endif
}
LOWBIT_ALWAYS_INLINE f32xn larger(f32xn a, f32xn b) noexcept {
#if LOWBIT_HAS_AVX512
  return (f32xn)_mm512_max_ps((__m512)a, (__m512)b);
#elif LOWBIT_HAS_AVX2
  return (f32xn)_mm256_max_ps((__m256)a, (__m256)b);
#else
  return a > b ? a : b;
#endif
}

/// round_half_even of every lane, clamped to ±2^20 where there is no instruction for it. Not the ambient rounding mode's
/// business.
LOWBIT_ALWAYS_INLINE f32xn round_half_even_lanes(f32xn x) noexcept {
#if LOWBIT_HAS_AVX512
  return (f32xn)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif LOWBIT_HAS_AVX2
  return (f32xn)_mm256_round_ps((__m256)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
  x = larger(smaller(x, broadcast(0x1p20f)), broadcast(-0x1p20f));
  const i32xn whole = truncated(x);
  const f32xn rest = x - to_float(whole), apart = magnitude(rest);
  const i32xn away = (apart > 0.5f) | ((apart == 0.5f) & ((whole & 1) != 0));
  return to_float(whole + select(away, select(rest > 0.0f, i32xn{} + 1, i32xn{} - 1), i32xn{}));
#endif
}

/// The lanes, each in 0 … 255, as bytes.
LOWBIT_ALWAYS_INLINE void store_bytes(std::uint8_t* to, i32xn x) noexcept {
#if LOWBIT_HAS_AVX512
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8((__m512i)x));
#elif LOWBIT_HAS_AVX2
  const __m256i halves = _mm256_permute4x64_epi64(_mm256_packus_epi32((__m256i)x, (__m256i)x), 0x08);
  const __m128i words = _mm256_castsi256_si128(halves);
  _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packus_epi16(words, words));
#else
  const u8xn bytes = __builtin_convertvector(x, u8xn);
  std::memcpy(to, &bytes, sizeof bytes);
#endif
}

#if LOWBIT_HAS_AVX2
/// a·b + c and c − a·b with one rounding.
LOWBIT_ALWAYS_INLINE f32xn fused(f32xn a, f32xn b, f32xn c) noexcept {
#if LOWBIT_HAS_AVX512
  return (f32xn)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#else
  return (f32xn)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#endif
}
LOWBIT_ALWAYS_INLINE f32xn fused_negative(f32xn a, f32xn b, f32xn c) noexcept {
#if LOWBIT_HAS_AVX512
  return (f32xn)_mm512_fnmadd_ps((__m512)a, (__m512)b, (__m512)c);
#else
  return (f32xn)_mm256_fnmadd_ps((__m256)a, (__m256)b, (__m256)c);
#endif
}
#endif

/// Entry index[i] of a table, index[i] = 0 … 7.
LOWBIT_ALWAYS_INLINE f32xn entry_of_eight(const std::array<float, 8>& table, i32xn index) noexcept {
#if LOWBIT_HAS_AVX512
  return (f32xn)_mm512_permutexvar_ps((__m512i)index, _mm512_castps256_ps512(_mm256_loadu_ps(table.data())));
#elif LOWBIT_HAS_AVX2
  return (f32xn)_mm256_permutevar8x32_ps(_mm256_loadu_ps(table.data()), (__m256i)index);
#else
  f32xn found{};
#pragma GCC unroll 8
  for (std::int32_t k = 0; k < 8; ++k) found = select(index == k, broadcast(table[static_cast<std::size_t>(k)]), found);
  return found;
#endif
}

LOWBIT_ALWAYS_INLINE bool any_lane(i32xn mask) noexcept {
#if LOWBIT_HAS_AVX512
  return _mm512_test_epi32_mask((__m512i)mask, (__m512i)mask) != 0;
#elif LOWBIT_HAS_AVX2
  return _mm256_testz_si256((__m256i)mask, (__m256i)mask) == 0;
#else
  std::int32_t all = 0;
  for (std::size_t i = 0; i < lane_count; ++i) all |= mask[i];
  return all != 0;
#endif
}

/// Keeps x where it stands in the order of operations.
template <class V>
LOWBIT_ALWAYS_INLINE void keep_in_place([[maybe_unused]] V& x) noexcept {
#if LOWBIT_HAS_AVX2
  asm("" : "+v"(x));
#endif
}

/// A few registers that are worked on in step, so that the long chains of dependent operations of one hide behind those of
/// the others: 64 floats. Left alone, compilers put one register's chain after the other's again.
inline constexpr std::size_t batch_floats = 64;
template <class R>
struct Batch {
  static constexpr std::size_t count = batch_floats / lane_count;
  R r[count];
};
template <class Op, class... R>
LOWBIT_ALWAYS_INLINE auto each(Op op, const Batch<R>&... b) noexcept {
  Batch<decltype(op(b.r[0]...))> out;
#pragma GCC unroll 16
  for (std::size_t k = 0; k < out.count; ++k) {
    out.r[k] = op(b.r[k]...);
    keep_in_place(out.r[k]);
  }
  return out;
}
using f32batch = Batch<f32xn>;
using i32batch = Batch<i32xn>;

LOWBIT_ALWAYS_INLINE f32batch operator+(f32batch a, f32batch b) noexcept {
  return each([](f32xn x, f32xn y) { return x + y; }, a, b);
}
LOWBIT_ALWAYS_INLINE f32batch operator-(f32batch a, f32batch b) noexcept {
  return each([](f32xn x, f32xn y) { return x - y; }, a, b);
}
LOWBIT_ALWAYS_INLINE f32batch operator*(f32batch a, f32batch b) noexcept {
  return each([](f32xn x, f32xn y) { return x * y; }, a, b);
}
LOWBIT_ALWAYS_INLINE f32batch operator+(f32batch a, float b) noexcept {
  return each([b](f32xn x) { return x + b; }, a);
}
LOWBIT_ALWAYS_INLINE f32batch operator*(f32batch a, float b) noexcept {
  return each([b](f32xn x) { return x * b; }, a);
}
LOWBIT_ALWAYS_INLINE f32batch operator-(float a, f32batch b) noexcept {
  return each([a](f32xn y) { return a - y; }, b);
}
LOWBIT_ALWAYS_INLINE i32batch bits_of(f32batch x) noexcept {
  return each([](f32xn v) { return bits_of(v); }, x);
}
LOWBIT_ALWAYS_INLINE f32batch float_of_bits(i32batch x) noexcept {
  return each([](i32xn v) { return float_of_bits(v); }, x);
}
LOWBIT_ALWAYS_INLINE i32batch truncated(f32batch x) noexcept {
  return each([](f32xn v) { return truncated(v); }, x);
}
LOWBIT_ALWAYS_INLINE f32batch to_float(i32batch x) noexcept {
  return each([](i32xn v) { return to_float(v); }, x);
}
LOWBIT_ALWAYS_INLINE f32batch load_batch(const float* from) noexcept {
  f32batch x;
#pragma GCC unroll 16
  for (std::size_t k = 0; k < x.count; ++k) x.r[k] = load_lanes(from + k * lane_count);
  return x;
}

/// op of all lanes of a register: halves with halves, … 8 → 4 → 2 → 1. op takes vectors of any width.
template <class Op>
LOWBIT_ALWAYS_INLINE float fold_lanes(f32xn v, Op op) noexcept {
  using f32x4 = float __attribute__((vector_size(16)));
#if LOWBIT_HAS_AVX512
  using f32x8 = float __attribute__((vector_size(32)));
  const f32x8 eight = op(f32x8(__builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7)),
                         f32x8(__builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15)));
#elif LOWBIT_HAS_AVX2
  const f32xn eight = v;
#endif
#if LOWBIT_HAS_AVX2
  const f32x4 four = op(f32x4(__builtin_shufflevector(eight, eight, 0, 1, 2, 3)),
                        f32x4(__builtin_shufflevector(eight, eight, 4, 5, 6, 7)));
#else
  const f32x4 four = v;
#endif
  const f32x4 two = op(four, f32x4(__builtin_shufflevector(four, four, 2, 3, 2, 3)));
  const f32x4 one = op(two, f32x4(__builtin_shufflevector(two, two, 1, 1, 1, 1)));
  return one[0];
}

/// The sum of the 16 lanes of a few registers: halves onto halves, 16 → 8 → 4 → 2 → 1.
template <std::size_t Registers>
LOWBIT_ALWAYS_INLINE float fold(const f32xn (&sums)[Registers]) noexcept {
  static_assert(Registers * lane_count == 16);
  f32xn sum = sums[0];
  if constexpr (Registers == 2) sum = sums[0] + sums[1];
  if constexpr (Registers == 4) sum = (sums[0] + sums[2]) + (sums[1] + sums[3]);
  return fold_lanes(sum, [](auto a, auto b) { return a + b; });
}

#endif  // LOWBIT_HAS_LANES

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::detail
