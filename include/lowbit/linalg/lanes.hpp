// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "lowbit/core/isa.hpp"

#if LOWBIT_HAS_AVX2
#include <immintrin.h>
#endif

/// Registers of floats and doubles in the compiler's vector extensions (GCC, Clang): one body serves AVX-512, AVX2, SSE2
/// and NEON. Elsewhere LOWBIT_LINALG_LANES is 0 and the scalar definitions run.
#if defined(__GNUC__)
#define LOWBIT_LINALG_LANES 1
#else
#define LOWBIT_LINALG_LANES 0
#endif

namespace lowbit::linalg::detail {
inline namespace LOWBIT_ISA_NAMESPACE {

inline constexpr std::size_t register_bytes = LOWBIT_HAS_AVX512 ? 64 : LOWBIT_HAS_AVX2 ? 32 : 16;

/// A product that no compiler flag may contract with the sum that follows it: bits do not depend on whether the build has
/// a fused multiply-add.
template <class V>
LOWBIT_ALWAYS_INLINE V rounded_product(V a, V b) noexcept {
  V product = a * b;
#if defined(__GNUC__) && defined(__x86_64__) && LOWBIT_HAS_AVX512
  __asm__("" : "+v"(product));
#elif defined(__GNUC__) && defined(__x86_64__)
  __asm__("" : "+x"(product));
#elif defined(__GNUC__) && defined(__aarch64__)
  __asm__("" : "+w"(product));
#endif
  return product;
}

#if LOWBIT_LINALG_LANES

template <class T>
struct LanesOf;
template <>
struct LanesOf<float> {
  using type = float __attribute__((vector_size(register_bytes)));
  using bits = std::int32_t __attribute__((vector_size(register_bytes)));
  static constexpr std::int32_t sign_bit = INT32_MIN;
  static constexpr std::size_t count = register_bytes / sizeof(float);
};
template <>
struct LanesOf<double> {
  using type = double __attribute__((vector_size(register_bytes)));
  using bits = std::int64_t __attribute__((vector_size(register_bytes)));
  static constexpr std::int64_t sign_bit = INT64_MIN;
  static constexpr std::size_t count = register_bytes / sizeof(double);
};

template <class T>
LOWBIT_ALWAYS_INLINE typename LanesOf<T>::type load_lanes(const T* from) noexcept {
  typename LanesOf<T>::type x;
  std::memcpy(&x, from, sizeof x);
  return x;
}
template <class T>
LOWBIT_ALWAYS_INLINE void store_lanes(T* to, typename LanesOf<T>::type x) noexcept {
  std::memcpy(to, &x, sizeof x);
}

/// a·b + c, rounded once where the build has the instruction, else twice.
LOWBIT_ALWAYS_INLINE LanesOf<float>::type fused(LanesOf<float>::type a, LanesOf<float>::type b,
                                                LanesOf<float>::type c) noexcept {
#if LOWBIT_HAS_AVX512
  return (LanesOf<float>::type)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif LOWBIT_HAS_AVX2
  return (LanesOf<float>::type)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
  return a * b + c;
#endif
}
LOWBIT_ALWAYS_INLINE LanesOf<double>::type fused(LanesOf<double>::type a, LanesOf<double>::type b,
                                                 LanesOf<double>::type c) noexcept {
#if LOWBIT_HAS_AVX512
  return (LanesOf<double>::type)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif LOWBIT_HAS_AVX2
  return (LanesOf<double>::type)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#else
  return a * b + c;
#endif
}

/// Lane i becomes x[i] + x[i ^ Distance] where bit Distance of i is clear, x[i ^ Distance] − x[i] where it is set.
template <class T, std::size_t Distance>
LOWBIT_ALWAYS_INLINE typename LanesOf<T>::type butterfly_lanes(typename LanesOf<T>::type x) noexcept {
  using L = LanesOf<T>;
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    constexpr typename L::bits signs = {((I & Distance) != 0 ? L::sign_bit : 0)...};
    const typename L::type partner = __builtin_shufflevector(x, x, (I ^ Distance)...);
    return partner + (typename L::type)((typename L::bits)x ^ signs);
  }(std::make_index_sequence<L::count>{});
}

#endif

/// y[i] = x[i]·factor. x may be y.
template <class T>
void scale_row(const T* x, T factor, T* y, std::size_t n) noexcept {
  std::size_t i = 0;
#if LOWBIT_LINALG_LANES
  constexpr std::size_t lanes = LanesOf<T>::count;
  for (; i + lanes <= n; i += lanes) store_lanes(y + i, load_lanes(x + i) * factor);
#endif
  for (; i < n; ++i) y[i] = x[i] * factor;
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::linalg::detail
