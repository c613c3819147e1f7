// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/concept.hpp"
#include "lowbit/format/name.hpp"
#include "lowbit/format/rounding.hpp"

namespace lowbit {

/// The 2^b points k + 1/2, k = −2^(b−1) … 2^(b−1) − 1: symmetric, evenly spaced, without zero. Two bits give −1.5, −.5,
/// .5, 1.5, which use the range better than the integers −2 … 1.
///
/// Code k + 2^(b−1). Encoding: to nearest, ties (whole numbers) to even k, so zero becomes +1/2; values outside clamp
/// to the ends; NaN becomes an end. A zero group needs a zero scale.
///
/// The "stretched elastic" grid is these points over 2^(b−1): `encode_stretched` takes x = w/α and is
/// round(clip(x, −.99, .99) · 2^(b−1) − 1/2), but for round-off in the subtraction; `decode_stretched` gives ŵ/α.
/// Source: Liu et al., "ParetoQ", arXiv:2502.02631.
template <int Bits>
struct HalfOffset {
  static_assert(Bits >= 1 && Bits <= 8, "lowbit::HalfOffset has 1 to 8 bits.");
  static constexpr int bits = Bits;
  static constexpr std::size_t dim = 1;
  static constexpr std::size_t cardinality = std::size_t{1} << Bits;
  static constexpr int offset = 1 << (Bits - 1);
  static constexpr std::array<float, cardinality> levels = [] {
    std::array<float, cardinality> all{};
    for (int c = 0; c < 2 * offset; ++c) all[static_cast<std::size_t>(c)] = static_cast<float>(c - offset) + 0.5f;
    return all;
  }();
  static constexpr float largest = levels[cardinality - 1];
  using code_type = std::uint8_t;

  LOWBIT_ALWAYS_INLINE static constexpr code_type encode(float x) noexcept {
    const float a = detail::clamped_magnitude(x, largest);
    const auto whole = static_cast<std::int32_t>(a);
    const auto negative = static_cast<std::int32_t>(std::bit_cast<std::uint32_t>(x) >> 31);
    // Inside a cell k is the floor: whole, or −whole − 1 below zero. On a border the even one of the two is meant.
    const std::int32_t on_border = static_cast<std::int32_t>(static_cast<float>(whole) == a);
    const std::int32_t k = (whole ^ -negative) + (-on_border & (negative - (whole & 1)));
    return static_cast<code_type>(k + offset);
  }
  LOWBIT_ALWAYS_INLINE static constexpr float decode(code_type c) noexcept { return levels[c]; }

  LOWBIT_ALWAYS_INLINE static constexpr code_type encode_stretched(float x) noexcept {
    return encode(x * static_cast<float>(offset));
  }
  LOWBIT_ALWAYS_INLINE static constexpr float decode_stretched(code_type c) noexcept {
    return levels[c] / static_cast<float>(offset);
  }

  code_type encode(std::span<const float, 1> x) const noexcept { return encode(x[0]); }
  void decode(code_type c, std::span<float, 1> y) const noexcept { y[0] = decode(c); }

 private:
  static constexpr detail::FormatName text = detail::FormatName{}.add("halfoffset").add(Bits);

 public:
  static constexpr std::string_view name = text.view();
};

static_assert(Format<HalfOffset<2>>);

}  // namespace lowbit
