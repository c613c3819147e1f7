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

/// Columns begin … end − 1.
struct ColumnRange {
  std::size_t begin = 0;
  std::size_t end = 0;

  constexpr std::size_t size() const noexcept { return end - begin; }
  friend constexpr bool operator==(const ColumnRange&, const ColumnRange&) = default;
};

}  // namespace lowbit
