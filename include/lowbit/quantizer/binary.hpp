// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "lowbit/core/float16.hpp"
#include "lowbit/format/binary.hpp"
#include "lowbit/format/sign_planes.hpp"
#include "lowbit/pack/dense.hpp"
#include "lowbit/quantizer/concept.hpp"
#include "lowbit/quantizer/group_size.hpp"
#include "lowbit/quantizer/scaled.hpp"

namespace lowbit {

namespace detail {

template <int Planes>
struct PlanesFormat {
  using type = SignPlanes<Planes>;
};
template <>
struct PlanesFormat<1> {
  using type = Binary;
};

}  // namespace detail

/// Sums of signs: x̂ = Σ_k α_k·(±1), k = 1 … Planes, one α_k per plane and group. Planes = 1 is binary quantization.
///
///   α_1 = mean|w|, the least-squares scale of the signs; α_k = mean of what the planes before left over
///   signs: + where the rest is ≥ 0, plane by plane, against the α that are stored
///   centered  signs of w − mean(w) for the first plane, as in BitNet; the mean is not stored
///
/// Bit Planes−1−k of a code is the sign of plane k, so dropping the low bit drops the last plane. Zero groups have all
/// α_k = 0.
///
/// Bits per weight: Planes·(1 + scale bits / g).
/// Source: Rastegari et al., "XNOR-Net", arXiv:1603.05279; centering: Wang et al., arXiv:2310.11453; residual planes: Guo
/// et al., "Network Sketching", arXiv:1706.02021.
template <int Planes = 1, class Scale = f16, std::size_t GroupSize = 128>
struct BinaryScaled : detail::GroupSize<GroupSize> {
  static_assert(Planes >= 1 && Planes <= 4, "BinaryScaled sums one to four planes of signs.");
  using format_type = typename detail::PlanesFormat<Planes>::type;
  using layout_type = pack::dense_for<format_type>;
  using stored_type = std::array<Scale, Planes>;

  static constexpr unsigned zero_bits = 0;
  static constexpr bool tabulated = true;  ///< kernels compute the points of a group once

  struct params_type {
    std::array<float, Planes> scale{};
    float center = 0.0f;  ///< of the first plane; not stored
    friend constexpr bool operator==(const params_type& a, const params_type& b) noexcept { return a.scale == b.scale; }
    bool finite() const noexcept {
      for (const float a : scale)
        if (!std::isfinite(a)) return false;
      return true;
    }
  };

  bool centered = false;  ///< not stored

  params_type fit(std::span<const float> group) const noexcept {
    params_type p;
    if (group.empty()) return p;
    const double count = static_cast<double>(group.size());
    if (centered) {
      double sum = 0.0;
      for (const float x : group) sum += static_cast<double>(x);
      p.center = static_cast<float>(sum / count);
    }
    for (std::size_t k = 0; k < Planes; ++k) {
      double sum = 0.0;
      for (const float x : group) sum += static_cast<double>(std::fabs(rest(x, p, k)));
      const float a = static_cast<float>(Scale(static_cast<float>(sum / count)));
      p.scale[k] = a < 2.94e-39f ? 0.0f : a;
    }
    return p;
  }

  LOWBIT_ALWAYS_INLINE std::uint8_t quantize(float x, params_type p) const noexcept {
    unsigned code = 0;
    float left = x;
    for (std::size_t k = 0; k < Planes; ++k) {
      const bool positive = left >= (k == 0 ? p.center : 0.0f);
      code = code << 1 | (positive ? 1u : 0u);
      left -= positive ? p.scale[k] : -p.scale[k];
    }
    return static_cast<std::uint8_t>(code);
  }
  LOWBIT_ALWAYS_INLINE float dequantize(std::uint8_t code, params_type p) const noexcept {
    float sum = 0.0f;
    for (std::size_t k = 0; k < Planes; ++k) sum += (code >> (Planes - 1 - k) & 1) != 0 ? p.scale[k] : -p.scale[k];
    return sum;
  }
  std::uint8_t quantize(std::span<const float, 1> x, params_type p) const noexcept { return quantize(x[0], p); }
  void dequantize(std::uint8_t code, params_type p, std::span<float, 1> y) const noexcept { y[0] = dequantize(code, p); }

  stored_type store(params_type p) const noexcept {
    stored_type stored;
    for (std::size_t k = 0; k < Planes; ++k) stored[k] = Scale(p.scale[k]);
    return stored;
  }
  std::uint8_t store_zero(params_type) const noexcept { return 0; }
  params_type load(stored_type stored, std::uint8_t) const noexcept {
    params_type p;
    for (std::size_t k = 0; k < Planes; ++k) p.scale[k] = static_cast<float>(stored[k]);
    return p;
  }

  static std::string storage_name() {
    return std::string(format_type::name).append("_").append(detail::scale_name<Scale>);
  }

 private:
  /// What the first `planes` planes leave of x.
  static float rest(float x, const params_type& p, std::size_t planes) noexcept {
    float left = x;
    for (std::size_t k = 0; k < planes; ++k) left -= left >= (k == 0 ? p.center : 0.0f) ? p.scale[k] : -p.scale[k];
    return left;
  }
};

}  // namespace lowbit
