// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "lowbit/core/checked.hpp"
#include "lowbit/core/isa.hpp"
#include "lowbit/quantizer/concept.hpp"

namespace lowbit {

/// Which weights of a rows × cols matrix share parameters. Groups of a row are numbered from the left, group indices of
/// the matrix run row by row; with per_tensor all rows share group 0.
class Groups {
 public:
  LOWBIT_ALWAYS_INLINE constexpr Groups(std::size_t rows, std::size_t cols, std::size_t group_size) noexcept
      : rows_(rows),
        size_(group_size == per_row || group_size == per_tensor ? (cols != 0 ? cols : 1) : group_size),
        cols_(cols),
        shared_(group_size == per_tensor) {}

  LOWBIT_ALWAYS_INLINE constexpr std::size_t per_row_count() const noexcept { return ceil_div(cols_, size_); }
  LOWBIT_ALWAYS_INLINE constexpr std::size_t total() const noexcept {
    return shared_ ? (rows_ * cols_ != 0 ? 1 : 0) : rows_ * per_row_count();
  }
  /// Columns of a full group (all columns for per_row and per_tensor).
  LOWBIT_ALWAYS_INLINE constexpr std::size_t size() const noexcept { return size_; }
  LOWBIT_ALWAYS_INLINE constexpr bool shared_by_rows() const noexcept { return shared_; }
  /// Index of group g of row r in the matrix.
  LOWBIT_ALWAYS_INLINE constexpr std::size_t index(std::size_t r, std::size_t g) const noexcept {
    return shared_ ? 0 : r * per_row_count() + g;
  }
  LOWBIT_ALWAYS_INLINE constexpr std::size_t of_column(std::size_t c) const noexcept { return c / size_; }
  LOWBIT_ALWAYS_INLINE constexpr std::size_t begin(std::size_t g) const noexcept { return g * size_; }
  LOWBIT_ALWAYS_INLINE constexpr std::size_t end(std::size_t g) const noexcept {
    return size_ < cols_ - begin(g) ? begin(g) + size_ : cols_;
  }

 private:
  std::size_t rows_, size_, cols_;
  bool shared_;
};

}  // namespace lowbit
