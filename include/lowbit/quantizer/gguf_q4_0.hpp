// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "lowbit/format/int.hpp"
#include "lowbit/pack/split_nibbles.hpp"
#include "lowbit/quantizer/ggml_search.hpp"
#include "lowbit/quantizer/gguf_codes.hpp"

namespace lowbit {

namespace detail {

/// x̂ = d·(c − 2^(b−1)), blocks of 32; see GgufQ4_0.
template <class Self, int Bits>
struct GgufSymmetric : GgufScaled<Self> {
  using format_type = Int<Bits>;

  static constexpr std::size_t group_size = 32;
  static constexpr std::size_t header_bytes = 2;
  static constexpr int offset = format_type::offset;
  static constexpr auto levels = consecutive<format_type::cardinality>(-offset);

  GgufScale fit(std::span<const float> group) const noexcept {
    const float d = ggml::extreme(group) / static_cast<float>(-offset);
    return {static_cast<float>(f16(d)), reciprocal(d)};
  }
  GgufScale fit(std::span<const float> group, const FitContext& context) const noexcept {
    if (context.importance.empty()) return fit(group);
    LOWBIT_ASSERT(group.size() <= group_size, "a group is no larger than a block");
    float weights[group_size];
    const float mean = ggml::mean_square(group, context.row_mean_square);
    ggml::importance_weights(group, context.importance, mean, weights);
    const auto [scale, inverse] = ggml::make_qx(group, std::span<const float>(weights, group.size()), offset);
    return {static_cast<float>(f16(scale)), inverse, true};
  }

  LOWBIT_ALWAYS_INLINE static std::uint8_t code_of(float x, const GgufScale& p) noexcept {
    constexpr auto top = static_cast<float>(2 * offset - 1);
    if (p.searched) {
      if (p.inverse == 0.0f) return 0;
      return static_cast<std::uint8_t>(
          static_cast<int>(nearest_in(x * p.inverse, static_cast<float>(-offset), static_cast<float>(offset - 1))) +
          offset);
    }
    // The sum in double, rounded once to float, is the float sum, and cannot be contracted to a fused multiply-add.
    const auto c = static_cast<float>(static_cast<double>(x * p.inverse) + (offset + 0.5));
    return static_cast<std::uint8_t>(c > 0.0f ? (c < top ? c : top) : 0.0f);
  }
};

}  // namespace detail

/// GGUF's Q4_0: blocks of 32, x̂ = d·(c − 8), c of 4 bits, d an f16 that may be negative. 4.5 bits per weight.
///
/// With m the first element of the largest magnitude, d = m/−8, so m has code 0. Codes are min(15, ⌊x·(1/d) + 8.5⌋),
/// with 1/d taken before d is rounded to f16; decoding uses the rounded d. That is the reference's arithmetic, step by
/// step in float, hence its bytes. Groups without a reciprocal (|d| < 2.94e−39) have every code 8; so does the zero
/// block, whose d is −0, as in the reference.
///
/// With importance, d and the codes are those of make_qx with weights importance·√(mean square of the row + x²); the
/// zero block then has every code 0.
///
/// Source: ggml, quantize_row_q4_0_ref, quantize_row_q4_0_impl and dequantize_row_q4_0.
struct GgufQ4_0 : detail::GgufSymmetric<GgufQ4_0, 4> {
  using layout_type = pack::SplitNibbles<32>;
  static constexpr std::size_t block_bytes = 18;
  static std::string storage_name() { return "gguf_q4_0"; }
};

static_assert(WeightedFitting<GgufQ4_0>);

}  // namespace lowbit
