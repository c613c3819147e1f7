// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/concept.hpp"
#include "lowbit/format/name.hpp"
#include "lowbit/format/rounding.hpp"
#include "lowbit/format/sign_magnitude.hpp"

namespace lowbit {

/// Signed powers of √2: ±{0, 2^(−(n−1)/2), …, 2^(−1/2), 1}, n = 2^(b−1) − 1: a shift, and for every other point one
/// multiplication by 1/√2.
///
/// The highest bit of a code is the sign; the rest is 0 for zero and k for 2^((k−n)/2) (no published code is known,
/// these ascend with the magnitude). Encoding: to nearest (Euclidean), ties to the smaller magnitude; zero keeps its
/// sign; NaN becomes ±0. Special values: none.
template <int Bits>
struct Post {
  static_assert(Bits >= 2 && Bits <= 8, "lowbit::Post has 2 to 8 bits.");
  static constexpr std::size_t dim = 1;
  static constexpr std::size_t cardinality = std::size_t{1} << Bits;
  static constexpr float largest = 1.0f;
  using code_type = std::uint8_t;

 private:
  static constexpr std::size_t count = cardinality / 2;
  static constexpr std::array<float, count> magnitudes = [] {
    std::array<float, count> all{};
    for (std::size_t k = 0; k + 1 < count; ++k)
      all[count - 1 - k] =
          detail::power_of_two(-static_cast<int>(k / 2)) * (k % 2 == 0 ? 1.0f : 0.70710678118654752440f);
    return all;
  }();
  static constexpr detail::Ladder<count> ladder{magnitudes};
  static constexpr detail::FormatName text = detail::FormatName{}.add("post").add(Bits);

 public:
  static constexpr std::string_view name = text.view();
  static constexpr std::array<float, cardinality> levels = detail::SignMagnitude<count>::both_signs(magnitudes);

  LOWBIT_ALWAYS_INLINE static constexpr code_type encode(float x) noexcept {
    return detail::SignMagnitude<count>::encode(ladder, x);
  }
  LOWBIT_ALWAYS_INLINE static constexpr float decode(code_type c) noexcept { return levels[c]; }

  code_type encode(std::span<const float, 1> x) const noexcept { return encode(x[0]); }
  void decode(code_type c, std::span<float, 1> y) const noexcept { y[0] = decode(c); }
};

static_assert(Format<Post<4>>);

}  // namespace lowbit
