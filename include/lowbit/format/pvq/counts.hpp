// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "lowbit/core/contract.hpp"
#include "lowbit/format/pvq/wide_uint.hpp"

/// How many integer vectors lie on a pyramid: N(D, K) = #{y ∈ Z^D : Σ|y_i| = K}.
///
///   N(D, 0) = 1,   N(0, K > 0) = 0,   N(D, K) = N(D−1, K) + N(D, K−1) + N(D−1, K−1)
///
/// Every N(d, k) with d ≤ D, k ≤ K, and every sum that enumeration forms of them, is at most N(D, K).
/// Source: Fischer, "A pyramid vector quantizer", IEEE Trans. Information Theory 32 (1986).

namespace lowbit::pvq {

/// N(D, K), or nothing to trust where T overflows; see count_bits.
template <class T>
constexpr T count(std::size_t D, std::size_t K) {
  std::vector<T> row(K + 1, T(0));  // N(d, ·)
  row[0] = T(1);
  for (std::size_t d = 1; d <= D; ++d) {
    T corner = row[0];  // N(d−1, k−1)
    for (std::size_t k = 1; k <= K; ++k) {
      const T above = row[k];
      row[k] = above + row[k - 1] + corner;
      corner = above;
    }
  }
  return row[K];
}

/// Whether 64 bits surely hold N(D, K), and with it every N(d, k) of the recurrence.
constexpr bool count_fits_64(std::size_t D, std::size_t K) { return count<double>(D, K) < 0x1p63; }

/// Bits of the largest index, ⌈log2 N(D, K)⌉. Holds up to 1023 bits.
constexpr unsigned index_bits(std::size_t D, std::size_t K) {
  if (count_fits_64(D, K)) return static_cast<unsigned>(std::bit_width(count<std::uint64_t>(D, K) - 1));
  return bit_width(count<WideUint<16>>(D, K) - WideUint<16>(1));
}
/// Bits of N(D, K) itself: what a type needs so that no step of an enumeration overflows.
constexpr unsigned count_bits(std::size_t D, std::size_t K) {
  if (count_fits_64(D, K)) return static_cast<unsigned>(std::bit_width(count<std::uint64_t>(D, K)));
  return bit_width(count<WideUint<16>>(D, K));
}

/// The table of N(d, k), d ≤ D, k ≤ K, as a constant.
template <std::size_t D, std::size_t K, class T = std::uint64_t>
struct StaticCounts {
  using value_type = T;
  static constexpr std::size_t dim = D, pulses = K;

  static constexpr T at(std::size_t d, std::size_t k) noexcept { return table[d * (K + 1) + k]; }

 private:
  static constexpr auto table = [] {
    std::array<T, (D + 1) * (K + 1)> t{};
    for (std::size_t d = 0; d <= D; ++d) {
      t[d * (K + 1)] = T(1);
      for (std::size_t k = 1; d >= 1 && k <= K; ++k) {
        T* here = &t[d * (K + 1) + k];
        *here = *(here - (K + 1)) + *(here - 1) + *(here - (K + 2));
      }
    }
    return t;
  }();
};

/// The same at run time, for any D and K whose N fits T: uint64_t, uint128 or WideUint. O(D·K) additions, once.
template <class T>
class Counts {
 public:
  using value_type = T;

  Counts(std::size_t D, std::size_t K) : dim_(D), pulses_(K), table_((D + 1) * (K + 1), T(0)) {
    LOWBIT_EXPECTS(count_bits(D, K) <= 8 * sizeof(T), "the type of the counts holds N(D, K)");
    for (std::size_t d = 0; d <= D; ++d) {
      table_[d * (K + 1)] = T(1);
      for (std::size_t k = 1; d >= 1 && k <= K; ++k)
        table_[d * (K + 1) + k] = at(d - 1, k) + at(d, k - 1) + at(d - 1, k - 1);
    }
  }
  std::size_t dim() const noexcept { return dim_; }
  std::size_t pulses() const noexcept { return pulses_; }
  const T& at(std::size_t d, std::size_t k) const noexcept { return table_[d * (pulses_ + 1) + k]; }

 private:
  std::size_t dim_, pulses_;
  std::vector<T> table_;
};

}  // namespace lowbit::pvq
