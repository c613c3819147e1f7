// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <string>

#include "lowbit/pack/gguf.hpp"
#include "lowbit/quantizer/gguf_affine_k.hpp"

namespace lowbit {

/// GGUF's Q2_K: GgufAffineK with 2-bit codes and 16 sub-blocks of 16 that have 4-bit scales and mins. 2.625 bits per
/// weight. The search weighs |x| and measures absolute errors; with importance it measures squares. File: 16 bytes,
/// scale in the low nibble and min in the high one; the codes; d, dmin.
///
/// Source: ggml, quantize_row_q2_K_ref, quantize_row_q2_K_impl and dequantize_row_q2_K.
struct GgufQ2K : detail::GgufAffineK<GgufQ2K, 2, 16, 4> {
  using layout_type = pack::GgufQ2_K;
  struct stored_type {
    std::uint8_t scales[16];
    f16 d, dmin;
    friend constexpr bool operator==(const stored_type&, const stored_type&) = default;
  };

  static constexpr std::size_t block_bytes = 84;
  static constexpr std::size_t header_bytes = 16;
  static constexpr bool absolute = true;
  static constexpr float variances = 1.0f;
  static constexpr ggml::AffineSearch search{-0.5f, 0.1f, 15};

  static void weigh(std::span<const float> sub, float* weights) noexcept {
    for (std::size_t i = 0; i < sub.size(); ++i) weights[i] = std::fabs(sub[i]);
  }

  LOWBIT_ALWAYS_INLINE stored_type store(const params_type& p) const noexcept {
    stored_type out{{}, f16(p.scale), f16(p.min)};
    for (std::size_t s = 0; s < 16; ++s) out.scales[s] = static_cast<std::uint8_t>(p.scales[s] | p.mins[s] << 4);
    return out;
  }
  LOWBIT_ALWAYS_INLINE params_type load(const stored_type& stored, std::uint8_t) const noexcept {
    params_type p;
    p.scale = static_cast<float>(stored.d);
    p.min = static_cast<float>(stored.dmin);
    for (std::size_t s = 0; s < 16; ++s) {
      p.scales[s] = stored.scales[s] & 15u;
      p.mins[s] = stored.scales[s] >> 4;
    }
    return p;
  }

  static std::string storage_name() { return "gguf_q2_k"; }
};

static_assert(SuperBlocks<GgufQ2K> && WeightedFitting<GgufQ2K>);

}  // namespace lowbit
