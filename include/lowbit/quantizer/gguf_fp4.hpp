// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "lowbit/core/contract.hpp"
#include "lowbit/format/e8m0.hpp"
#include "lowbit/format/minifloat.hpp"
#include "lowbit/pack/split_nibbles.hpp"
#include "lowbit/quantizer/gguf_codes.hpp"
#include "lowbit/quantizer/shared_scales.hpp"

namespace lowbit {

namespace detail {

/// What one weight of GGUF's FP4 blocks needs.
struct GgufFp4Point {
  float scale = 0.0f;
  friend constexpr bool operator==(const GgufFp4Point&, const GgufFp4Point&) = default;
};

/// The E2M1 code whose point times scale is nearest to x. Of two at one distance the one of smaller magnitude; what
/// falls to zero is +0 (code 0, never 8). Not E2M1's own rounding, which breaks ties to even.
LOWBIT_ALWAYS_INLINE std::uint8_t gguf_fp4_code(float x, float scale) noexcept {
  const float a = std::fabs(x);
  float least = a;
  unsigned best = 0;
  for (unsigned c = 1; c < 7; ++c) {
    const float error = std::fabs(scale * E2M1::levels[c] - a);
    best = error < least ? c : best;
    least = error < least ? error : least;
  }
  const float beyond = scale * E2M1::levels[7] - a;
  best = scale > 0.0f && (beyond <= 0.0f || beyond < least) ? 7 : best;
  return static_cast<std::uint8_t>(x < 0.0f && best != 0 ? best + 8 : best);
}

}  // namespace detail

/// GGUF's MXFP4: blocks of 32, x̂ = 2^(e − 127)·E2M1(c), e a byte (E8M0). 4.25 bits per weight.
///
/// e = ⌊log2 max|x|⌋ − 2 + 127 with the logarithm in float (a magnitude within rounding of the next power of two counts
/// as that power), at least 0, and 0 for a zero block; rounding as in gguf_fp4_code. e = 255 is NaN here, as in the OCP
/// format; the reference would decode a number.
///
/// File: e, split nibbles. Source: ggml, quantize_row_mxfp4_ref and dequantize_row_mxfp4.
struct GgufMxfp4 : detail::GgufCodes<GgufMxfp4, detail::GgufFp4Point> {
  using format_type = E2M1;
  using layout_type = pack::SplitNibbles<32>;
  using params_type = detail::GgufFp4Point;
  using stored_type = E8M0;

  static constexpr std::size_t group_size = 32;
  static constexpr std::size_t block_bytes = 17;
  static constexpr std::size_t header_bytes = 1;
  static constexpr auto& levels = E2M1::levels;

  params_type fit(std::span<const float> group) const noexcept {
    const float largest = detail::largest_magnitude(group);
    const int e = largest > 0.0f ? static_cast<int>(std::floor(std::log2(largest))) + 125 : 0;
    return {static_cast<float>(E8M0::from_bits(static_cast<std::uint8_t>(e > 0 ? e : 0)))};
  }
  LOWBIT_ALWAYS_INLINE static std::uint8_t code_of(float x, const params_type& p) noexcept {
    return detail::gguf_fp4_code(x, p.scale);
  }
  LOWBIT_ALWAYS_INLINE stored_type store(const params_type& p) const noexcept { return E8M0(p.scale); }
  LOWBIT_ALWAYS_INLINE params_type load(stored_type stored, std::uint8_t) const noexcept {
    return {static_cast<float>(stored)};
  }

  static std::string storage_name() { return "gguf_mxfp4"; }
};

/// GGUF's NVFP4: blocks of 64, x̂ = (t·s_j)·E2M1(c), s_j one byte (E4M3 without sign) per 16 columns and t a float
/// beside the blocks: the value of a companion tensor. 4.5 bits per weight.
///
/// Encoding uses t = 1 and s = max|x|/6, rounded half up on the first bit that is dropped; values of 256 and more
/// become 448, and of 7.5·2^-9 to 8·2^-9 become 7·2^-9: the reference's quirks. So magnitudes above 2688 saturate.
/// Rounding as in gguf_fp4_code. Decoding takes the byte 0x7f for 0 and ignores bit 7 otherwise.
///
/// File: four scale bytes, then the codes, split nibbles of 16.
/// Source: ggml, quantize_row_nvfp4_ref and dequantize_row_nvfp4.
struct GgufNvfp4 : detail::GgufCodes<GgufNvfp4, detail::GgufFp4Point> {
  using format_type = E2M1;
  using layout_type = pack::SplitNibbles<16>;
  using stored_type = std::array<std::uint8_t, 4>;
  using point_type = detail::GgufFp4Point;

