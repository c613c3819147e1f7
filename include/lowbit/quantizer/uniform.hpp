// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <type_traits>

#include "lowbit/core/float16.hpp"
#include "lowbit/core/round.hpp"
#include "lowbit/format/int.hpp"
#include "lowbit/pack/dense.hpp"
#include "lowbit/quantizer/concept.hpp"
#include "lowbit/quantizer/group_size.hpp"

namespace lowbit {

enum class ZeroPoint : std::uint8_t {
  none,     ///< symmetric: x̂ = s·(c − 2^(b−1))
  integer,  ///< asymmetric: x̂ = s·(c − z), z an integer of b bits, so 0 is a point of the grid
  real,     ///< asymmetric: x̂ = s·(c − z), z real, stored like the scale; 0 is in general not a point of the grid
};

enum class ScaleStorage : std::uint8_t { f16, bf16, f32 };

/// How a symmetric grid meets the largest magnitude A of its group. Published results differ in it.
enum class SymmetricRule : std::uint8_t {
  full_range,   ///< S1  s = A / (2^(b−1) − 1), codes −2^(b−1) … 2^(b−1) − 1
  gptq,         ///< S2  s = 2A / (2^b − 1): [−A, A] covers exactly 2^b − 1 steps
  narrow,       ///< S3  s = A / (2^(b−1) − 1), codes −(2^(b−1) − 1) … 2^(b−1) − 1 (sign-magnitude kernels)
  signed_max,   ///< S4  s = x_A / −2^(b−1), x_A the first element of magnitude A with its sign; s may be negative
};

/// What a file of Uniform codes holds. How the values are chosen is not part of the type.
struct UniformOptions {
  std::size_t group_size = 128;  ///< columns per group, or per_row, per_tensor, dynamic_group
  ZeroPoint zero_point = ZeroPoint::none;
  ScaleStorage scale = ScaleStorage::f16;

  friend constexpr bool operator==(const UniformOptions&, const UniformOptions&) = default;
};

namespace detail {

template <ScaleStorage S>
using scale_storage_t =
    std::conditional_t<S == ScaleStorage::f16, f16, std::conditional_t<S == ScaleStorage::bf16, bf16, float>>;

template <class Scale>
struct ScaleAndZero {
  Scale scale, zero;
  friend constexpr bool operator==(const ScaleAndZero&, const ScaleAndZero&) = default;
};

}  // namespace detail

/// Evenly spaced points: x̂ = scale · (code − zero_point), one scale (and zero point) per group.
///
///   scale       float, positive (any sign under signed_max), rounded to its storage type before codes are chosen
///   zero_point  in code units: 2^(b−1) for symmetric grids, an integer in 0 … 2^b − 1, or a real in that range
///
/// Asymmetric grids span lo = min(0, min x) … hi = max(0, max x), s = (hi − lo)/(2^b − 1), z = clip(rn(−lo/s)). Codes are
/// clip(rn(x/s) + z) for integer z: the rounding comes before z is added, which decides ties. rn is to nearest, ties to
/// even. A group whose scale (as stored) is zero, or whose reciprocal overflows float, is a zero group: scale 0, every
/// code the zero point's, decoding to exact zeros. Inputs must be finite. A scale too large for its storage comes out of
/// `fit` as infinity, which the callers that own a Result turn into an error.
///
/// Bits per weight: b + (scale bits + zero-point bits)/g.
/// Source: the common min/max practice, e.g. Jacob et al., CVPR 2018, arXiv:1712.05877; rule S2 is the GPTQ release's,
/// S4 is GGUF's.
template <class F, UniformOptions O = UniformOptions{}>
struct Uniform : detail::GroupSize<O.group_size> {
  using format_type = F;
  using layout_type = pack::dense_for<F>;
  using scale_type = detail::scale_storage_t<O.scale>;
  using stored_type = std::conditional_t<O.zero_point == ZeroPoint::real, detail::ScaleAndZero<scale_type>, scale_type>;

  static constexpr UniformOptions options = O;
  static constexpr int bits = F::bits;
  static constexpr unsigned zero_bits = O.zero_point == ZeroPoint::integer ? F::bits : 0;
  static constexpr float top_code = static_cast<float>(F::cardinality - 1);
  static constexpr float symmetric_zero = static_cast<float>(F::offset);

  struct params_type {
    float scale = 0.0f;
    float zero_point = symmetric_zero;
    friend constexpr bool operator==(const params_type&, const params_type&) = default;
  };

  SymmetricRule rule = SymmetricRule::gptq;  ///< how symmetric scales are chosen; not stored, not read by kernels

