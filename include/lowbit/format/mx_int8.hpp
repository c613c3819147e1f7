// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "lowbit/core/isa.hpp"
#include "lowbit/core/round.hpp"
#include "lowbit/format/concept.hpp"

namespace lowbit {

/// The element of MXINT8: two's complement with an implied factor 2^-6, so the points are q/64, q = -128 ... 127.
///
/// Codes are offset binary, c = q + 128. Encoding: to nearest, ties to even, symmetric: q stays within -127 ... 127, so
/// -2.0 (q = -128) decodes but is never given. Special values: none.
/// Source: OCP Microscaling Formats (MX) Specification 1.0, 2023, section 5.3.4.
struct MxInt8 {
  static constexpr std::size_t dim = 1;
  static constexpr std::size_t cardinality = 256;
  static constexpr int mantissa_bits = 6;
  static constexpr std::string_view name = "mxint8";
  static constexpr float largest = 127.0f / 64.0f;
  static constexpr std::array<float, cardinality> levels = [] {
    std::array<float, cardinality> all{};
    for (int c = 0; c < 256; ++c) all[static_cast<std::size_t>(c)] = static_cast<float>(c - 128) / 64.0f;
    return all;
  }();
  using code_type = std::uint8_t;

  LOWBIT_ALWAYS_INLINE code_type encode(float x) const noexcept {
    const float q = round_half_even(x * 64.0f);
    return static_cast<code_type>((q > -127.0f ? (q < 127.0f ? q : 127.0f) : -127.0f) + 128.0f);
  }
  LOWBIT_ALWAYS_INLINE float decode(code_type c) const noexcept { return levels[c]; }

  code_type encode(std::span<const float, 1> x) const noexcept { return encode(x[0]); }
  void decode(code_type c, std::span<float, 1> y) const noexcept { y[0] = decode(c); }
};

static_assert(Format<MxInt8>);

}  // namespace lowbit
