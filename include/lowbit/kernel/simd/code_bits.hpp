// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "lowbit/core/isa.hpp"

/// Where eight packed codes lie in one or two 32-bit lanes, and how a code becomes a float without a conversion.
///
/// Eight dense codes of b bits fill exactly b bytes, so lane j of a block of 8·lanes codes owns codes 8j … 8j + 7. Lane
/// words: `low` is the first four of its b bytes, `high` the last four (only for b > 4).
///
/// A code at bits [p, p + b) of a word, p + b ≤ 23, turns into the float 2^(23−p) + code when everything else is cleared
/// and the exponent of 2^(23−p) is or-ed in: the fraction's bit p then weighs 1. Subtracting 2^(23−p) + zero_point, both
/// terms integers below 2^24, is exact.

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// Code K of the eight in a lane.
template <int Bits, int K>
struct CodeBits {
  static constexpr bool in_high = Bits > 4 && K >= 4;
  static constexpr int bit = Bits * K - (in_high ? 8 * (Bits - 4) : 0);  ///< in its word
  static constexpr int shift = bit + Bits > 23 ? 12 : 0;                 ///< right shift that brings it under bit 23
  static constexpr int place = bit - shift;
  static constexpr std::uint32_t mask = ((1u << Bits) - 1u) << place;
  static constexpr float offset = static_cast<float>(1u << (23 - place));  ///< 2^(23 − place)
  static constexpr std::uint32_t exponent = std::bit_cast<std::uint32_t>(offset);
  static_assert(bit >= 0 && bit + Bits <= 32 && place >= 0 && place + Bits <= 23);
};

/// The distinct values of CodeBits::place for one width: as few constants as the eight codes need.
template <int Bits>
struct CodePlaces {
  static constexpr auto all = []<int... K>(std::integer_sequence<int, K...>) {
    return std::array<int, 8>{CodeBits<Bits, K>::place...};
  }(std::make_integer_sequence<int, 8>{});
  static constexpr std::size_t first_with(std::size_t k) {
    std::size_t i = 0;
    while (all[i] != all[k]) ++i;
    return i;
  }
  /// The number of distinct places among codes 0 … k − 1.
  static constexpr std::size_t distinct_before(std::size_t k) {
    std::size_t n = 0;
    for (std::size_t i = 0; i < k; ++i) n += first_with(i) == i ? 1 : 0;
    return n;
  }
  static constexpr std::size_t count = distinct_before(8);
  static constexpr std::size_t index(std::size_t k) { return distinct_before(first_with(k)); }
};

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
