// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <string>

#include "lowbit/format/int.hpp"
#include "lowbit/pack/split_nibbles.hpp"
#include "lowbit/quantizer/ggml_search.hpp"
#include "lowbit/quantizer/gguf_codes.hpp"

namespace lowbit {

namespace detail {

/// Two f16 numbers to a group: x̂ = scale·c − offset. As with GgufScale, equality is that of what is stored.
struct GgufScaleAndOffset {
  float scale = 0.0f;
  float offset = 0.0f;   ///< −m: the file holds m
  float inverse = 0.0f;  ///< codes are chosen by inverse·(x − low), both from before they were rounded
  float low = 0.0f;
  bool searched = false;  ///< codes are those of a search: rounded to nearest, ties to even
  bool finite() const noexcept { return std::isfinite(offset); }
  friend constexpr bool operator==(const GgufScaleAndOffset& a, const GgufScaleAndOffset& b) noexcept {
    return a.scale == b.scale && a.offset == b.offset;
  }
};

struct StoredScaleAndMin {
  f16 d, m;
  friend constexpr bool operator==(const StoredScaleAndMin&, const StoredScaleAndMin&) = default;
};

/// x̂ = d·c + m, blocks of 32; see GgufQ4_1.
template <class Self, int Bits>
struct GgufAffine : GgufCodes<Self, GgufScaleAndOffset> {
  using format_type = Int<Bits>;
  using params_type = GgufScaleAndOffset;
  using stored_type = StoredScaleAndMin;

  static constexpr std::size_t group_size = 32;
  static constexpr std::size_t header_bytes = 4;
  static constexpr int top = (1 << Bits) - 1;
  static constexpr auto levels = consecutive<top + 1>(0);

  params_type fit(std::span<const float> group) const noexcept {
    if (group.empty()) return {};
    float min = group[0], max = group[0];
    for (const float x : group) {
      min = x < min ? x : min;
      max = x > max ? x : max;
    }
    const float d = (max - min) / static_cast<float>(top);
    return rounded(d, min, reciprocal(d), min, false);
  }
  params_type fit(std::span<const float> group, const FitContext& context) const noexcept {
    if (context.importance.empty()) return fit(group);
    LOWBIT_ASSERT(group.size() <= group_size, "a group is no larger than a block");
    float weights[group_size];
    const float mean = ggml::mean_square(group, context.row_mean_square);
    ggml::importance_weights(group, context.importance, mean, weights);
    const auto found = ggml::make_qkx3(group, std::span<const float>(weights, group.size()), top);
    return rounded(found.scale, -found.min, found.inverse, found.low, true);
  }

  LOWBIT_ALWAYS_INLINE static std::uint8_t code_of(float x, const params_type& p) noexcept {
    const float v = p.inverse * (x - p.low);
    constexpr auto last = static_cast<float>(top);
    if (p.searched) return static_cast<std::uint8_t>(nearest_in(v, 0.0f, last));
    const auto c = static_cast<float>(static_cast<double>(v) + 0.5);  // in double: cannot be contracted
    return static_cast<std::uint8_t>(c > 0.0f ? (c < last ? c : last) : 0.0f);
  }

  LOWBIT_ALWAYS_INLINE stored_type store(const params_type& p) const noexcept { return {f16(p.scale), f16(-p.offset)}; }
  LOWBIT_ALWAYS_INLINE params_type load(const stored_type& stored, std::uint8_t) const noexcept {
    const auto d = static_cast<float>(stored.d), m = static_cast<float>(stored.m);
    return {d, -m, d != 0.0f ? 1.0f / d : 0.0f, m, false};
  }

 private:
  static params_type rounded(float d, float m, float inverse, float low, bool searched) noexcept {
    return {static_cast<float>(f16(d)), -static_cast<float>(f16(m)), inverse, low, searched};
  }
};

}  // namespace detail

/// GGUF's Q4_1: blocks of 32, x̂ = d·c + m, c of 4 bits, d and m f16. 5 bits per weight.
///
/// m = min x, d = (max x − m)/15, codes min(15, ⌊(x − m)·(1/d) + 0.5⌋), with m and 1/d from before they are rounded to
/// f16. Decoding rounds the product and then the sum. Blocks whose d has no reciprocal have every code 0.
///
/// With importance, d, m and the codes are those of make_qkx3 with weights importance·√(mean square of the row + x²):
/// there m is never positive.
///
/// Source: ggml, quantize_row_q4_1_ref, quantize_row_q4_1_impl and dequantize_row_q4_1.
struct GgufQ4_1 : detail::GgufAffine<GgufQ4_1, 4> {
  using layout_type = pack::SplitNibbles<32>;
  static constexpr std::size_t block_bytes = 20;
  static std::string storage_name() { return "gguf_q4_1"; }
};

static_assert(WeightedFitting<GgufQ4_1>);

}  // namespace lowbit
