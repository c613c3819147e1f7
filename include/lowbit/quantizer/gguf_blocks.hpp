// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "lowbit/core/checked.hpp"
#include "lowbit/core/result.hpp"
#include "lowbit/quantizer/matrix.hpp"
#include "lowbit/quantizer/nearest.hpp"

/// Matrices of GGUF's block types as the bytes of a GGUF tensor, and back: every code and every scale bit survives both
/// ways. A tensor is rows · cols/group_size blocks, row by row.
/// (GGUF's F32, F16 and BF16 are not blocks: core/float16.hpp converts them element by element.)

namespace lowbit {

static_assert(std::endian::native == std::endian::little, "Blocks are copied as they lie in files: little-endian hosts.");

/// The block types. A block in a file is the first header_bytes bytes of a stored_type, then the packed codes of one
/// group, then the rest of the stored_type; block_bytes in all.
template <class Q>
concept GgufBlock = Quantizer<Q> && requires {
  { Q::block_bytes } -> std::convertible_to<std::size_t>;
  { Q::header_bytes } -> std::convertible_to<std::size_t>;
};

namespace detail {

template <GgufBlock Q>
struct BlockBytes {
  static constexpr std::size_t codes = pack::row_bytes<typename Q::layout_type>(Q::group_size);
  static constexpr std::size_t header = Q::header_bytes;
  static constexpr std::size_t rest = sizeof(typename Q::stored_type) - header;
  static_assert(header + codes + rest == Q::block_bytes, "A block is its parameters and its codes, without padding.");
};

inline Result<> check_gguf_columns(std::size_t cols, std::size_t block) {
  if (cols % block == 0) return {};
  return Error{.code = Errc::shape_mismatch,
               .message = "a row of these GGUF blocks holds a multiple of " + std::to_string(block) + " columns",
               .value = static_cast<double>(cols)};
}

}  // namespace detail

/// Errors: shape_mismatch when the block does not divide the columns; unsupported when columns were reordered, which GGUF
/// cannot say. Cost: one copy. Shared parameters (NVFP4's tensor scale) have no place in blocks: store them beside.
template <GgufBlock Q>
Result<std::vector<std::uint8_t>> to_gguf_blocks(const QuantizedMatrix<Q>& matrix) {
  using Bytes = detail::BlockBytes<Q>;
  LOWBIT_CHECK(detail::check_gguf_columns(matrix.cols(), Q::group_size));
  if (!matrix.column_order().empty())
    return Error{.code = Errc::unsupported,
                 .message = "GGUF blocks have no column order: round with static_groups, or without act_order"};
  std::vector<std::uint8_t> out(matrix.params().size() * Q::block_bytes);
  for (std::size_t b = 0; b < matrix.params().size(); ++b) {
    std::uint8_t* block = out.data() + b * Q::block_bytes;
    const auto* stored = reinterpret_cast<const std::uint8_t*>(&matrix.params()[b]);
    if constexpr (Bytes::header != 0) std::memcpy(block, stored, Bytes::header);
    std::memcpy(block + Bytes::header, matrix.codes().data() + b * Bytes::codes, Bytes::codes);
    if constexpr (Bytes::rest != 0)
      std::memcpy(block + Bytes::header + Bytes::codes, stored + Bytes::header, Bytes::rest);
  }
  return out;
}

/// rows, cols: untrusted. Errors: shape_mismatch when the block does not divide the columns; out_of_bounds when the
/// shape's size overflows; truncated or malformed when there are fewer or more bytes than the shape needs; not_finite with
/// row and column when a scale is infinite or NaN. Nothing is allocated before the sizes agree.
template <GgufBlock Q>
Result<QuantizedMatrix<Q>> from_gguf_blocks(std::span<const std::uint8_t> bytes, std::size_t rows, std::size_t cols) {
  using Bytes = detail::BlockBytes<Q>;
  LOWBIT_CHECK(detail::check_gguf_columns(cols, Q::group_size));
  const std::size_t row_blocks = cols / Q::group_size;
  const auto blocks = checked_mul(rows, row_blocks);
  const auto needed = blocks ? checked_mul(*blocks, Q::block_bytes) : std::nullopt;
  if (!needed || !checked_mul(rows, cols))
    return Error{.code = Errc::out_of_bounds, .message = "the size of the GGUF blocks overflows"};
  if (bytes.size() != *needed)
    return Error{.code = bytes.size() < *needed ? Errc::truncated : Errc::malformed,
                 .message = "GGUF blocks for " + std::to_string(rows) + " × " + std::to_string(cols) +
                            " weights take " + std::to_string(*needed) + " bytes, not " + std::to_string(bytes.size())};
  QuantizedMatrix<Q> out(rows, cols);
  if constexpr (SharedScales<Q>)
    for (float& scale : out.shared()) scale = 1.0f;
  for (std::size_t b = 0; b < *blocks; ++b) {
    const std::uint8_t* block = bytes.data() + b * Q::block_bytes;
    auto* stored = reinterpret_cast<std::uint8_t*>(&out.params()[b]);
    if constexpr (Bytes::header != 0) std::memcpy(stored, block, Bytes::header);
    std::memcpy(out.codes().data() + b * Bytes::codes, block + Bytes::header, Bytes::codes);
    if constexpr (Bytes::rest != 0)
      std::memcpy(stored + Bytes::header, block + Bytes::header + Bytes::codes, Bytes::rest);
    if (!params_finite<Q>(out.group_params(b / row_blocks, b % row_blocks)))
      return Error{.code = Errc::not_finite,
                   .message = "the scale of a GGUF block is not finite",
                   .offset = b * Q::block_bytes,
                   .row = b / row_blocks,
                   .column = b % row_blocks * Q::group_size};
  }
  return out;
}

}  // namespace lowbit