  static constexpr std::size_t group_size = 64;
  static constexpr std::size_t sub_group = 16;
  static constexpr std::size_t block_bytes = 36;
  static constexpr std::size_t header_bytes = 4;
  static constexpr auto& levels = E2M1::levels;

  struct params_type {
    std::array<std::uint8_t, 4> scales{};
    float tensor_scale = 1.0f;
    bool finite() const noexcept { return std::isfinite(tensor_scale); }
    friend constexpr bool operator==(const params_type&, const params_type&) = default;
  };

  float tensor_scale = 1.0f;  ///< t; with_shared sets it

  static std::size_t shared_count(const Groups& groups) noexcept { return groups.total() != 0 ? 1 : 0; }
  void fit_shared(const SharedFitContext&, std::span<float> shared) const noexcept {
    for (float& t : shared) t = 1.0f;
  }
  LOWBIT_ALWAYS_INLINE GgufNvfp4 with_shared(std::span<const float> shared, const Groups&, std::size_t,
                                             std::size_t) const noexcept {
    GgufNvfp4 here = *this;
    if (!shared.empty()) here.tensor_scale = shared[0];
    return here;
  }

  params_type fit(std::span<const float> group) const noexcept {
    LOWBIT_ASSERT(group.size() <= group_size, "a group is no larger than a block");
    params_type p{{}, tensor_scale};
    for (std::size_t first = 0; first < group.size(); first += sub_group) {
      const std::size_t rest = group.size() - first;
      const float largest = detail::largest_magnitude(group.subspan(first, rest < sub_group ? rest : sub_group));
      p.scales[first / sub_group] = encode_scale(largest / 6.0f / tensor_scale);
    }
    return p;
  }
  LOWBIT_ALWAYS_INLINE point_type sub(const params_type& p, std::size_t s) const noexcept {
    return {decode_scale(p.scales[s]) * p.tensor_scale};
  }
  LOWBIT_ALWAYS_INLINE static std::uint8_t code_of(float x, const point_type& p) noexcept {
    return detail::gguf_fp4_code(x, p.scale);
  }
  LOWBIT_ALWAYS_INLINE stored_type store(const params_type& p) const noexcept { return p.scales; }
  LOWBIT_ALWAYS_INLINE params_type load(const stored_type& stored, std::uint8_t) const noexcept {
    return {stored, tensor_scale};
  }

  static constexpr std::uint8_t encode_scale(float s) noexcept {
    if (!(s > 0.0f)) return 0;
    if (s >= 256.0f) return 0x7e;
    const auto bits = std::bit_cast<std::uint32_t>(s);
    if (s < 0x1p-6f) {
      const int m = static_cast<int>(s * 512.0f + 0.5f);
      return static_cast<std::uint8_t>(m < 7 ? m : 7);
    }
    const std::uint32_t code = ((bits >> 19) - ((127u - 7u) << 4) + 1u) >> 1;  // a carry moves to the next exponent
    return static_cast<std::uint8_t>(code < 0x78u ? code : 0x7eu);
  }
  LOWBIT_ALWAYS_INLINE static constexpr float decode_scale(std::uint8_t byte) noexcept {
    const std::uint32_t c = byte == 0x7f ? 0u : byte & 0x7fu;
    if (c < 8) return static_cast<float>(c) * 0x1p-9f;
    return std::bit_cast<float>((c << 20) + ((127u - 7u) << 23));
  }

  static std::string storage_name() { return "gguf_nvfp4"; }
};

static_assert(Quantizer<GgufMxfp4> && SuperBlocks<GgufNvfp4> && SharedScales<GgufNvfp4>);

}  // namespace lowbit
