// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "lowbit/format/int.hpp"
#include "lowbit/pack/signed_bytes.hpp"
#include "lowbit/quantizer/gguf_codes.hpp"

namespace lowbit {

/// GGUF's Q8_0: blocks of 32, x̂ = d·q, q of 8 bits with sign, d an f16. 8.5 bits per weight.
///
/// d = max|x|/127; q = x·(1/d) rounded to nearest, ties away from zero, with 1/d taken before d is rounded to f16: the
/// reference's arithmetic, hence its bytes. The encoder never gives q = −128; decoding knows it. Codes are
/// c = q + 128, as in Int8; packed they are q in two's complement. Groups without a reciprocal have every q 0.
/// Importance changes nothing.
///
/// Source: ggml, quantize_row_q8_0_ref and dequantize_row_q8_0.
struct GgufQ8_0 : detail::GgufScaled<GgufQ8_0> {
  using format_type = Int8;
  using layout_type = pack::SignedBytes;

  static constexpr std::size_t group_size = 32;
  static constexpr std::size_t block_bytes = 34;
  static constexpr std::size_t header_bytes = 2;
  static constexpr auto levels = detail::consecutive<256>(-128);

  params_type fit(std::span<const float> group) const noexcept {
    const float d = detail::largest_magnitude(group) / 127.0f;
    return {static_cast<float>(f16(d)), detail::reciprocal(d)};
  }

  LOWBIT_ALWAYS_INLINE static std::uint8_t code_of(float x, const params_type& p) noexcept {
    const float q = round_half_away(x * p.inverse);
    return static_cast<std::uint8_t>(static_cast<int>(q > -127.0f ? (q < 127.0f ? q : 127.0f) : -127.0f) + 128);
  }

  static std::string storage_name() { return "gguf_q8_0"; }
};

static_assert(Quantizer<GgufQ8_0>);

}  // namespace lowbit
