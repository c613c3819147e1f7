// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/pvq/counts.hpp"

/// Vectors of a pyramid as integers 0 … N(D, K) − 1 and back. Lexicographic: the first coordinate decides first, and its
/// values come in the order 0, +1, −1, +2, −2, …
///
/// With n coordinates behind position i, k pulses left before it and k' = k − |v| after it, the vectors that have an
/// earlier value at i number
///
///   v > 0:  N(n+1, k) − N(n+1, k') − N(n, k')        v < 0:  N(n+1, k) − N(n+1, k')        v = 0:  0
///
/// because N(n+1, j) + N(n, j) = 2·Σ_{m ≤ j} N(n, m). So a position costs three look-ups however large v is.

namespace lowbit::pvq {

/// The index of y: y.size() ≤ dim of the counts, Σ|y_i| = K ≤ pulses of the counts. O(D).
template <class Counts>
LOWBIT_ALWAYS_INLINE constexpr auto index_of(const Counts& counts, std::span<const std::int32_t> y,
                                             std::size_t K) noexcept {
  using T = typename Counts::value_type;
  T index(0);
  std::size_t k = K;
  for (std::size_t i = 0; i < y.size(); ++i) {  // no branches: signs and zeros are anybody's guess
    const std::size_t n = y.size() - 1 - i;
    const std::int32_t v = y[i];
    const std::size_t left = k - static_cast<std::size_t>(v < 0 ? -v : v);
    index += counts.at(n + 1, k) - counts.at(n + 1, left);
    const T skipped = counts.at(n, left);
    index -= v > 0 ? skipped : T(0);
    k = left;
  }
  return index;
}

/// The vector of an index below N(y.size(), K). O(D + K).
template <class Counts>
LOWBIT_ALWAYS_INLINE constexpr void vector_of(const Counts& counts, typename Counts::value_type index, std::size_t K,
                                              std::span<std::int32_t> y) noexcept {
  std::size_t k = K;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const std::size_t n = y.size() - 1 - i;
    y[i] = 0;
    if (k == 0 || index < counts.at(n, k)) continue;
    // The pulses left behind are the fewest whose N(n+1, left) + N(n, left) reaches the distance to the end.
    const auto distance = counts.at(n + 1, k) - index;
    std::size_t left = k - 1;
    while (left != 0 && !(counts.at(n + 1, left - 1) + counts.at(n, left - 1) < distance)) --left;
    const auto value = static_cast<std::int32_t>(k - left);
    const bool negative = !(counts.at(n + 1, left) < distance);
    y[i] = negative ? -value : value;
    index -= counts.at(n + 1, k) - counts.at(n + 1, left);
    if (!negative) index += counts.at(n, left);
    k = left;
  }
}

}  // namespace lowbit::pvq
