// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>

#include "lowbit/format/pvq_gain.hpp"
#include "lowbit/quantizer/lanes/vectors.hpp"

/// PVQ of as many blocks at a time as a register has lanes: coordinate i of all of them in register i, the search of
/// format/pvq/search.hpp on registers, indices one by one from the counts. The same operations on the same numbers as
/// PvqGain::nearest_code, hence the same codes.

namespace lowbit {
namespace detail {
inline namespace LOWBIT_ISA_NAMESPACE {

#if LOWBIT_HAS_LANES

/// What pvq::nearest_on_pyramid needs of a register.
struct PyramidLanes {
  using V = f32xn;
  using I = i32xn;
  using M = i32xn;
  LOWBIT_ALWAYS_INLINE static V spread(float x) noexcept { return broadcast(x); }
  LOWBIT_ALWAYS_INLINE static I spread_int(std::int32_t x) noexcept { return x - I{}; }
  template <class T>
  LOWBIT_ALWAYS_INLINE static T select(M mask, T a, T b) noexcept {
    return mask ? a : b;
  }
  LOWBIT_ALWAYS_INLINE static M both(M a, M b) noexcept { return a & b; }
  LOWBIT_ALWAYS_INLINE static bool any(M mask) noexcept {
#if LOWBIT_HAS_AVX2
    return any_lane(mask);
#else
    // Through memory: gcc 12 at -O2 loses a loop over the lanes of two masks that are asked in one condition.
    std::uint64_t words[sizeof(M) / 8], all = 0;
    std::memcpy(words, &mask, sizeof mask);
    for (const std::uint64_t word : words) all |= word;
    return all != 0;
#endif
  }
  LOWBIT_ALWAYS_INLINE static V floor(V x) noexcept { return to_float(truncated(x)); }
  LOWBIT_ALWAYS_INLINE static V sqrt(V x) noexcept {
#if LOWBIT_HAS_AVX512
    return (V)_mm512_maskz_sqrt_ps(0xffff, (__m512)x);
#elif LOWBIT_HAS_AVX2
    return (V)_mm256_sqrt_ps((__m256)x);
#else
    for (std::size_t i = 0; i < lane_count; ++i) x[i] = std::sqrt(x[i]);
    return x;
#endif
  }
};

/// Codes of the lane_count blocks at x.
template <std::size_t D, std::size_t K, std::size_t Gains>
void pvq_codes_of_lanes(const float* x, float scale, std::span<const float, Gains> gains,
                        typename PvqGain<D, K, Gains>::code_type* codes) noexcept {
  using O = PyramidLanes;
  using format = PvqGain<D, K, Gains>;
  f32xn a[D], y[D], work[2 * D];
  float columns[D][lane_count];
  for (std::size_t b = 0; b < lane_count; ++b)
    for (std::size_t i = 0; i < D; ++i) columns[i][b] = x[b * D + i];
  f32xn largest{};
  const f32xn most = broadcast(std::numeric_limits<float>::max());
  for (std::size_t i = 0; i < D; ++i) {
    const f32xn v = magnitude(load_lanes(columns[i]));
    a[i] = select(v <= most, v, select(v > most, most, f32xn{}));
    largest = select(a[i] > largest, a[i], largest);
  }
  const i32xn field = 254 - (bits_of(largest) >> 23);
  const f32xn factor = float_of_bits(select(field < 1, i32xn{} + 1, field) << 23);
  for (std::size_t i = 0; i < D; ++i) a[i] = a[i] * factor;
  const i32xn nothing = largest == f32xn{};
  a[0] = select(nothing, broadcast(1.0f), a[0]);

  const auto best = pvq::nearest_on_pyramid<O>(a, y, work, D, K);
  const f32xn length =
      best.c / O::sqrt(best.e) / select(nothing, broadcast(std::numeric_limits<float>::infinity()), factor);
  i32xn rank{};
  if (scale > 0.0f) {
    const f32xn t = length / broadcast(scale);
    float below = 0.0f;
    for (const float g : gains) {
      rank -= t > broadcast(0.5f * (below + g));
      below = g;
    }
  }

  std::int32_t points[D][lane_count];
  for (std::size_t i = 0; i < D; ++i) {
    const i32xn whole = truncated(y[i]);
    std::memcpy(points[i], &whole, sizeof whole);
  }
  for (std::size_t b = 0; b < lane_count; ++b) {
    std::int32_t point[D];
    for (std::size_t i = 0; i < D; ++i) point[i] = x[b * D + i] < 0.0f ? -points[i][b] : points[i][b];
    codes[b] = format::code(format::shape::index(std::span<const std::int32_t, D>(point)),
                            static_cast<std::size_t>(rank[b]));
  }
}

#endif  // LOWBIT_HAS_LANES

/// PvqGain<D, K, Gains>::nearest_code of x.size() weights, ceil(size / D) blocks; what the last one lacks is zeros.
template <std::size_t D, std::size_t K, std::size_t Gains>
void pvq_codes(std::span<const float> x, float scale, std::span<const float, Gains> gains,
               std::span<typename PvqGain<D, K, Gains>::code_type> codes) noexcept {
  std::size_t c = 0, k = 0;
#if LOWBIT_HAS_LANES
  for (; c + lane_count * D <= x.size(); c += lane_count * D, k += lane_count)
    pvq_codes_of_lanes<D, K, Gains>(x.data() + c, scale, gains, codes.data() + k);
  if (x.size() - c > 2 * D) {  // a register that is not full still beats three vectors
    float last[lane_count * D] = {};
    typename PvqGain<D, K, Gains>::code_type found[lane_count];
    std::copy_n(x.data() + c, x.size() - c, last);
    pvq_codes_of_lanes<D, K, Gains>(last, scale, gains, found);
    std::copy_n(found, codes.size() - k, codes.data() + k);
    return;
  }
#endif
  for (; c < x.size(); c += D, ++k) {
    float last[D] = {};
    std::copy_n(x.data() + c, std::min(D, x.size() - c), last);
    codes[k] = PvqGain<D, K, Gains>::nearest_code(last, gains, scale);
  }
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace detail
}  // namespace lowbit
