// SPDX-License-Identifier: MIT
#pragma once

#include "lowbit/quantizer/lanes/vectors.hpp"

namespace lowbit::detail {
inline namespace LOWBIT_ISA_NAMESPACE {

// Powers of magnitudes with the same bits for a float and for every lane of a vector: products, sums and shifts alone.
// The relative errors below hold for 2^-40 ≤ e ≤ 2^40 and results between 2^-120 and 2^120.

/// e^2.4 = v·v^(1/5), v = e²: the bits of v divided by −5 are those of y ≈ v^(−1/5) to 3 %, and a polynomial of degree 4
/// in 1 − v·y⁵ makes v·y⁴ the fifth root. Relative error below 10⁻⁵; results below
/// 2^-120 are small, and 0 for 0.
template <class V>
LOWBIT_ALWAYS_INLINE V power_2_4(V e) noexcept {
  const V v = e * e;
  const V y = float_of_bits(truncated(1277903859.0f - to_float(bits_of(v)) * 0.2f));
  const V y2 = y * y;
  const V root = v * (y2 * y2);
  const V rest = 1.0f - root * y;
  V correction = rest * 0.659769118f + 0.690948725f;
  correction = correction * rest + 0.719825625f;
  correction = correction * rest + 0.799884737f;
  correction = correction * rest + 1.00000012f;
  return v * (root * correction);
}

/// e^p = 2^(p·log2 e) for 0 < p ≤ 16, with a polynomial of degree 6 on [√½, √2) for the logarithm and one of degree 4 on
/// [−½, ½] for the power. Relative error below (p + 1)·10⁻⁵; results below 2^-125 are 0.
template <class V>
LOWBIT_ALWAYS_INLINE V power_any(V e, float p) noexcept {
  const auto bits = bits_of(e);
  const auto exponent = (bits - 0x3f3504f3) >> 23;  // of e = m · 2^exponent, m in [√½, √2)
  const V t = float_of_bits(bits - (exponent << 23)) - 1.0f;
  V log = t * -0.20684691f + 0.32193261f;
  log = log * t + -0.36737254f;
  log = log * t + 0.47937909f;
  log = log * t + -0.72113955f;
  log = log * t + 1.44271231f;
  V y = (log * t + to_float(exponent)) * p;
  y = select(y < 126.0f, y, V{} + 126.0f);
  const auto zero = (e < 0x1p-126f) | (y < -125.0f);
  y = select(y < -125.0f, V{}, y);
  const auto whole = truncated(y + 1024.5f) - 1024;  // to nearest
  const V f = y - to_float(whole);
  V two = f * 0.00957010221f + 0.0559178591f;
  two = two * f + 0.240247443f;
  two = two * f + 0.693121791f;
  two = two * f + 0.999999285f;
  return select(zero, V{}, float_of_bits(bits_of(two) + (whole << 23)));
}

/// e^p for e ≥ 0 and 0 < p ≤ 16; p = 1 and p = 2 without error but that of e·e.
template <class V>
LOWBIT_ALWAYS_INLINE V power(V e, float p) noexcept {
  if (p == 2.0f) return e * e;
  if (p == 2.4f) return power_2_4(e);
  if (p == 1.0f) return e;
  return power_any(e, p);
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::detail
