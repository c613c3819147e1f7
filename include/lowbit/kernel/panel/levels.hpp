// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cfloat>
#include <cstddef>
#include <cstdint>

#include "lowbit/core/isa.hpp"
#include "lowbit/kernel/simd/level_table.hpp"
#include "lowbit/quantizer/uniform.hpp"

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// What is added to the points besides level · scale.
enum class PanelOffset : std::uint8_t {
  constant,  ///< w = scale · (byte − offset), the same integer for all
  integer,   ///< w = scale · (byte − z), an integer z of each group
  real,      ///< w = scale · byte − m, a float m of each group
};

/// The points of Q as bytes: w = scale · step · (byte[code] − offset), for products of integers.
///
/// Where all levels are multiples −128 … 127 of some power of two, `step` is the largest such power and nothing is lost
/// (integers, MXFP4, NVFP4, IQ4, E2M3). Otherwise step is largest/127 and every level goes to the nearest multiple: an
/// error of at most scale·step/2 (NF4, E3M2, FP8).
///
/// The primary template serves quantizers with `levels`; the specialization serves Uniform. A format with other
/// points adds a specialization in a file of its own.
template <class Q>
struct PanelLevels;

template <LevelQuantizer Q>
struct PanelLevels<Q> {
  static constexpr std::size_t count = Q::levels.size();
  static constexpr PanelOffset kind = has_offset<Q> ? PanelOffset::real : PanelOffset::constant;

 private:
  static constexpr bool finite(float v) noexcept { return v >= -FLT_MAX && v <= FLT_MAX; }
  static constexpr float largest() noexcept {
    float most = 0.0f;
    for (std::size_t c = 0; c < count; ++c) {
      const float v = Q::levels[c], a = v < 0.0f ? -v : v;
      if (finite(a) && a > most) most = a;
    }
    return most;
  }
  /// Every level is a multiple of unit that a byte with some offset can hold.
  static constexpr bool multiples(float unit) noexcept {
    for (std::size_t c = 0; c < count; ++c) {
      const float v = Q::levels[c];
      if (!finite(v)) continue;
      const float n = v / unit;
      if (n > 127.0f || n < -128.0f || static_cast<float>(static_cast<int>(n)) != n) return false;
    }
    return true;
  }
  static constexpr float exact_step() noexcept {
    float found = 0.0f;
    float unit = 1.0f;
    while (largest() / unit >= 1.0f) unit *= 2.0f;
    while (largest() / unit < 1.0f && largest() != 0.0f) unit *= 0.5f;
    for (int i = 0; i < 8; ++i, unit *= 0.5f)  // the coarsest first
      if (multiples(unit)) {
        found = unit;
        break;
      }
    return found;
  }
  static constexpr int nearest(float n) noexcept { return static_cast<int>(n < 0.0f ? n - 0.5f : n + 0.5f); }

 public:
  static constexpr bool exact = exact_step() != 0.0f;
  static constexpr float step = exact ? exact_step() : largest() != 0.0f ? largest() / 127.0f : 1.0f;
  static constexpr int offset = [] {
    int low = 0;
    for (std::size_t c = 0; c < count; ++c)
      if (finite(Q::levels[c])) low = nearest(Q::levels[c] / step) < low ? nearest(Q::levels[c] / step) : low;
    return -low;
  }();
  static_assert(kind != PanelOffset::real || offset == 0, "Levels of a quantizer with real offsets begin at 0.");
  static constexpr auto bytes = [] {
    std::array<std::uint8_t, count> out{};
    for (std::size_t c = 0; c < count; ++c)
      out[c] = static_cast<std::uint8_t>(finite(Q::levels[c]) ? nearest(Q::levels[c] / step) + offset : offset);
    return out;
  }();

  /// Scale and m of a point's parameters.
  LOWBIT_ALWAYS_INLINE static float scale(const point_params_t<Q>& p) noexcept { return p.scale * step; }
  LOWBIT_ALWAYS_INLINE static float real_offset([[maybe_unused]] const point_params_t<Q>& p) noexcept {
    if constexpr (has_offset<Q>)
      return p.offset;
    else
      return 0.0f;
  }
};

template <int B, UniformOptions O>
struct PanelLevels<Uniform<Int<B>, O>> {
  using Q = Uniform<Int<B>, O>;
  static constexpr std::size_t count = std::size_t{1} << B;
  static constexpr PanelOffset kind = O.zero_point == ZeroPoint::none      ? PanelOffset::constant
                                      : O.zero_point == ZeroPoint::integer ? PanelOffset::integer
                                                                           : PanelOffset::real;
  static constexpr bool exact = true;
  static constexpr float step = 1.0f;
  static constexpr int offset = O.zero_point == ZeroPoint::none ? static_cast<int>(Q::symmetric_zero) : 0;
  static constexpr auto bytes = [] {
    std::array<std::uint8_t, count> out{};
    for (std::size_t c = 0; c < count; ++c) out[c] = static_cast<std::uint8_t>(c);
    return out;
  }();

  LOWBIT_ALWAYS_INLINE static float scale(const typename Q::params_type& p) noexcept { return p.scale; }
  LOWBIT_ALWAYS_INLINE static std::int32_t integer_offset(const typename Q::params_type& p) noexcept {
    return static_cast<std::int32_t>(p.zero_point);
  }
  /// Rounded once: one error of 2^-24 more in what is subtracted.
  LOWBIT_ALWAYS_INLINE static float real_offset(const typename Q::params_type& p) noexcept {
    return p.scale * p.zero_point;
  }
};

/// True where a code is its level's byte.
template <class Q>
inline constexpr bool codes_are_levels = [] {
  for (std::size_t c = 0; c < PanelLevels<Q>::count; ++c)
    if (PanelLevels<Q>::bytes[c] != c) return false;
  return true;
}();

template <class Q>
inline constexpr int most_level = [] {
  int most = 0;
  for (const std::uint8_t b : PanelLevels<Q>::bytes) most = b > most ? b : most;
  return most;
}();

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
