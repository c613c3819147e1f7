// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

namespace lowbit {

/// Rows begin … end − 1 of a matrix: the piece of a product that one thread computes. Results do not depend on how the
/// rows are cut.
struct RowRange {
  std::size_t begin = 0;
  std::size_t end = 0;

  friend constexpr bool operator==(const RowRange&, const RowRange&) = default;
};

}  // namespace lowbit
