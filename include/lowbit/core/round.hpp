// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>

#include "lowbit/core/isa.hpp"

/// Rounding that does not read the ambient rounding mode. Compilers turn these into branch-free vector code.

namespace lowbit {

/// Nearest integer, ties to even. Exact for every float; NaN and infinities pass through; -0.3 gives -0.
template <class T>
LOWBIT_ALWAYS_INLINE T round_half_even(T x) noexcept {
  const T magnitude = std::fabs(x);
  const T down = std::trunc(magnitude);
  const T rest = magnitude - down;  // exact: both share the exponent range of x (NaN for infinities, handled below)
  const bool odd = down * T(0.5) != std::trunc(down * T(0.5));
  const bool up = rest > T(0.5) || (rest == T(0.5) && odd);
  return std::copysign(down + (up ? T(1) : T(0)), x);
}

/// Nearest integer, ties away from zero (C's roundf): the rule of several GGUF blocks.
template <class T>
LOWBIT_ALWAYS_INLINE T round_half_away(T x) noexcept {
  const T magnitude = std::fabs(x);
  const T down = std::trunc(magnitude);
  return std::copysign(down + (magnitude - down >= T(0.5) ? T(1) : T(0)), x);
}

}  // namespace lowbit
