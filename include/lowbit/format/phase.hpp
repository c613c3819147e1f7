// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/concept.hpp"

namespace lowbit {

/// The complex units 1, i, −1, −i as codes 0 … 3: one code for two reals, (real, imaginary).
///
/// Encoding: by angle, which is to nearest: [−45°, 45°) is 1, [45°, 135°) is i, [135°, 225°) is −1, [225°, 315°) is −i;
/// zero is 1. A product with a code is a swap and a sign. NaN in either part becomes code 3.
struct Phase {
  static constexpr std::size_t dim = 2;
  static constexpr std::size_t cardinality = 4;
  static constexpr std::string_view name = "phase";
  using code_type = std::uint8_t;

  LOWBIT_ALWAYS_INLINE static constexpr code_type encode(float re, float im) noexcept {
    if ((-re <= im && im < re) || (re == 0.0f && im == 0.0f)) return 0;
    if (-im < re && re <= im) return 1;
    if (re < im && im <= -re) return 2;
    return 3;
  }

  code_type encode(std::span<const float, 2> x) const noexcept { return encode(x[0], x[1]); }
  void decode(code_type c, std::span<float, 2> y) const noexcept {
    y[0] = c == 0 ? 1.0f : c == 2 ? -1.0f : 0.0f;
    y[1] = c == 1 ? 1.0f : c == 3 ? -1.0f : 0.0f;
  }
};

static_assert(Format<Phase>);

}  // namespace lowbit
