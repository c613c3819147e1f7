// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "lowbit/core/isa.hpp"
#include "lowbit/core/round.hpp"
#include "lowbit/format/concept.hpp"

namespace lowbit {

/// The integers −2^(b−1) … 2^(b−1) − 1, spacing 1.
///
/// Code c stands for c − 2^(b−1): codes are unsigned (offset binary), so that packing, zero points and the unsigned
/// operand of dot-product instructions need no sign. Rounding: to nearest, ties to even integers; values outside clamp to
/// the ends. Special values: none; NaN must be refused before it gets here (it would become code 0 or 2^b − 1).
template <int Bits>
struct Int {
  static_assert(Bits >= 2 && Bits <= 8, "lowbit::Int holds 2 to 8 bits: one code fits a byte, and one bit has no zero.");

  static constexpr int bits = Bits;
  static constexpr std::size_t dim = 1;
  static constexpr std::size_t cardinality = std::size_t{1} << Bits;
  static constexpr int offset = 1 << (Bits - 1);  ///< the code of 0
  static constexpr int min = -offset;
  static constexpr int max = offset - 1;
  static constexpr std::string_view name = [] {
    constexpr std::string_view names[] = {"int2", "int3", "int4", "int5", "int6", "int7", "int8"};
    return names[Bits - 2];
  }();
  using code_type = std::uint8_t;

  LOWBIT_ALWAYS_INLINE code_type encode(float x) const noexcept {
    const float r = round_half_even(x) + static_cast<float>(offset);
    const float top = static_cast<float>(cardinality - 1);
    return static_cast<code_type>(r > 0.0f ? (r < top ? r : top) : 0.0f);
  }
  LOWBIT_ALWAYS_INLINE float decode(code_type c) const noexcept {
    return static_cast<float>(static_cast<int>(c) - offset);
  }

  code_type encode(std::span<const float, 1> x) const noexcept { return encode(x[0]); }
  void decode(code_type c, std::span<float, 1> y) const noexcept { y[0] = decode(c); }
};

using Int2 = Int<2>;
using Int3 = Int<3>;
using Int4 = Int<4>;
using Int5 = Int<5>;
using Int6 = Int<6>;
using Int7 = Int<7>;
using Int8 = Int<8>;

static_assert(Format<Int2> && Format<Int4> && Format<Int8>);

}  // namespace lowbit
