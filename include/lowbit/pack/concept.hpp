// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "lowbit/core/checked.hpp"
#include "lowbit/core/isa.hpp"
#include "lowbit/format/concept.hpp"

namespace lowbit {

/// Where a code's bits lie: blocks of codes_per_block codes in bytes_per_block bytes.
///
/// Law, checked for every model by tests/pack: unpack(pack(codes)) == codes, for every block of codes below F::cardinality.
template <class L, class F>
concept LayoutFor = Format<F> && L::codes_per_block >= 1 && L::bytes_per_block >= 1 &&
                    requires(std::span<const typename F::code_type> in, std::span<std::uint8_t> bytes,
                             std::span<const std::uint8_t> packed, std::span<typename F::code_type> out) {
                      { L::pack(in, bytes) } noexcept;
                      { L::unpack(packed, out) } noexcept;
                    };

/// Layouts whose smallest unit lies across rows: tiles of tile_rows × tile_codes codes in bytes_per_tile bytes, for formats
/// whose codes depend on each other (trellises). A band of tile_rows rows is its tiles from left to right; what a short last
/// band or tile lacks is still stored.
///
/// Law: unpack_row reads back what pack_tile stored, for every tile of codes that the format can hold together.
template <class L, class F>
concept TileLayoutFor = Format<F> && L::tile_rows >= 1 && L::tile_codes >= 1 && L::bytes_per_tile >= 1 &&
                        requires(std::span<const typename F::code_type> tile, std::span<std::uint8_t> bytes,
                                 std::span<const std::uint8_t> band, std::size_t at,
                                 std::span<typename F::code_type> out) {
                          { L::pack_tile(tile, bytes) } noexcept;           // one tile, row by row
                          { L::unpack_row(band, at, at, out) } noexcept;    // codes at … of one row of a band
                        };

}  // namespace lowbit

namespace lowbit::pack {

/// Rows that a layout stores together: 1 unless it is tiled.
template <class L>
inline constexpr std::size_t tile_rows = [] {
  if constexpr (requires { L::tile_rows; })
    return L::tile_rows;
  else
    return std::size_t{1};
}();

/// Bytes of one row of n codes, or of one band of such rows: whole blocks, the last one padded with code 0.
template <class Layout>
LOWBIT_ALWAYS_INLINE constexpr std::size_t row_bytes(std::size_t n) noexcept {
  if constexpr (requires { Layout::tile_rows; })
    return ceil_div(n, Layout::tile_codes) * Layout::bytes_per_tile;
  else
    return ceil_div(n, Layout::codes_per_block) * Layout::bytes_per_block;
}

inline namespace LOWBIT_ISA_NAMESPACE {

/// Packs n = codes.size() codes into row_bytes<Layout>(n) bytes; the padding of a short last block is code 0.
template <class Layout, class Code>
void pack_row(std::span<const Code> codes, std::span<std::uint8_t> bytes) noexcept {
  constexpr std::size_t per = Layout::codes_per_block;
  const std::size_t whole = codes.size() / per;
  Layout::pack(codes.first(whole * per), bytes.first(whole * Layout::bytes_per_block));
  if (const std::size_t rest = codes.size() - whole * per; per > 1 && rest != 0) {
    Code last[per] = {};
    for (std::size_t i = 0; i < rest; ++i) last[i] = codes[whole * per + i];
    Layout::pack(std::span<const Code>(last), bytes.subspan(whole * Layout::bytes_per_block, Layout::bytes_per_block));
  }
}

/// The inverse: fills codes from row_bytes<Layout>(codes.size()) bytes.
template <class Layout, class Code>
void unpack_row(std::span<const std::uint8_t> bytes, std::span<Code> codes) noexcept {
  constexpr std::size_t per = Layout::codes_per_block;
  const std::size_t whole = codes.size() / per;
  Layout::unpack(bytes.first(whole * Layout::bytes_per_block), codes.first(whole * per));
  if (const std::size_t rest = codes.size() - whole * per; per > 1 && rest != 0) {
    Code last[per];
    Layout::unpack(bytes.subspan(whole * Layout::bytes_per_block, Layout::bytes_per_block), std::span<Code>(last));
    for (std::size_t i = 0; i < rest; ++i) codes[whole * per + i] = last[i];
  }
}

/// Codes [first, first + codes.size()) of a packed row; first and size are arbitrary.
template <class Layout, class Code>
void unpack_range(std::span<const std::uint8_t> row, std::size_t first, std::span<Code> codes) noexcept {
  constexpr std::size_t per = Layout::codes_per_block;
  std::size_t done = 0;
  if (const std::size_t skip = first % per; per > 1 && skip != 0) {
    Code block[per];
    Layout::unpack(row.subspan(first / per * Layout::bytes_per_block, Layout::bytes_per_block), std::span<Code>(block));
    for (std::size_t i = skip; i < per && done < codes.size(); ++i) codes[done++] = block[i];
  }
  if (done < codes.size())
    unpack_row<Layout>(row.subspan((first + done) / per * Layout::bytes_per_block), codes.subspan(done));
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::pack
