// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lowbit/core/float16.hpp"
#include "lowbit/format/phase_sum.hpp"
#include "lowbit/pack/dense.hpp"
#include "lowbit/quantizer/concept.hpp"
#include "lowbit/quantizer/group_size.hpp"
#include "lowbit/quantizer/scaled.hpp"

namespace lowbit {

/// Complex phase quantization: columns 2j and 2j + 1 are the real and imaginary part of a weight w, and
///
///   ŵ = Σ_k  s_re,k·(±1)  or  i·s_im,k·(±1)
///
/// Per stage the sector of what is left decides which of 1, i, −1, −i; s_re is the mean |Re| of those that went to ±1, s_im
/// the mean |Im| of those that went to ±i, at least 1e−6 where there are any. A zero group has zero scales. A product by
/// such weights needs additions and swaps only. Real matrices become complex ones by linalg's widely-linear embedding.
///
/// Bits per real weight: Stages + Stages·2·(scale bits)/g. No stage raises the error, up to the rounding of scales.
/// Source: "Fairy ±i", arXiv:2508.05571, and its PTQ form with residual stages.
template <int Stages = 1, class Scale = f16, std::size_t GroupSize = 128>
struct PhaseScaled : detail::GroupSize<GroupSize> {
  using format_type = PhaseSum<Stages>;
  using layout_type = pack::dense_for<format_type>;
  using stored_type = std::array<Scale, 2 * Stages>;  ///< s_re, s_im per stage

  static constexpr unsigned zero_bits = 0;
  static constexpr bool tabulated = true;  ///< kernels compute the points of a group once

  struct params_type {
    std::array<float, 2 * Stages> scale{};
    friend constexpr bool operator==(const params_type&, const params_type&) = default;
    bool finite() const noexcept {
      for (const float s : scale)
        if (!std::isfinite(s)) return false;
      return true;
    }
  };

  /// group: pairs; a last half pair counts as a real number.
  params_type fit(std::span<const float> group) const noexcept {
    std::vector<float> left(group.begin(), group.end());
    if (left.size() % 2 != 0) left.push_back(0.0f);
    params_type p;
    bool zero = true;
    for (const float x : left) zero = zero && x == 0.0f;
    if (zero) return p;
    for (std::size_t k = 0; k < Stages; ++k) {
      double sum[2] = {}, count[2] = {};
      for (std::size_t i = 0; i < left.size(); i += 2) {
        const unsigned axis = Phase::encode(left[i], left[i + 1]) & 1u;
        sum[axis] += static_cast<double>(std::fabs(left[i + axis]));
        count[axis] += 1.0;
      }
      for (std::size_t axis = 0; axis < 2; ++axis) {
        const double mean = count[axis] > 0.0 ? std::max(sum[axis] / count[axis], 1e-6) : 0.0;
        p.scale[2 * k + axis] = static_cast<float>(Scale(static_cast<float>(mean)));
      }
      for (std::size_t i = 0; i < left.size(); i += 2) take(left[i], left[i + 1], p, k);
    }
    return p;
  }

  std::uint8_t quantize(std::span<const float, 2> x, params_type p) const noexcept {
    float re = x[0], im = x[1];
    unsigned code = 0;
    for (std::size_t k = 0; k < Stages; ++k) code = code << 2 | take(re, im, p, k);
    return static_cast<std::uint8_t>(code);
  }
  void dequantize(std::uint8_t code, params_type p, std::span<float, 2> y) const noexcept {
    y[0] = y[1] = 0.0f;
    for (std::size_t k = 0; k < Stages; ++k) {
      const unsigned phase = format_type::stage(code, static_cast<int>(k));
      y[0] += p.scale[2 * k] * format_type::re(phase);
      y[1] += p.scale[2 * k + 1] * format_type::im(phase);
    }
  }

  stored_type store(params_type p) const noexcept {
    stored_type stored;
    for (std::size_t k = 0; k < stored.size(); ++k) stored[k] = Scale(p.scale[k]);
    return stored;
  }
  std::uint8_t store_zero(params_type) const noexcept { return 0; }
  params_type load(stored_type stored, std::uint8_t) const noexcept {
    params_type p;
    for (std::size_t k = 0; k < stored.size(); ++k) p.scale[k] = static_cast<float>(stored[k]);
    return p;
  }

  static std::string storage_name() {
    return std::string(format_type::name).append("_").append(detail::scale_name<Scale>);
  }

 private:
  /// The phase of stage k, subtracted from (re, im).
  static unsigned take(float& re, float& im, const params_type& p, std::size_t k) noexcept {
    const unsigned phase = Phase::encode(re, im);
    re -= p.scale[2 * k] * format_type::re(phase);
    im -= p.scale[2 * k + 1] * format_type::im(phase);
    return phase;
  }
};

}  // namespace lowbit
