// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "lowbit/core/checked.hpp"

namespace lowbit {

/// Where the activations of a token lie: run i (columns i·run …) starts at i·run_stride, padded with zeros.
struct Int8Shape {
  std::size_t cols = 0;
  std::size_t run = 1;         ///< columns that share a weight scale, and are summed together
  std::size_t run_stride = 1;  ///< at least `run`

  constexpr std::size_t runs() const noexcept { return ceil_div(cols, run); }
  /// Bytes from one token to the next: whole cache lines and one more, so that the same column of several tokens does
  /// not fall into the same set of the first cache.
  constexpr std::size_t pitch() const noexcept { return ceil_div(runs() * run_stride, 64) * 64 + 64; }

  friend constexpr bool operator==(const Int8Shape&, const Int8Shape&) = default;
};

}  // namespace lowbit
