// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/ladder.hpp"

namespace lowbit::detail {

/// What formats of a sign bit above an index of magnitudes share: N ascending magnitudes, the first of them 0, both
/// signs. Zero keeps its sign. Ties go to the smaller magnitude; NaN becomes ±0.
template <std::size_t N>
struct SignMagnitude {
  static_assert(std::has_single_bit(N), "A sign bit sits above whole bits of magnitude.");

  static constexpr std::array<float, 2 * N> both_signs(const std::array<float, N>& magnitudes) noexcept {
    std::array<float, 2 * N> all{};
    for (std::size_t k = 0; k < N; ++k) {
      all[k] = magnitudes[k];
      all[N + k] = -magnitudes[k];
    }
    return all;
  }

  LOWBIT_ALWAYS_INLINE static constexpr std::uint8_t encode(const Ladder<N>& ladder, float x) noexcept {
    const auto bits = std::bit_cast<std::uint32_t>(x);
    const unsigned magnitude = ladder.rank(std::bit_cast<float>(bits & 0x7fffffffu));
    return static_cast<std::uint8_t>(magnitude | (bits >> 31) * N);
  }
};

}  // namespace lowbit::detail
