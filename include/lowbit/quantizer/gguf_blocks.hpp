// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lowbit/core/checked.hpp"
#include "lowbit/core/float16.hpp"
#include "lowbit/core/result.hpp"
#include "lowbit/quantizer/gguf_q4_0.hpp"
#include "lowbit/quantizer/gguf_q8_0.hpp"
#include "lowbit/quantizer/matrix.hpp"

/// Matrices of GGUF's block types as the bytes of a GGUF tensor, and back: every code and every scale bit survives both
/// ways. A tensor is rows · cols/32 blocks, row by row; a block is an f16 scale, low byte first, then the codes.
/// (GGUF's F32, F16 and BF16 are not blocks: core/float16.hpp converts them element by element.)

namespace lowbit {

/// The block types: one f16 scale per 32 codes.
///
///   block_bytes             bytes of one block in a file
///   to_block_codes(codes)   packed codes of one block → file bytes, in place; from_block_codes is the inverse
template <class Q>
concept GgufBlock = Quantizer<Q> && std::same_as<typename Q::stored_type, f16> &&
                    requires(std::span<std::uint8_t> codes) {
                      { Q::block_bytes } -> std::convertible_to<std::size_t>;
                      { Q::to_block_codes(codes) } noexcept;
                      { Q::from_block_codes(codes) } noexcept;
                    } && Q::group_size == 32;  // last: a quantizer that is no block may have its group size as a member

static_assert(GgufBlock<GgufQ4_0> && GgufBlock<GgufQ8_0>);

namespace detail {

inline Result<> check_gguf_columns(std::size_t cols) {
  if (cols % 32 == 0) return {};
  return Error{.code = Errc::shape_mismatch,
               .message = "a row of GGUF blocks holds a multiple of 32 columns",
               .value = static_cast<double>(cols)};
}

}  // namespace detail

/// Errors: shape_mismatch when 32 does not divide the columns; unsupported when columns were reordered, which GGUF
/// cannot say. Cost: one copy.
template <GgufBlock Q>
Result<std::vector<std::uint8_t>> to_gguf_blocks(const QuantizedMatrix<Q>& matrix) {
  LOWBIT_CHECK(detail::check_gguf_columns(matrix.cols()));
  if (!matrix.column_order().empty())
    return Error{.code = Errc::unsupported,
                 .message = "GGUF blocks have no column order: round with static_groups, or without act_order"};
  constexpr std::size_t code_bytes = Q::block_bytes - 2;
  std::vector<std::uint8_t> out(matrix.params().size() * Q::block_bytes);
  for (std::size_t b = 0; b < matrix.params().size(); ++b) {
    const std::span<std::uint8_t> block = std::span(out).subspan(b * Q::block_bytes, Q::block_bytes);
    const std::uint16_t scale = matrix.params()[b].bits;
    block[0] = static_cast<std::uint8_t>(scale & 0xffu);
    block[1] = static_cast<std::uint8_t>(scale >> 8);
    for (std::size_t i = 0; i < code_bytes; ++i) block[2 + i] = matrix.codes()[b * code_bytes + i];
    Q::to_block_codes(block.subspan(2));
  }
  return out;
}

/// rows, cols: untrusted. Errors: shape_mismatch when 32 does not divide the columns; out_of_bounds when the shape's
/// size overflows; truncated or malformed when there are fewer or more bytes than the shape needs; not_finite with row
/// and column when a scale is infinite or NaN. Nothing is allocated before the sizes agree.
template <GgufBlock Q>
Result<QuantizedMatrix<Q>> from_gguf_blocks(std::span<const std::uint8_t> bytes, std::size_t rows, std::size_t cols) {
  LOWBIT_CHECK(detail::check_gguf_columns(cols));
  const auto blocks = checked_mul(rows, cols / 32);
  const auto needed = blocks ? checked_mul(*blocks, Q::block_bytes) : std::nullopt;
  if (!needed || !checked_mul(rows, cols))
    return Error{.code = Errc::out_of_bounds, .message = "the size of the GGUF blocks overflows"};
  if (bytes.size() != *needed)
    return Error{.code = bytes.size() < *needed ? Errc::truncated : Errc::malformed,
                 .message = "GGUF blocks for " + std::to_string(rows) + " × " + std::to_string(cols) +
                            " weights take " + std::to_string(*needed) + " bytes, not " + std::to_string(bytes.size())};
  constexpr std::size_t code_bytes = Q::block_bytes - 2;
  QuantizedMatrix<Q> out(rows, cols);
  for (std::size_t b = 0; b < *blocks; ++b) {
    const auto block = bytes.subspan(b * Q::block_bytes, Q::block_bytes);
    const f16 scale = f16::from_bits(static_cast<std::uint16_t>(block[0] | (block[1] << 8)));
    if (!std::isfinite(static_cast<float>(scale)))
      return Error{.code = Errc::not_finite,
                   .message = "the scale of a GGUF block is not finite",
                   .offset = b * Q::block_bytes,
                   .row = b / (cols / 32),
                   .column = b % (cols / 32) * 32,
                   .value = static_cast<double>(static_cast<float>(scale))};
    out.params()[b] = scale;
    const std::span<std::uint8_t> codes = out.codes().subspan(b * code_bytes, code_bytes);
    for (std::size_t i = 0; i < code_bytes; ++i) codes[i] = block[2 + i];
    Q::from_block_codes(codes);
  }
  return out;
}

}  // namespace lowbit
