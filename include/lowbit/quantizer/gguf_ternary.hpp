// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "lowbit/core/round.hpp"
#include "lowbit/format/binary.hpp"
#include "lowbit/format/int.hpp"
#include "lowbit/format/ternary.hpp"
#include "lowbit/pack/dense.hpp"
#include "lowbit/pack/gguf.hpp"
#include "lowbit/pack/gguf_tq1_0.hpp"
#include "lowbit/quantizer/gguf_codes.hpp"

namespace lowbit {

namespace detail {

/// x̂ = d·(c − 1) with d = max|x| as f16 and c = round(x·(1/d)) + 1, ties away from zero, 1/d from before d is rounded.
/// For weights that are ternary already: on others the error is that of INT2 with the largest magnitude on 1.
template <class Self, std::size_t Group, std::size_t Points>
struct GgufTernary : GgufScaled<Self> {
  static constexpr std::size_t group_size = Group;
  static constexpr auto levels = consecutive<Points>(-1);

  GgufScale fit(std::span<const float> group) const noexcept {
    const float d = largest_magnitude(group);
    return {static_cast<float>(f16(d)), reciprocal(d)};
  }
  LOWBIT_ALWAYS_INLINE static std::uint8_t code_of(float x, const GgufScale& p) noexcept {
    constexpr auto top = static_cast<float>(Points - 1);
    const float c = round_half_away(x * p.inverse) + 1.0f;
    return static_cast<std::uint8_t>(c > 0.0f ? (c < top ? c : top) : 0.0f);
  }
};

}  // namespace detail

/// GGUF's TQ1_0: super-blocks of 256, GgufTernary, five trits to a byte. 1.6875 bits per weight. File: codes, d.
/// Source: ggml, quantize_row_tq1_0_ref and dequantize_row_tq1_0.
struct GgufTq1_0 : detail::GgufTernary<GgufTq1_0, 256, 3> {
  using format_type = Ternary;
  using layout_type = pack::GgufTQ1_0;
  static constexpr std::size_t block_bytes = 54;
  static constexpr std::size_t header_bytes = 0;
  static std::string storage_name() { return "gguf_tq1_0"; }
};

/// GGUF's TQ2_0: super-blocks of 256, GgufTernary, two bits to a code. 2.0625 bits per weight. The encoder gives no
/// code 3; decoding knows it as 2·d. File: codes, d. Source: ggml, quantize_row_tq2_0_ref and dequantize_row_tq2_0.
struct GgufTq2_0 : detail::GgufTernary<GgufTq2_0, 256, 4> {
  using format_type = Int2;
  using layout_type = pack::GgufTQ2_0;
  static constexpr std::size_t block_bytes = 66;
  static constexpr std::size_t header_bytes = 0;
  static std::string storage_name() { return "gguf_tq2_0"; }
};

/// GGUF's Q2_0: blocks of 64, GgufTernary, four codes to a byte from the low end. 2.25 bits per weight. File: d, codes.
/// Source: ggml, quantize_row_q2_0_ref and dequantize_row_q2_0.
struct GgufQ2_0 : detail::GgufTernary<GgufQ2_0, 64, 4> {
  using format_type = Int2;
  using layout_type = pack::Dense<2>;
  static constexpr std::size_t block_bytes = 18;
  static constexpr std::size_t header_bytes = 2;
  static std::string storage_name() { return "gguf_q2_0"; }
};

/// GGUF's Q1_0: blocks of 128, x̂ = ±d, d = mean |x| as f16; the code is 1 where x ≥ 0. 1.125 bits per weight. File: d,
/// one bit per code from the low end. Source: ggml, quantize_row_q1_0_ref and dequantize_row_q1_0.
struct GgufQ1_0 : detail::GgufScaled<GgufQ1_0> {
  using format_type = Binary;
  using layout_type = pack::Dense<1>;

  static constexpr std::size_t group_size = 128;
  static constexpr std::size_t block_bytes = 18;
  static constexpr std::size_t header_bytes = 2;
  static constexpr auto& levels = Binary::levels;

  params_type fit(std::span<const float> group) const noexcept {
    float sum = 0.0f;
    for (const float x : group) sum += std::fabs(x);
    return {group.empty() ? 0.0f : static_cast<float>(f16(sum / static_cast<float>(group.size())))};
  }
  LOWBIT_ALWAYS_INLINE static std::uint8_t code_of(float x, const params_type&) noexcept { return x >= 0.0f ? 1 : 0; }

  static std::string storage_name() { return "gguf_q1_0"; }
};

static_assert(Quantizer<GgufTq1_0> && Quantizer<GgufTq2_0> && Quantizer<GgufQ2_0> && Quantizer<GgufQ1_0>);

}  // namespace lowbit
