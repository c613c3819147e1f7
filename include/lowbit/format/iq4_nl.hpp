// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/concept.hpp"

namespace lowbit {

/// The sixteen levels of GGUF's IQ4_NL and IQ4_XS: integers from −127 to 113, denser towards the middle. Codes ascend
/// with their levels. There is no zero: the level nearest to it is 1, code 8. Encoding: nearest, ties to the upper
/// level; values outside take the end levels.
///
/// Source: ggml, kvalues_iq4nl.
struct Iq4Nl {
  static constexpr std::size_t dim = 1;
  static constexpr std::size_t cardinality = 16;
  static constexpr std::string_view name = "iq4_nl";
  static constexpr std::array<float, 16> levels = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                   1,    13,   25,  38,  53,  69,  89,  113};
  static constexpr float largest = 127.0f;  ///< magnitude of code 0
  /// The lower ends of the cells of codes 1 … 15; halves, so comparing with them is comparing the two distances.
  static constexpr std::array<float, 15> bounds = [] {
    std::array<float, 15> middle{};
    for (std::size_t c = 0; c < 15; ++c) middle[c] = 0.5f * (levels[c] + levels[c + 1]);
    return middle;
  }();
  using code_type = std::uint8_t;

  LOWBIT_ALWAYS_INLINE static constexpr code_type encode(float x) noexcept {
    code_type c = 0;
    for (const float bound : bounds) c = static_cast<code_type>(c + (x >= bound ? 1 : 0));
    return c;
  }
  LOWBIT_ALWAYS_INLINE static constexpr float decode(code_type c) noexcept { return levels[c]; }

  code_type encode(std::span<const float, 1> x) const noexcept { return encode(x[0]); }
  void decode(code_type c, std::span<float, 1> y) const noexcept { y[0] = decode(c); }
};

static_assert(Format<Iq4Nl>);

}  // namespace lowbit
