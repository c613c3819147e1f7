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
#include "lowbit/format/ladder.hpp"

namespace lowbit {

/// The "FP4" of bitsandbytes, which is not E2M1: bit 3 is the sign, bits 2 … 0 index the magnitudes
///
///   0  0      2  2/3    4  1/3    6  1/6
///   1  1/192  3  1      5  1/2    7  1/4
///
/// Encoding: to nearest, ties to the smaller magnitude; zero keeps its sign (both zeros decode to zero); NaN becomes
/// ±0. bitsandbytes compares with midpoints rounded to decimals, so a value within 1e-7 of one may get the neighbouring
/// code there. The first of two elements lies in the high nibble.
/// Source: the bitsandbytes documentation of 4-bit types; block 64, one float scale per block.
struct BnbFp4 {
  static constexpr std::size_t dim = 1;
  static constexpr std::size_t cardinality = 16;
  static constexpr std::string_view name = "bnb_fp4";
  static constexpr float largest = 1.0f;
  using code_type = std::uint8_t;

 private:
  static constexpr std::array<std::uint8_t, 8> order = {0, 1, 6, 7, 4, 5, 2, 3};  ///< by ascending magnitude
  static constexpr std::array<float, 8> ascending = {0.0f,        1.0f / 192.0f, 1.0f / 6.0f, 0.25f,
                                                     1.0f / 3.0f, 0.5f,          2.0f / 3.0f, 1.0f};
  static constexpr detail::Ladder<8> ladder{ascending};
  /// The code of rank r in nibble r: a register, where a table would be a load.
  static constexpr std::uint32_t codes = [] {
    std::uint32_t packed = 0;
    for (unsigned r = 0; r < 8; ++r) packed |= static_cast<std::uint32_t>(order[r]) << (4 * r);
    return packed;
  }();

 public:
  static constexpr std::array<float, cardinality> levels = [] {
    std::array<float, cardinality> all{};
    for (unsigned r = 0; r < 8; ++r) {
      all[order[r]] = ascending[r];
      all[8u + order[r]] = -ascending[r];
    }
    return all;
  }();

  LOWBIT_ALWAYS_INLINE static constexpr code_type encode(float x) noexcept {
    const auto bits = std::bit_cast<std::uint32_t>(x);
    const unsigned rank = ladder.rank(std::bit_cast<float>(bits & 0x7fffffffu));
    return static_cast<code_type>(((codes >> (4 * rank)) & 7u) | (bits >> 31) << 3);
  }
  LOWBIT_ALWAYS_INLINE static constexpr float decode(code_type c) noexcept { return levels[c]; }

  code_type encode(std::span<const float, 1> x) const noexcept { return encode(x[0]); }
  void decode(code_type c, std::span<float, 1> y) const noexcept { y[0] = decode(c); }
};

static_assert(Format<BnbFp4>);

}  // namespace lowbit
