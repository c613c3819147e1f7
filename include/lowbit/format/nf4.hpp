// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/concept.hpp"
#include "lowbit/format/ladder.hpp"

namespace lowbit {

/// NormalFloat4: sixteen quantiles of the normal distribution over −1 … 1, exact zero and both ends included.
///
/// The published table, float for float; NormalFloat<4> is its construction. Codes ascend with their points, code 7 is
/// zero. Encoding: to nearest, ties to the lower code; NaN becomes code 0. Special values: none.
/// bitsandbytes packs the first of two elements into the high nibble.
/// Source: Dettmers et al., "QLoRA", arXiv:2305.14314, appendix E.
struct NF4 {
  static constexpr std::size_t dim = 1;
  static constexpr std::size_t cardinality = 16;
  static constexpr std::string_view name = "nf4";
  static constexpr std::array<float, cardinality> levels = {-1.0f,
                                                            -0.6961928009986877f,
                                                            -0.5250730514526367f,
                                                            -0.39491748809814453f,
                                                            -0.28444138169288635f,
                                                            -0.18477343022823334f,
                                                            -0.09105003625154495f,
                                                            0.0f,
                                                            0.07958029955625534f,
                                                            0.16093020141124725f,
                                                            0.24611230194568634f,
                                                            0.33791524171829224f,
                                                            0.44070982933044434f,
                                                            0.5626170039176941f,
                                                            0.7229568362236023f,
                                                            1.0f};
  static constexpr float largest = 1.0f;
  using code_type = std::uint8_t;

  LOWBIT_ALWAYS_INLINE static constexpr code_type encode(float x) noexcept {
    return static_cast<code_type>(ladder.rank(x));
  }
  LOWBIT_ALWAYS_INLINE static constexpr float decode(code_type c) noexcept { return levels[c]; }

  code_type encode(std::span<const float, 1> x) const noexcept { return encode(x[0]); }
  void decode(code_type c, std::span<float, 1> y) const noexcept { y[0] = decode(c); }

 private:
  static constexpr detail::Ladder<cardinality> ladder{levels};
};

static_assert(Format<NF4>);

}  // namespace lowbit
