// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include "lowbit/core/checked.hpp"
#include "lowbit/kernel/panel/codes.hpp"

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// Where things lie in a panel of 16 rows.
///
/// A run is the columns of a row that share a scale: a group or a sub-group, at most 32768 (so that sums of products of
/// bytes stay below 2^31). A panel is a sequence of chunks of whole groups, about 1024 columns each; a chunk is the
/// parameters of its groups, padded to whole words, and then the blocks of its runs. So one thread reads one stream.
///
/// Runs start on block boundaries: run_stride is `run` rounded up to whole blocks, and activations are laid out likewise.
/// Quantizers whose run is half a block by their type put two runs into a block (`split`).
struct PanelShape {
  std::size_t cols, group, run;
  std::size_t block_columns, block_bytes, group_bytes;  ///< group_bytes: parameters of a group, all 16 rows
  bool split = false;                                   ///< a block holds two runs

  static constexpr std::size_t longest_run = 32768, longest_decoded = 1024;  ///< the second of decoded_codes
  static constexpr std::size_t most_runs = 64;  ///< of a chunk, unless one group has more

  constexpr std::size_t run_stride() const noexcept {
    return split ? run : ceil_div(run, block_columns) * block_columns;
  }
  constexpr std::size_t runs() const noexcept { return ceil_div(cols, run); }
  constexpr std::size_t groups() const noexcept { return ceil_div(cols, group); }
  constexpr std::size_t runs_per_group() const noexcept { return ceil_div(group, run); }
  constexpr std::size_t chunk_groups() const noexcept {
    return std::max<std::size_t>(1, std::min(1024 / group, most_runs / runs_per_group()));
  }
  constexpr std::size_t chunks() const noexcept { return ceil_div(groups(), chunk_groups()); }
  constexpr std::size_t groups_of_chunk(std::size_t i) const noexcept {
    return std::min(chunk_groups(), groups() - i * chunk_groups());
  }
  constexpr std::size_t first_run(std::size_t chunk) const noexcept {
    return chunk * chunk_groups() * runs_per_group();
  }
  constexpr std::size_t runs_of_chunk(std::size_t i) const noexcept {
    return std::min(chunk_groups() * runs_per_group(), runs() - first_run(i));
  }
  constexpr std::size_t columns_of_run(std::size_t i) const noexcept { return std::min(run, cols - i * run); }
  /// Blocks of run i; of the pair of runs that begins with i where blocks are split.
  constexpr std::size_t blocks_of_run(std::size_t i) const noexcept {
    return split ? 1 : ceil_div(columns_of_run(i), block_columns);
  }
  constexpr std::size_t params_bytes(std::size_t chunk) const noexcept {
    return ceil_div(groups_of_chunk(chunk) * group_bytes, word_bytes) * word_bytes;
  }
  /// Where run i of a chunk begins, counted from the chunk's first block; i = runs_of_chunk gives the size.
  constexpr std::size_t run_offset(std::size_t chunk, std::size_t i) const noexcept {
    if (split) return ceil_div(i, 2) * block_bytes;  // of an even i
    if (i == 0) return 0;
    return ((i - 1) * ceil_div(run, block_columns) + blocks_of_run(first_run(chunk) + i - 1)) * block_bytes;
  }
  constexpr std::size_t chunk_bytes(std::size_t i) const noexcept {
    return params_bytes(i) + run_offset(i, runs_of_chunk(i));
  }
  constexpr std::size_t chunk_offset(std::size_t i) const noexcept { return i == 0 ? 0 : i * chunk_bytes(0); }
  constexpr std::size_t panel_bytes() const noexcept {
    return chunks() == 0 ? 0 : chunk_offset(chunks() - 1) + chunk_bytes(chunks() - 1);
  }
};

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
