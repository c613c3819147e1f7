// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "lowbit/core/contract.hpp"
#include "lowbit/linalg/lanes.hpp"

/// The fast Walsh–Hadamard transform: x ← H·x for Sylvester's H of order n = 2^k, entries ±1 (not normalized), in place.
///
/// Levels h = 1, 2, 4, … n/2 in this order: (x_i, x_{i+h}) ← (x_i + x_{i+h}, x_i − x_{i+h}). Only sums of two numbers, in
/// one order, so every instruction set gives the same bits. Finite where Σ|x_i| is. Cost: n·log₂ n additions, and one pass
/// over memory for the first six or seven levels and every three after.

namespace lowbit::linalg {

/// The definition. n is a power of two.
template <class T>
void walsh_hadamard_scalar(T* x, std::size_t n) noexcept {
  for (std::size_t h = 1; h < n; h *= 2)
    for (std::size_t i = 0; i < n; i += 2 * h)
      for (std::size_t j = i; j < i + h; ++j) {
        const T a = x[j], b = x[j + h];
        x[j] = a + b;
        x[j + h] = a - b;
      }
}

namespace detail {
inline namespace LOWBIT_ISA_NAMESPACE {
#if LOWBIT_LINALG_LANES

/// The levels across Count registers: distances of one, two, … registers.
template <std::size_t Count, class V>
LOWBIT_ALWAYS_INLINE void butterfly_registers(V (&v)[Count]) noexcept {
#pragma GCC unroll 4
  for (std::size_t h = 1; h < Count; h *= 2)
#pragma GCC unroll 8
    for (std::size_t i = 0; i < Count; ++i)
      if ((i & h) == 0) {
        const V a = v[i], b = v[i + h];
        v[i] = a + b;
        v[i + h] = a - b;
      }
}

/// The first levels: all inside a register, then those across Count neighbouring ones.
template <std::size_t Count, class T>
LOWBIT_ALWAYS_INLINE void first_levels(T* x, std::size_t n) noexcept {
  using L = LanesOf<T>;
  for (T* end = x + n; x != end; x += Count * L::count) {
    typename L::type v[Count];
#pragma GCC unroll 8
    for (std::size_t i = 0; i < Count; ++i) {
      v[i] = load_lanes(x + i * L::count);
      v[i] = butterfly_lanes<T, 1>(v[i]);
      if constexpr (L::count > 2) v[i] = butterfly_lanes<T, 2>(v[i]);
      if constexpr (L::count > 4) v[i] = butterfly_lanes<T, 4>(v[i]);
      if constexpr (L::count > 8) v[i] = butterfly_lanes<T, 8>(v[i]);
    }
    butterfly_registers(v);
#pragma GCC unroll 8
    for (std::size_t i = 0; i < Count; ++i) store_lanes(x + i * L::count, v[i]);
  }
}

/// The levels of distance h, 2h, … Count/2 · h, for h at least a register.
template <std::size_t Count, class T>
LOWBIT_ALWAYS_INLINE void next_levels(T* x, std::size_t n, std::size_t h) noexcept {
  using L = LanesOf<T>;
  for (std::size_t block = 0; block < n; block += Count * h)
    for (std::size_t j = block; j < block + h; j += L::count) {
      typename L::type v[Count];
#pragma GCC unroll 8
      for (std::size_t i = 0; i < Count; ++i) v[i] = load_lanes(x + j + i * h);
      butterfly_registers(v);
#pragma GCC unroll 8
      for (std::size_t i = 0; i < Count; ++i) store_lanes(x + j + i * h, v[i]);
    }
}

template <class T>
void walsh_hadamard_lanes(T* x, std::size_t n) noexcept {
  constexpr std::size_t lanes = LanesOf<T>::count;
  std::size_t h = n < 8 * lanes ? n : 8 * lanes;
  if (h == 8 * lanes)
    first_levels<8>(x, n);
  else if (h == 4 * lanes)
    first_levels<4>(x, n);
  else if (h == 2 * lanes)
    first_levels<2>(x, n);
  else if (h == lanes)
    first_levels<1>(x, n);
  else
    return walsh_hadamard_scalar(x, n);
  for (; 8 * h <= n; h *= 8) next_levels<8>(x, n, h);
  if (4 * h <= n)
    next_levels<4>(x, n, h);
  else if (2 * h <= n)
    next_levels<2>(x, n, h);
}

#endif
}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace detail

/// The same bits as walsh_hadamard_scalar with the registers of this build. T is float or double, n a power of two.
template <class T>
void walsh_hadamard(T* x, std::size_t n) noexcept {
  LOWBIT_ASSERT(n != 0 && (n & (n - 1)) == 0, "the Walsh–Hadamard transform needs a power of two");
#if LOWBIT_LINALG_LANES
  detail::walsh_hadamard_lanes(x, n);
#else
  walsh_hadamard_scalar(x, n);
#endif
}

}  // namespace lowbit::linalg