  /// Parameters from the extremes of the group: absmax (symmetric) or min/max with zero inside (asymmetric).
  params_type fit(std::span<const float> group) const noexcept {
    float lo = 0.0f, hi = 0.0f, first = 0.0f;
    for (const float x : group) {
      lo = x < lo ? x : lo;
      hi = x > hi ? x : hi;
      first = std::fabs(x) > std::fabs(first) ? x : first;
    }
    if (O.zero_point == ZeroPoint::none && rule == SymmetricRule::signed_max) return fit_signed(first);
    return fit_range(lo, hi);
  }

  /// Parameters for values in [lo, hi], lo ≤ 0 ≤ hi: what clip searches call with shrunken ranges.
  params_type fit_range(float lo, float hi) const noexcept {
    const float a = std::max(-lo, hi);
    if constexpr (O.zero_point == ZeroPoint::none) {
      if (rule == SymmetricRule::signed_max) return fit_signed(-lo >= hi ? lo : hi);
      if (rule == SymmetricRule::gptq) return {stored_scale(a * (2.0f / top_code)), symmetric_zero};
      return {stored_scale(a / static_cast<float>(F::max)), symmetric_zero};
    } else {
      // Halves keep hi − lo finite for the largest floats.
      const float s = stored_scale((hi * 0.5f - lo * 0.5f) * (2.0f / top_code));
      if (s == 0.0f) return {0.0f, 0.0f};
      const float z = -lo / s;
      if constexpr (O.zero_point == ZeroPoint::integer)
        return {s, std::clamp(round_half_even(z), 0.0f, top_code)};
      else
        return {s, static_cast<float>(scale_type(std::clamp(z, 0.0f, top_code)))};
    }
  }

  LOWBIT_ALWAYS_INLINE std::uint8_t quantize(float x, params_type p) const noexcept {
    const float steps = p.scale != 0.0f ? x / p.scale : 0.0f;
    const float c = O.zero_point == ZeroPoint::real ? round_half_even(steps + p.zero_point)
                                                    : round_half_even(steps) + p.zero_point;
    const float low = O.zero_point == ZeroPoint::none && rule == SymmetricRule::narrow ? 1.0f : 0.0f;
    return static_cast<std::uint8_t>(c > low ? (c < top_code ? c : top_code) : low);
  }
  LOWBIT_ALWAYS_INLINE float dequantize(std::uint8_t code, params_type p) const noexcept {
    return p.scale * (static_cast<float>(code) - p.zero_point);
  }

  LOWBIT_ALWAYS_INLINE std::uint8_t quantize(std::span<const float, 1> x, params_type p) const noexcept { return quantize(x[0], p); }
  LOWBIT_ALWAYS_INLINE void dequantize(std::uint8_t code, params_type p, std::span<float, 1> y) const noexcept {
    y[0] = dequantize(code, p);
  }

  LOWBIT_ALWAYS_INLINE stored_type store(params_type p) const noexcept {
    if constexpr (O.zero_point == ZeroPoint::real)
      return {scale_type(p.scale), scale_type(p.zero_point)};
    else
      return scale_type(p.scale);
  }
  LOWBIT_ALWAYS_INLINE std::uint8_t store_zero(params_type p) const noexcept {
    return O.zero_point == ZeroPoint::integer ? static_cast<std::uint8_t>(p.zero_point) : std::uint8_t{0};
  }
  LOWBIT_ALWAYS_INLINE params_type load(stored_type stored, std::uint8_t zero) const noexcept {
    if constexpr (O.zero_point == ZeroPoint::none)
      return {static_cast<float>(stored), symmetric_zero};
    else if constexpr (O.zero_point == ZeroPoint::integer)
      return {static_cast<float>(stored), static_cast<float>(zero)};
    else
      return {static_cast<float>(stored.scale), static_cast<float>(stored.zero)};
  }

  /// The type's name in files and recipes without the group size, e.g. "int4_asym_f16".
  static std::string storage_name() {
    constexpr const char* zero[] = {"_sym", "_asym", "_asymreal"};
    constexpr const char* scale[] = {"_f16", "_bf16", "_f32"};
    return std::string(F::name).append(zero[static_cast<int>(O.zero_point)]).append(scale[static_cast<int>(O.scale)]);
  }

 private:
  /// s as its storage type will give it back; 0 when 1/s would overflow float.
  static float stored_scale(float s) noexcept {
    const float stored = static_cast<float>(scale_type(s));
    return std::fabs(stored) < 2.94e-39f ? 0.0f : stored;
  }
  static params_type fit_signed(float extreme) noexcept {
    return {stored_scale(extreme / -symmetric_zero), symmetric_zero};
  }
};

static_assert(Quantizer<Uniform<Int4>>);
static_assert(Quantizer<Uniform<Int3, UniformOptions{.group_size = dynamic_group, .zero_point = ZeroPoint::integer}>>);

}  // namespace lowbit
