// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <string>

#include "lowbit/pack/split_nibbles.hpp"
#include "lowbit/quantizer/gguf_affine_k.hpp"

namespace lowbit {

namespace detail {

/// What Q4_K and Q5_K have in common: 8 sub-blocks of 32, six bits for each scale and min, packed into 12 bytes.
///
/// Scales and mins of sub-blocks 0 … 3 are the low six bits of bytes 0 … 3 and 4 … 7; those of sub-blocks 4 … 7 have
/// their low four bits in the nibbles (scale low) of bytes 8 … 11 and their high two bits above the former.
template <class Self, int Bits>
struct GgufAffineK32 : GgufAffineK<Self, Bits, 32, 6> {
  using typename GgufAffineK<Self, Bits, 32, 6>::params_type;
  struct stored_type {
    f16 d, dmin;
    std::uint8_t scales[12];
    friend constexpr bool operator==(const stored_type&, const stored_type&) = default;
  };

  static constexpr std::size_t header_bytes = 16;
  static constexpr bool absolute = false;
  static constexpr float variances = 2.0f;

  /// √(mean x²) + |x|.
  static void weigh(std::span<const float> sub, float* weights) noexcept {
    const float spread = std::sqrt(ggml::mean_square(sub));
    for (std::size_t i = 0; i < sub.size(); ++i) weights[i] = spread + std::fabs(sub[i]);
  }

  LOWBIT_ALWAYS_INLINE stored_type store(const params_type& p) const noexcept {
    stored_type out{f16(p.scale), f16(p.min), {}};
    for (std::size_t s = 0; s < 4; ++s) {
      const unsigned high_scale = p.scales[s + 4], high_min = p.mins[s + 4];
      out.scales[s] = static_cast<std::uint8_t>(p.scales[s] | (high_scale >> 4) << 6);
      out.scales[s + 4] = static_cast<std::uint8_t>(p.mins[s] | (high_min >> 4) << 6);
      out.scales[s + 8] = static_cast<std::uint8_t>((high_scale & 15u) | (high_min & 15u) << 4);
    }
    return out;
  }
  LOWBIT_ALWAYS_INLINE params_type load(const stored_type& stored, std::uint8_t) const noexcept {
    params_type p;
    p.scale = static_cast<float>(stored.d);
    p.min = static_cast<float>(stored.dmin);
    for (std::size_t s = 0; s < 4; ++s) {
      const unsigned a = stored.scales[s], b = stored.scales[s + 4], c = stored.scales[s + 8];
      p.scales[s] = static_cast<std::uint8_t>(a & 63u);
      p.mins[s] = static_cast<std::uint8_t>(b & 63u);
      p.scales[s + 4] = static_cast<std::uint8_t>((c & 15u) | (a >> 6) << 4);
      p.mins[s + 4] = static_cast<std::uint8_t>((c >> 4) | (b >> 6) << 4);
    }
    return p;
  }
};

}  // namespace detail

/// GGUF's Q4_K: GgufAffineK with 4-bit codes and 8 sub-blocks of 32 that have 6-bit scales and mins. 4.5 bits per
/// weight. The search weighs √(mean x² of the sub-block) + |x|. File: d, dmin, 12 bytes of scales, codes as split
/// nibbles of 64.
///
/// Source: ggml, quantize_row_q4_K_ref, quantize_row_q4_K_impl and dequantize_row_q4_K.
struct GgufQ4K : detail::GgufAffineK32<GgufQ4K, 4> {
  using layout_type = pack::SplitNibbles<64>;
  static constexpr std::size_t block_bytes = 144;
  static constexpr ggml::AffineSearch search{-1.0f, 0.1f, 20};
  static std::string storage_name() { return "gguf_q4_k"; }
};

static_assert(SuperBlocks<GgufQ4K> && WeightedFitting<GgufQ4K>);

}  // namespace lowbit
