// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "lowbit/format/int.hpp"
#include "lowbit/quantizer/ggml_search_lanes.hpp"
#include "lowbit/quantizer/gguf_sub_scales.hpp"

namespace lowbit::detail {

/// Base of Q3_K and Q6_K: super-blocks of 256, x̂ = (d·s)·(c − 2^(b−1)), one integer s for every 16 columns, d f16. The
/// two products are rounded in turn. Codes are chosen with what will be read back: clip(round(x/(d·s)), −2^(b−1),
/// 2^(b−1) − 1); where d·s is 0 they are those of the search's candidate, and 0 in sub-blocks of zeros.
template <class Self, int Bits>
struct GgufSymmetricK : GgufCodes<Self, GgufScale> {
  using format_type = Int<Bits>;
  using params_type = GgufSubScales<16>;
  using point_type = GgufScale;

  static constexpr std::size_t group_size = 256;
  static constexpr std::size_t sub_group = 16;
  static constexpr std::size_t header_bytes = 0;
  static constexpr int offset = format_type::offset;
  static constexpr auto levels = consecutive<format_type::cardinality>(-offset);

  LOWBIT_ALWAYS_INLINE point_type sub(const params_type& p, std::size_t s) const noexcept {
    return {p.sub_scale(s), p.inverse[s]};
  }
  LOWBIT_ALWAYS_INLINE static std::uint8_t code_of(float x, const point_type& p) noexcept {
    if (p.scale == 0.0f && p.inverse == 0.0f) return 0;
    const float v = p.scale != 0.0f ? x / p.scale : p.inverse * x;
    const float l = nearest_in(v, static_cast<float>(-offset), static_cast<float>(offset - 1));
    return static_cast<std::uint8_t>(static_cast<int>(l) + offset);
  }

 protected:
  using Fits = std::array<ggml::SymmetricFit, 16>;
  static std::array<float, 16> scales_of(const Fits& fits) noexcept {
    std::array<float, 16> scales;
    for (std::size_t s = 0; s < 16; ++s) scales[s] = fits[s].scale;
    return scales;
  }
  static params_type keep_searched(const Fits& fits) noexcept {
    params_type p;
    for (std::size_t s = 0; s < 16; ++s) p.inverse[s] = fits[s].inverse;
    return p;
  }
};

}  // namespace lowbit::detail
