// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "lowbit/pack/gguf.hpp"
#include "lowbit/quantizer/gguf_symmetric_k.hpp"

namespace lowbit {

/// GGUF's Q3_K: GgufSymmetricK with 3-bit codes and 6-bit scales s = −32 … 31, stored plus 32. 3.4375 bits per weight.
///
/// Each sub-block's scale is that of make_q3; d = −S/32 with S the first of the largest magnitude, s = round(scale/d).
/// With importance: make_qx with weights importance·√(2·mean x² + x²), and make_qx again for d and s, each sub-block
/// weighing the sum of its weights. Super-blocks of zeros have every bit 0. In sub-blocks that decode to zeros because
/// s is 0, the codes can differ from the reference's, which keeps those of the sweeps; nothing else can.
///
/// File: codes (high bits, then low pairs), 12 bytes of scales, d. Scale s has its low nibble in byte s mod 8 (high
/// nibble from s = 8 on) and its high pair in byte 8 + s mod 4 at bit 2·⌊s/4⌋. Source: ggml, quantize_row_q3_K_ref,
/// quantize_row_q3_K_impl and dequantize_row_q3_K.
struct GgufQ3K : detail::GgufSymmetricK<GgufQ3K, 3> {
  using layout_type = pack::GgufQ3_K;
  struct stored_type {
    std::uint8_t scales[12];
    f16 d;
    friend constexpr bool operator==(const stored_type&, const stored_type&) = default;
  };
  static constexpr std::size_t block_bytes = 110;

  params_type fit(std::span<const float> group) const noexcept {
    Fits fits;
    ggml::make_q3_of_each<sub_group>(group, offset, fits);
    const std::array<float, 16> scales = scales_of(fits);
    const float extreme = ggml::extreme(scales);
    const float inverse = extreme != 0.0f ? -32.0f / extreme : 0.0f;
    return with_scales(fits, inverse, inverse != 0.0f ? 1.0f / inverse : 0.0f, scales);
  }
  params_type fit(std::span<const float> group, const FitContext& context) const noexcept {
    if (context.importance.empty()) return fit(group);
    LOWBIT_ASSERT(group.size() <= group_size, "a group is no larger than a block");
    float weights[group_size];
    const float mean = group.empty() ? 0.0f : ggml::sum_of_squares(group) / static_cast<float>(group.size());
    ggml::importance_weights(group, context.importance, 2.0f * mean, weights);
    std::array<float, 16> sums{};
    for (std::size_t i = 0; i < group.size(); ++i) sums[i / sub_group] += weights[i];
    Fits fits;
    ggml::make_qx_of_each<sub_group>(group, std::span<const float>(weights, group.size()), offset, fits);
    const std::array<float, 16> scales = scales_of(fits);
    const ggml::SymmetricFit block = ggml::make_qx(scales, sums, 32);
    return with_scales(fits, block.inverse, block.scale, scales);
  }

  LOWBIT_ALWAYS_INLINE stored_type store(const params_type& p) const noexcept {
    stored_type out{{}, f16(p.scale)};
    for (std::size_t s = 0; s < 16; ++s) {
      const auto l = static_cast<unsigned>(p.scales[s] + 32);
      out.scales[s % 8] = static_cast<std::uint8_t>(out.scales[s % 8] | (l & 15u) << (s < 8 ? 0 : 4));
      out.scales[8 + s % 4] = static_cast<std::uint8_t>(out.scales[8 + s % 4] | (l >> 4) << (2 * (s / 4)));
    }
    return out;
  }
  LOWBIT_ALWAYS_INLINE params_type load(const stored_type& stored, std::uint8_t) const noexcept {
    params_type p;
    p.scale = static_cast<float>(stored.d);
    for (std::size_t s = 0; s < 16; ++s) {
      const int low = stored.scales[s % 8] >> (s < 8 ? 0 : 4) & 15;
      const int high = stored.scales[8 + s % 4] >> (2 * (s / 4)) & 3;
      p.scales[s] = static_cast<std::int8_t>((low | high << 4) - 32);
    }
    return p;
  }

  static std::string storage_name() { return "gguf_q3_k"; }

 private:
  static params_type with_scales(const Fits& fits, float inverse, float d,
                                 const std::array<float, 16>& scales) noexcept {
    params_type p = keep_searched(fits);
    p.scale = static_cast<float>(f16(d));
    for (std::size_t s = 0; s < 16; ++s) {
      const float l = inverse != 0.0f ? detail::nearest_in(inverse * scales[s], -32.0f, 31.0f) : -32.0f;
      p.scales[s] = static_cast<std::int8_t>(l);
    }
    return p;
  }
};

static_assert(SuperBlocks<GgufQ3K> && WeightedFitting<GgufQ3K>);

}  // namespace lowbit
