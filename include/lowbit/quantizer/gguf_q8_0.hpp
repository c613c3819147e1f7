// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <string>

#include "lowbit/core/float16.hpp"
#include "lowbit/core/round.hpp"
#include "lowbit/format/int.hpp"
#include "lowbit/pack/signed_bytes.hpp"
#include "lowbit/quantizer/concept.hpp"

namespace lowbit {

/// GGUF's Q8_0: blocks of 32, x̂ = d·q, q of 8 bits with sign, d an f16. 8.5 bits per weight.
///
/// d = max|x|/127; q = x·(1/d) rounded to nearest, ties away from zero, with 1/d taken before d is rounded to f16: the
/// reference's arithmetic, hence its bytes. The encoder never gives q = −128; decoding knows it. Codes are
/// c = q + 128, as in Int8; packed they are q in two's complement. Groups without a reciprocal have every q 0.
///
/// Equality of parameters is equality of d; see GgufQ4_0 for what that means for `inverse`.
///
/// Source: ggml, quantize_row_q8_0_ref and dequantize_row_q8_0.
struct GgufQ8_0 {
  using format_type = Int8;
  using layout_type = pack::SignedBytes;
  using stored_type = f16;

  static constexpr std::size_t group_size = 32;
  static constexpr unsigned zero_bits = 0;
  static constexpr std::size_t block_bytes = 34;
  static constexpr std::size_t header_bytes = 2;

  struct params_type {
    float scale = 0.0f;    ///< d as stored
    float inverse = 0.0f;  ///< what codes are chosen with; 0 for a zero block
    friend constexpr bool operator==(const params_type& a, const params_type& b) noexcept { return a.scale == b.scale; }
  };

  params_type fit(std::span<const float> group) const noexcept {
    float largest = 0.0f;
    for (const float x : group) largest = std::fabs(x) > largest ? std::fabs(x) : largest;
    const float d = largest / 127.0f;
    const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
    return {static_cast<float>(f16(d)), std::isfinite(inverse) ? inverse : 0.0f};
  }

  LOWBIT_ALWAYS_INLINE std::uint8_t quantize(float x, params_type p) const noexcept {
    const float q = round_half_away(x * p.inverse);
    return static_cast<std::uint8_t>(static_cast<int>(q > -127.0f ? (q < 127.0f ? q : 127.0f) : -127.0f) + 128);
  }
  LOWBIT_ALWAYS_INLINE float dequantize(std::uint8_t code, params_type p) const noexcept {
    return p.scale * static_cast<float>(static_cast<int>(code) - 128);
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

  static std::string storage_name() { return "gguf_q8_0"; }
};

static_assert(Quantizer<GgufQ8_0>);

}  // namespace lowbit
