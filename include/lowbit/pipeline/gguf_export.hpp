// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "lowbit/core/result.hpp"
#include "lowbit/io/gguf_types.hpp"
#include "lowbit/quantizer/gguf_blocks.hpp"
#include "lowbit/quantizer/matrix.hpp"
#include "lowbit/quantizer/uniform.hpp"

/// Which of our matrices GGUF can hold without changing a weight.

namespace lowbit::pipeline {

/// The rows of a matrix as GGUF blocks.
struct GgufRows {
  io::GgmlType type;
  std::vector<std::uint8_t> bytes;
};

/// GGUF's own block types, and what has the same points: symmetric 4- and 8-bit integers with f16 scales in groups of 32
/// are Q4_0 and Q8_0. Errors: unsupported, saying why GGUF cannot hold the matrix; shape_mismatch.
template <Quantizer Q>
Result<GgufRows> to_gguf_rows(const QuantizedMatrix<Q>& matrix) {
  if constexpr (GgufBlock<Q>) {
    constexpr auto type = Q::block_bytes == GgufQ4_0::block_bytes ? io::GgmlType::Q4_0 : io::GgmlType::Q8_0;
    LOWBIT_TRY(bytes, to_gguf_blocks(matrix));
    return GgufRows{type, std::move(bytes)};
  } else if constexpr (requires { Q::options.zero_point; }) {
    using F = typename Q::format_type;
    if constexpr ((F::bits == 4 || F::bits == 8) && Q::options.zero_point == ZeroPoint::none &&
                  Q::options.scale == ScaleStorage::f16) {
      if (matrix.quantizer().group_size == 32 && matrix.column_order().empty()) {
        using Block = std::conditional_t<F::bits == 4, GgufQ4_0, GgufQ8_0>;
        QuantizedMatrix<Block> same(matrix.rows(), matrix.cols());
        std::vector<std::uint8_t> codes(matrix.cols());
        for (std::size_t r = 0; r < matrix.rows(); ++r) {
          matrix.row_codes(r, codes);
          same.set_row_codes(r, codes);
        }
        std::copy(matrix.params().begin(), matrix.params().end(), same.params().begin());
        return to_gguf_rows(same);
      }
    }
  }
  return Error{.code = Errc::unsupported,
               .message = "GGUF cannot hold " + Q::storage_name() +
                          " here; it can hold q4_0, q8_0, and int4 or int8 with sym:g32:scale_f16 in natural column order"};
}

}  // namespace lowbit::pipeline
