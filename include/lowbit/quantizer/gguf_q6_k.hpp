// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "lowbit/pack/gguf.hpp"
#include "lowbit/quantizer/gguf_symmetric_k.hpp"

namespace lowbit {

/// GGUF's Q6_K: GgufSymmetricK with 6-bit codes and scales of 8 bits with sign. 6.5625 bits per weight.
///
/// Each sub-block's scale is that of make_qx, weights x² or, with importance, the importance itself; d = −S/128 with S
/// the first of the largest magnitude; s = min(127, round(scale/d)). Super-blocks whose scales all vanish have every
/// bit 0.
///
/// File: codes (low nibbles, then high bit pairs), 16 scales, d.
/// Source: ggml, quantize_row_q6_K_ref, quantize_row_q6_K_impl and dequantize_row_q6_K.
struct GgufQ6K : detail::GgufSymmetricK<GgufQ6K, 6> {
  using layout_type = pack::GgufQ6_K;
  struct stored_type {
    std::int8_t scales[16];
    f16 d;
    friend constexpr bool operator==(const stored_type&, const stored_type&) = default;
  };
  static constexpr std::size_t block_bytes = 210;

  params_type fit(std::span<const float> group) const noexcept { return fit(group, {}); }
  params_type fit(std::span<const float> group, const FitContext& context) const noexcept {
    LOWBIT_ASSERT(group.size() <= group_size, "a group is no larger than a block");
    float squares[group_size];
    for (std::size_t i = 0; i < group.size(); ++i) squares[i] = group[i] * group[i];
    Fits fits;
    ggml::make_qx_of_each<sub_group>(
        group, context.importance.empty() ? std::span<const float>(squares, group.size()) : context.importance, offset,
        fits);
    const std::array<float, 16> scales = scales_of(fits);
    const float extreme = ggml::extreme(scales);
    if (std::fabs(extreme) < ggml::vanishing) return {};
    params_type p = keep_searched(fits);
    const float inverse = -128.0f / extreme;
    p.scale = static_cast<float>(f16(1.0f / inverse));
    for (std::size_t s = 0; s < 16; ++s)
      p.scales[s] = static_cast<std::int8_t>(detail::nearest_in(inverse * scales[s], -128.0f, 127.0f));
    return p;
  }

  LOWBIT_ALWAYS_INLINE stored_type store(const params_type& p) const noexcept {
    stored_type out{{}, f16(p.scale)};
    std::memcpy(out.scales, p.scales.data(), 16);
    return out;
  }
  LOWBIT_ALWAYS_INLINE params_type load(const stored_type& stored, std::uint8_t) const noexcept {
    params_type p;
    p.scale = static_cast<float>(stored.d);
    std::memcpy(p.scales.data(), stored.scales, 16);
    return p;
  }

  static std::string storage_name() { return "gguf_q6_k"; }
};

static_assert(SuperBlocks<GgufQ6K> && WeightedFitting<GgufQ6K>);

}  // namespace lowbit
