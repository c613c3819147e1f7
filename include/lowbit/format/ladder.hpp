// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/rounding.hpp"

namespace lowbit::detail {

/// The largest float that is nearer to `lower` than to `upper`, or halfway. The midpoint is taken in double, where the
/// sum of two floats of a table is exact.
constexpr float last_below_midpoint(float lower, float upper) noexcept {
  const double middle = 0.5 * (static_cast<double>(lower) + static_cast<double>(upper));
  const auto f = static_cast<float>(middle);
  if (static_cast<double>(f) <= middle) return f;
  const auto bits = std::bit_cast<std::uint32_t>(f);
  if ((bits & 0x7fffffffu) == 0) return -std::numeric_limits<float>::denorm_min();
  return std::bit_cast<float>((bits >> 31) != 0 ? bits + 1 : bits - 1);
}

/// The steps between N ascending points: rank(x) is the index of the point nearest to x, found without arithmetic on x,
/// so it is exact. Ties go down; NaN has rank 0.
///
/// Up to 32 points are ranked by comparing with every step, which compilers turn into vectors; more by halving.
template <std::size_t N>
class Ladder {
 public:
  constexpr Ladder() = default;
  constexpr explicit Ladder(const std::array<float, N>& ascending) noexcept {
    for (float& step : last_) step = std::numeric_limits<float>::infinity();
    for (std::size_t k = 0; k + 1 < N; ++k) last_[k] = last_below_midpoint(ascending[k], ascending[k + 1]);
  }

  LOWBIT_ALWAYS_INLINE constexpr unsigned rank(float x) const noexcept {
    if constexpr (N <= 32) {
      return count(x, std::make_index_sequence<N - 1>{});
    } else {
      unsigned r = 0;
      for (unsigned step = (steps + 1) / 2; step != 0; step /= 2) r += blend(x > last_[r + step - 1], step, 0u);
      return r;
    }
  }

 private:
  template <std::size_t... k>
  LOWBIT_ALWAYS_INLINE constexpr unsigned count(float x, std::index_sequence<k...>) const noexcept {
    return (0u + ... + (x > last_[k] ? 1u : 0u));
  }

  static constexpr std::size_t steps = N <= 32 ? N - 1 : std::bit_ceil(N) - 1;  // halving wants a full tree
  std::array<float, steps> last_{};
};

}  // namespace lowbit::detail
