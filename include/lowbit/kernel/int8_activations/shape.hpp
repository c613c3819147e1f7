// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "lowbit/core/checked.hpp"

namespace lowbit {

/// Where the activations of a token lie, and what is kept of their sums: run i (columns i·run …) starts at i·run_stride,
/// padded with zeros. Products with weights of an offset need −offset · Σ codes of each run; it is kept in the form in
/// which they add it.
struct Int8Shape {
  std::size_t cols = 0;
  std::size_t run = 1;         ///< columns that share a weight scale, and are summed together
  std::size_t run_stride = 1;  ///< at least `run`
  std::int32_t offset = 1;     ///< of all weights; 1 where runs have their own
  bool real = false;           ///< kept as the bits of a float
  std::size_t vector = 1;      ///< columns of one code of the weights; run_stride is a multiple of 4·vector where > 1

  static constexpr std::size_t most_vector = 64;

  constexpr std::size_t runs() const noexcept { return ceil_div(cols, run); }
  /// Bytes from one token to the next: whole cache lines and one more, so that the same column of several tokens does
  /// not fall into the same set of the first cache.
  constexpr std::size_t pitch() const noexcept { return ceil_div(runs() * run_stride, 64) * 64 + 64; }

  /// Where column c of a run lies. Products with codes of vectors look up one coordinate of four codes at a time, so that
  /// coordinate of four vectors lies side by side.
  LOWBIT_ALWAYS_INLINE constexpr std::size_t place(std::size_t c) const noexcept {
    return vector == 1 ? c : c / (4 * vector) * (4 * vector) + c % vector * 4 + c / vector % 4;
  }
  /// What is kept of a run whose codes have this sum.
  LOWBIT_ALWAYS_INLINE constexpr std::int32_t kept(std::int32_t sum) const noexcept {
    const std::int32_t all = -offset * sum;
    return real ? std::bit_cast<std::int32_t>(static_cast<float>(all)) : all;
  }

  friend constexpr bool operator==(const Int8Shape&, const Int8Shape&) = default;
};

}  // namespace lowbit
