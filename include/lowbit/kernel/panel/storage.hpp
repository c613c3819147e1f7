// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "lowbit/kernel/panel/levels.hpp"
#include "lowbit/kernel/panel/shape.hpp"
#include "lowbit/kernel/panel/trit_triples.hpp"
#include "lowbit/kernel/panel/trits.hpp"
#include "lowbit/quantizer/group_size.hpp"
#include "lowbit/quantizer/groups.hpp"

namespace lowbit {

/// Quantizers whose weights become bytes: what compute::int8 multiplies.
template <class Q>
concept PanelQuantizer = Quantizer<Q> && requires { kernel::PanelLevels<Q>::step; };

namespace kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// The run of Q, where its type says; otherwise larger than any.
template <PanelQuantizer Q>
inline constexpr std::size_t fixed_run = [] {
  if constexpr (std::is_base_of_v<detail::GroupSize<dynamic_group>, Q>)
    return point_columns<Q>;
  else
    return std::min(point_columns<Q>, std::size_t{Q::group_size});
}();

/// How trits lie whose layout spends less than two bits on each, by the length of runs: whole blocks must not be longer than
/// codes of two bits.
template <PanelQuantizer Q>
using panel_dense_trits = std::conditional_t<
    fixed_run<Q> <= 64, PanelCodes<2>,
    std::conditional_t<fixed_run<Q> < per_tensor || std::is_base_of_v<detail::GroupSize<dynamic_group>, Q>, PanelTrits,
                       PanelTriples>>;

template <class Codes>
concept trit_codes = std::is_same_v<Codes, PanelTrits> || std::is_same_v<Codes, PanelTriples>;

/// What the bytes of a panel are for Q: codes of `bits` bits, turned into levels by nothing (table 0) or by a table of 16
/// or 64 bytes. Larger tables are applied when a panel is made: it then stores levels. Base-3 layouts stay dense.
template <PanelQuantizer Q>
struct PanelStorage {
  static constexpr std::size_t count = PanelLevels<Q>::count;
  static constexpr int code_bits = std::bit_width(count - 1) == 0 ? 1 : std::bit_width(count - 1);
  static constexpr bool stores_levels = !codes_are_levels<Q> && count > 64;
  static constexpr int bits = stores_levels ? 8 : code_bits;
  static constexpr std::size_t table = codes_are_levels<Q> || stores_levels ? 0 : count <= 16 ? 16 : 64;
  using Codes = std::conditional_t<count == 3 && dense_trits<typename Q::layout_type>, panel_dense_trits<Q>,
                                   PanelCodes<bits>>;
  static constexpr int most = most_level<Q>;  ///< the largest byte

  /// The table, for tables of 16 or 64.
  static constexpr auto entries = [] {
    std::array<std::uint8_t, 64> out{};
    for (std::size_t c = 0; c < count && c < 64; ++c) out[c] = PanelLevels<Q>::bytes[c];
    return out;
  }();
};

/// The bytes that codes of a matrix stand for, and what all its scales are multiplied by. Learned points specialize it: they
/// are known when the matrix is.
template <PanelQuantizer Q>
struct PanelTable {
  using Storage = PanelStorage<Q>;
  static constexpr float step = 1.0f;
  explicit PanelTable(std::span<const float> /*shared*/) noexcept {}
  const std::uint8_t* data() const noexcept { return Storage::entries.data(); }
  /// Of what Codes::get gives.
  static unsigned byte(unsigned code, std::size_t /*column*/) noexcept {
    return Storage::table != 0 ? Storage::entries[code] : code;
  }
};

/// Runs of Q are half a block.
template <PanelQuantizer Q>
inline constexpr bool half_block_runs =
    !decoded_codes<typename PanelStorage<Q>::Codes> && 2 * fixed_run<Q> == PanelStorage<Q>::Codes::columns;

template <PanelQuantizer Q>
constexpr PanelShape panel_shape(std::size_t rows, std::size_t cols, std::size_t group_size) noexcept {
  using Storage = PanelStorage<Q>;
  const std::size_t group = std::min(Groups(rows, cols, group_size).size(), std::max<std::size_t>(cols, 1));
  constexpr std::size_t together = code_columns<Q>;
  constexpr std::size_t longest =
      decoded_codes<typename Storage::Codes> ? PanelShape::longest_decoded / together * together : PanelShape::longest_run;
  std::size_t run = std::min(point_columns<Q>, std::min(group, longest));
  if (point_columns<Q> > group && cols > group)
    while (group % run != 0 || run % together != 0) --run;  // several runs of one long group are equal
  return {.cols = cols,
          .group = std::max(group, run),
          .run = run,
          .block_columns = Storage::Codes::columns,
          .block_bytes = Storage::Codes::words * word_bytes,
          .group_bytes = panel_rows * (sizeof(typename Q::stored_type) + (Q::zero_bits != 0 ? 1 : 0)),
          .split = half_block_runs<Q> && 2 * run == Storage::Codes::columns};
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace kernel
}  // namespace lowbit
