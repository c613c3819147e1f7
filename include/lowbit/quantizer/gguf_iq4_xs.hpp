// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>

#include "lowbit/format/iq4_nl.hpp"
#include "lowbit/pack/split_nibbles.hpp"
#include "lowbit/quantizer/ggml_search_iq4.hpp"
#include "lowbit/quantizer/gguf_sub_scales.hpp"

namespace lowbit {

/// GGUF's IQ4_XS: super-blocks of 256, x̂ = (d·s)·T[c], T the levels of Iq4Nl, d an f16, s one integer from −32 to 31
/// per 32 columns. 4.25 bits per weight.
///
/// Each sub-block's scale is that of make_iq4, weights x² or importance·√(2·mean x² + x²) with the mean of the
/// super-block; d = −S/32 with S the first of the largest magnitude, s = round(scale/d); codes are nearest to
/// x·(1/(d·s)), d from before it is rounded to f16. Sub-blocks whose s is 0 decode to zeros and have every code 8.
///
/// File: d, 16 bits of high scale parts, 4 bytes of low parts, then the codes, split nibbles of 32.
/// Source: ggml, quantize_iq4_xs and dequantize_row_iq4_xs.
struct GgufIq4Xs : detail::GgufCodes<GgufIq4Xs, detail::GgufScale> {
  using format_type = Iq4Nl;
  using layout_type = pack::SplitNibbles<32>;
  using params_type = detail::GgufSubScales<8>;
  using point_type = detail::GgufScale;
  struct stored_type {
    f16 d;
    std::uint8_t high[2];
    std::uint8_t low[4];
    friend constexpr bool operator==(const stored_type&, const stored_type&) = default;
  };

  static constexpr std::size_t group_size = 256;
  static constexpr std::size_t sub_group = 32;
  static constexpr std::size_t block_bytes = 136;
  static constexpr std::size_t header_bytes = 8;
  static constexpr auto& levels = Iq4Nl::levels;

  params_type fit(std::span<const float> group) const noexcept { return fit(group, {}); }
  params_type fit(std::span<const float> group, const FitContext& context) const noexcept {
    if (group.empty()) return {};
    LOWBIT_ASSERT(group.size() <= group_size, "a group is no larger than a block");
    float weights[group_size];
    if (context.importance.empty())
      for (std::size_t i = 0; i < group.size(); ++i) weights[i] = group[i] * group[i];
    else
      ggml::importance_weights(group, context.importance,
                               ggml::sum_of_squares(group) * (2.0f / static_cast<float>(group.size())), weights);
    std::array<float, 8> scales;
    ggml::make_iq4_of_each<sub_group>(group, std::span<const float>(weights, group.size()), scales);
    const float d = -ggml::extreme(scales) / 32.0f;
    const float inverse = detail::reciprocal(d);
    params_type p{static_cast<float>(f16(d)), {}, {}};
    for (std::size_t s = 0; s < 8; ++s) {
      const float l = detail::nearest_in(inverse * scales[s], -32.0f, 31.0f);
      p.scales[s] = static_cast<std::int8_t>(l);
      p.inverse[s] = detail::reciprocal(d * l);
    }
    return p;
  }

  LOWBIT_ALWAYS_INLINE point_type sub(const params_type& p, std::size_t s) const noexcept {
    const float scale = p.sub_scale(s);
    return {scale, p.inverse[s] != 0.0f || scale == 0.0f ? p.inverse[s] : 1.0f / scale};
  }
  LOWBIT_ALWAYS_INLINE static std::uint8_t code_of(float x, const point_type& p) noexcept {
    return Iq4Nl::encode(p.inverse * x);
  }

  LOWBIT_ALWAYS_INLINE stored_type store(const params_type& p) const noexcept {
    stored_type out{f16(p.scale), {}, {}};
    for (std::size_t s = 0; s < 8; ++s) {
      const auto l = static_cast<unsigned>(p.scales[s] + 32);
      out.low[s / 2] = static_cast<std::uint8_t>(out.low[s / 2] | (l & 15u) << (4 * (s % 2)));
      out.high[s / 4] = static_cast<std::uint8_t>(out.high[s / 4] | (l >> 4) << (2 * (s % 4)));
    }
    return out;
  }
  LOWBIT_ALWAYS_INLINE params_type load(const stored_type& stored, std::uint8_t) const noexcept {
    params_type p{static_cast<float>(stored.d), {}, {}};
    for (std::size_t s = 0; s < 8; ++s) {
      const int low = stored.low[s / 2] >> (4 * (s % 2)) & 15;
      p.scales[s] = static_cast<std::int8_t>((low | (stored.high[s / 4] >> (2 * (s % 4)) & 3) << 4) - 32);
    }
    return p;
  }

  static std::string storage_name() { return "gguf_iq4_xs"; }
};

static_assert(SuperBlocks<GgufIq4Xs> && WeightedFitting<GgufIq4Xs>);

}  // namespace lowbit
