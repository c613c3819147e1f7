// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "lowbit/format/int.hpp"
#include "lowbit/quantizer/ggml_search_lanes.hpp"
#include "lowbit/quantizer/gguf_sub_scales.hpp"

namespace lowbit::detail {

/// Base of Q2_K, Q4_K and Q5_K: super-blocks of 256, x̂ = (d·sc)·c − dmin·mn; c of Bits bits, sc and mn of ScaleBits
/// bits without sign for every Sub columns, d and dmin f16. The two products and the subtraction are rounded in turn.
///
/// `fit`: every sub-block gets a scale and a min from make_qkx2 with Self's weights; d and dmin are the largest of them
/// over 2^ScaleBits − 1, sc and mn the nearest multiples. With importance: make_qkx3, weights importance·√(v + x²) with
/// v = Self::variances · (mean of x² over the super-block), and make_qp for sc and mn, each sub-block weighing the sum
/// of its weights. A positive minimum counts as 0.
///
/// Codes are chosen anew with what will be read back: clip(round((x + dmin·mn)/(d·sc)), 0, 2^Bits − 1). Where d·sc is 0
/// they are those of the search, as in the reference; they decode alike.
template <class Self, int Bits, std::size_t Sub, int ScaleBits>
struct GgufAffineK : GgufCodes<Self, GgufSubPoint> {
  static constexpr std::size_t group_size = 256;
  static constexpr std::size_t sub_group = Sub;
  static constexpr std::size_t count = group_size / Sub;
  static constexpr int top = (1 << Bits) - 1;
  static constexpr int scale_top = (1 << ScaleBits) - 1;
  static constexpr auto levels = consecutive<top + 1>(0);

  using format_type = Int<Bits>;
  using params_type = GgufSubScalesAndMins<count>;
  using point_type = GgufSubPoint;

  params_type fit(std::span<const float> group) const noexcept {
    LOWBIT_ASSERT(group.size() <= group_size, "a group is no larger than a block");
    float weights[group_size];
    for (std::size_t first = 0; first < group.size(); first += Sub)
      Self::weigh(group.subspan(first, group.size() - first < Sub ? group.size() - first : Sub), weights + first);
    Fits fits;
    ggml::make_qkx2_of_each<Sub, Self::absolute>(group, std::span<const float>(weights, group.size()), top,
                                                 Self::search, fits);
    params_type p = keep_searched(fits);
    float max_scale = 0.0f, max_min = 0.0f;
    for (const ggml::AffineFit& f : fits) {
      max_scale = f.scale > max_scale ? f.scale : max_scale;
      max_min = f.min > max_min ? f.min : max_min;
    }
    constexpr auto last = static_cast<float>(scale_top);
    const float scale_inverse = max_scale > 0.0f ? last / max_scale : 0.0f;
    const float min_inverse = max_min > 0.0f ? last / max_min : 0.0f;
    for (std::size_t s = 0; s < count; ++s) {
      p.scales[s] = static_cast<std::uint8_t>(nearest_in(scale_inverse * fits[s].scale, 0.0f, last));
      p.mins[s] = static_cast<std::uint8_t>(nearest_in(min_inverse * fits[s].min, 0.0f, last));
    }
    p.scale = static_cast<float>(f16(max_scale / last));
    p.min = static_cast<float>(f16(max_min / last));
    return p;
  }
  params_type fit(std::span<const float> group, const FitContext& context) const noexcept {
    if (context.importance.empty()) return fit(group);
    LOWBIT_ASSERT(group.size() <= group_size, "a group is no larger than a block");
    float weights[group_size];
    const float variance =
        Self::variances * ggml::sum_of_squares(group) / static_cast<float>(group.empty() ? 1 : group.size());
    ggml::importance_weights(group, context.importance, variance, weights);
    Fits fits;
    ggml::make_qkx2_of_each<Sub, false>(group, std::span<const float>(weights, group.size()), top,
                                        ggml::weighted_search, fits);
    params_type p = keep_searched(fits);
    std::array<float, count> scales, mins, sums{};
    for (std::size_t i = 0; i < group.size(); ++i) sums[i / Sub] += weights[i];
    for (std::size_t s = 0; s < count; ++s) {
      scales[s] = fits[s].scale;
      mins[s] = fits[s].min;
    }
    p.scale = static_cast<float>(f16(ggml::make_qp(scales, sums, scale_top, p.scales.data())));
    p.min = static_cast<float>(f16(ggml::make_qp(mins, sums, scale_top, p.mins.data())));
    return p;
  }

  LOWBIT_ALWAYS_INLINE point_type sub(const params_type& p, std::size_t s) const noexcept {
    return {p.scale * static_cast<float>(p.scales[s]), p.min * static_cast<float>(p.mins[s]), p.inverse[s], p.low[s]};
  }
  LOWBIT_ALWAYS_INLINE static std::uint8_t code_of(float x, const point_type& p) noexcept {
    const float v = p.scale != 0.0f ? (x + p.offset) / p.scale : p.inverse * (x - p.low);
    return static_cast<std::uint8_t>(nearest_in(v, 0.0f, static_cast<float>(top)));
  }

 private:
  using Fits = std::array<ggml::AffineFit, count>;
  static params_type keep_searched(const Fits& fits) noexcept {
    params_type p;
    for (std::size_t s = 0; s < count; ++s) {
      p.inverse[s] = fits[s].inverse;
      p.low[s] = fits[s].low;
    }
    return p;
  }
};

}  // namespace lowbit::detail
