// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include "lowbit/core/checked.hpp"
#include "lowbit/core/isa.hpp"

namespace lowbit {

/// Where the sums of a token lie: run i (columns i·run …, those that share a scale) has `run_words` words of `word_fields`
/// fields, each `field_columns` columns and `field_floats` sums; columns past the run count as zeros.
struct AddShape {
  std::size_t cols = 0;
  std::size_t run = 1;
  std::size_t word_fields = 1, field_columns = 1, field_floats = 1;

  constexpr std::size_t runs() const noexcept { return ceil_div(cols, run); }
  constexpr std::size_t columns_of_run(std::size_t i) const noexcept { return std::min(run, cols - i * run); }
  constexpr std::size_t words_of(std::size_t columns) const noexcept { return ceil_div(columns, word_fields * field_columns); }
  constexpr std::size_t run_words() const noexcept { return words_of(run); }
  constexpr std::size_t words_of_run(std::size_t i) const noexcept { return words_of(columns_of_run(i)); }
  constexpr std::size_t run_floats() const noexcept { return run_words() * word_fields * field_floats; }
  /// Floats from one token to the next.
  constexpr std::size_t pitch() const noexcept {
    return runs() == 0 ? 0 : (runs() - 1) * run_floats() + words_of_run(runs() - 1) * word_fields * field_floats;
  }

  friend constexpr bool operator==(const AddShape&, const AddShape&) = default;
};

}  // namespace lowbit
