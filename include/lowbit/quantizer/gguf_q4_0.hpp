// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <string>

#include "lowbit/core/float16.hpp"
#include "lowbit/format/int.hpp"
#include "lowbit/pack/split_nibbles.hpp"
#include "lowbit/quantizer/concept.hpp"

namespace lowbit {

/// GGUF's Q4_0: blocks of 32, x̂ = d·(c − 8), c of 4 bits, d an f16 that may be negative. 4.5 bits per weight.
///
/// With m the first element of the largest magnitude, d = m/−8, so m has code 0. Codes are min(15, ⌊x·(1/d) + 8.5⌋),
/// with 1/d taken before d is rounded to f16; decoding uses the rounded d. That is the reference's arithmetic, step by
/// step in float, hence its bytes. Groups without a reciprocal (|d| < 2.94e−39) have every code 8; so does the zero
/// block, whose d is −0, as in the reference.
///
/// Equality of parameters is equality of d: 1/d is the encoder's own and is not stored. After load, `inverse` is the
/// reciprocal of the rounded d, so load(store(p)) == p and decoding agree, while codes chosen with p and with
/// load(store(p)) can differ near a rounding boundary; policies that freeze scales keep what fit returned.
///
/// Source: ggml, quantize_row_q4_0_ref and dequantize_row_q4_0.
struct GgufQ4_0 {
  using format_type = Int4;
  using layout_type = pack::SplitNibbles<32>;
  using stored_type = f16;

  static constexpr std::size_t group_size = 32;
  static constexpr unsigned zero_bits = 0;
  static constexpr std::size_t block_bytes = 18;
  static constexpr std::size_t header_bytes = 2;

  struct params_type {
    float scale = 0.0f;    ///< d as stored
    float inverse = 0.0f;  ///< what codes are chosen with; 0 for a zero block
    friend constexpr bool operator==(const params_type& a, const params_type& b) noexcept { return a.scale == b.scale; }
  };

  params_type fit(std::span<const float> group) const noexcept {
    float extreme = 0.0f;
    for (const float x : group) extreme = std::fabs(x) > std::fabs(extreme) ? x : extreme;
    const float d = extreme / -8.0f;
    return {static_cast<float>(f16(d)), reciprocal(d)};
  }

  LOWBIT_ALWAYS_INLINE std::uint8_t quantize(float x, params_type p) const noexcept {
    // The sum in double, rounded once to float, is the float sum, and cannot be contracted to a fused multiply-add.
    const auto c = static_cast<float>(static_cast<double>(x * p.inverse) + 8.5);
    return static_cast<std::uint8_t>(c > 0.0f ? (c < 15.0f ? c : 15.0f) : 0.0f);
  }
  LOWBIT_ALWAYS_INLINE float dequantize(std::uint8_t code, params_type p) const noexcept {
    return p.scale * static_cast<float>(static_cast<int>(code) - 8);
  }
  std::uint8_t quantize(std::span<const float, 1> x, params_type p) const noexcept { return quantize(x[0], p); }
  void dequantize(std::uint8_t code, params_type p, std::span<float, 1> y) const noexcept {
    y[0] = dequantize(code, p);
  }

  LOWBIT_ALWAYS_INLINE stored_type store(params_type p) const noexcept { return f16(p.scale); }
  std::uint8_t store_zero(params_type) const noexcept { return 0; }
  LOWBIT_ALWAYS_INLINE params_type load(stored_type stored, std::uint8_t) const noexcept {
    const auto d = static_cast<float>(stored);
    return {d, d != 0.0f ? 1.0f / d : 0.0f};
  }

  static std::string storage_name() { return "gguf_q4_0"; }

 private:
  static float reciprocal(float d) noexcept {
    const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
    return std::isfinite(inverse) ? inverse : 0.0f;
  }
};

static_assert(Quantizer<GgufQ4_0>);

}  // namespace lowbit
