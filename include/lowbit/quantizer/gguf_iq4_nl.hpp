// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "lowbit/format/iq4_nl.hpp"
#include "lowbit/pack/split_nibbles.hpp"
#include "lowbit/quantizer/ggml_search_iq4.hpp"
#include "lowbit/quantizer/gguf_codes.hpp"

namespace lowbit {

/// GGUF's IQ4_NL: blocks of 32, x̂ = d·T[c], T the sixteen levels of Iq4Nl, d an f16 that may be negative. 4.5 bits per
/// weight. Only zero blocks hold exact zeros: T has none.
///
/// Without importance: with m the first element of the largest magnitude, codes are those nearest to x·(1/(m/−127)); d
/// is then their least-squares scale with weights x², and the codes stay. `fit_searched` is the reference's search,
/// with the weights given or x²: d from make_iq4, codes nearest to x·(1/d), d from before it is rounded to f16. With
/// importance, weights are importance·√(2·mean x² + x²).
///
/// Source: ggml, quantize_row_iq4_nl_ref, quantize_iq4_nl and dequantize_row_iq4_nl.
struct GgufIq4Nl : detail::GgufScaled<GgufIq4Nl> {
  using format_type = Iq4Nl;
  using layout_type = pack::SplitNibbles<32>;

  static constexpr std::size_t group_size = 32;
  static constexpr std::size_t block_bytes = 18;
  static constexpr std::size_t header_bytes = 2;
  static constexpr auto& levels = Iq4Nl::levels;

  params_type fit(std::span<const float> group) const noexcept {
    const float m = ggml::extreme(group);
    if (std::fabs(m) < ggml::vanishing) return {};
    LOWBIT_ASSERT(group.size() <= group_size, "a group is no larger than a block");
    float weights[group_size];
    for (std::size_t i = 0; i < group.size(); ++i) weights[i] = group[i] * group[i];
    const float inverse = 1.0f / (m / -127.0f);
    const auto found = ggml::fit_levels(group, std::span<const float>(weights, group.size()), inverse);
    return {static_cast<float>(f16(found.scale)), inverse};
  }
  params_type fit(std::span<const float> group, const FitContext& context) const noexcept {
    return context.importance.empty() ? fit(group) : fit_searched(group, context.importance);
  }
  params_type fit_searched(std::span<const float> group, std::span<const float> importance = {}) const noexcept {
    LOWBIT_ASSERT(group.size() <= group_size, "a group is no larger than a block");
    float weights[group_size];
    if (importance.empty())
      for (std::size_t i = 0; i < group.size(); ++i) weights[i] = group[i] * group[i];
    else
      ggml::importance_weights(group, importance,
                               ggml::sum_of_squares(group) * (2.0f / static_cast<float>(group.size())), weights);
    const float d = ggml::make_iq4(group, std::span<const float>(weights, group.size()));
    return {static_cast<float>(f16(d)), detail::reciprocal(d)};
  }

  LOWBIT_ALWAYS_INLINE static std::uint8_t code_of(float x, const params_type& p) noexcept {
    return Iq4Nl::encode(p.inverse * x);
  }

  static std::string storage_name() { return "gguf_iq4_nl"; }
};

static_assert(WeightedFitting<GgufIq4Nl>);

}  // namespace lowbit
