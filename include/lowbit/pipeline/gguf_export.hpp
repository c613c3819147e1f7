// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "lowbit/core/checked.hpp"
#include "lowbit/core/result.hpp"
#include "lowbit/io/gguf_types.hpp"
#include "lowbit/quantizer/gguf_blocks.hpp"
#include "lowbit/quantizer/gguf_q4_0.hpp"
#include "lowbit/quantizer/gguf_q8_0.hpp"
#include "lowbit/quantizer/groups.hpp"
#include "lowbit/quantizer/matrix.hpp"
#include "lowbit/quantizer/uniform.hpp"

/// Which of our matrices GGUF can hold without changing a weight.

namespace lowbit::pipeline {

/// The rows of a matrix as GGUF blocks.
struct GgufRows {
  io::GgmlType type;
  std::vector<std::uint8_t> bytes;
  std::vector<float> shared{};  ///< the tensor scale of NVFP4; GGUF keeps it in a tensor of its own
};

/// The storage_name of a GGUF block type: "gguf_" and the type's name in lower case.
inline std::string gguf_storage_name(io::GgmlType type) {
  std::string name = "gguf_";
  for (const char c : io::name(type)) name += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return name;
}

/// Errors: unsupported when no GGUF type has this storage_name.
inline Result<io::GgmlType> gguf_type_of(std::string_view storage_name) {
  for (const io::GgmlTypeInfo& info : io::ggml_types)
    if (gguf_storage_name(info.type) == storage_name) return info.type;
  return Error{.code = Errc::unsupported, .message = "GGUF has no type for " + std::string(storage_name)};
}

/// GGUF's own block types, and what has the same points: symmetric 4- and 8-bit integers with f16 scales are Q4_0 and Q8_0,
/// whose blocks of 32 repeat the scale where groups are larger. Errors: unsupported, saying why GGUF cannot hold the matrix;
/// shape_mismatch.
template <Quantizer Q>
Result<GgufRows> to_gguf_rows(const QuantizedMatrix<Q>& matrix) {
  if constexpr (GgufBlock<Q>) {
    LOWBIT_TRY(type, gguf_type_of(Q::storage_name()));
    LOWBIT_TRY(bytes, to_gguf_blocks(matrix));
    return GgufRows{type, std::move(bytes), {matrix.shared().begin(), matrix.shared().end()}};
  } else if constexpr (requires { Q::options.zero_point; }) {
    using F = typename Q::format_type;
    if constexpr ((F::bits == 4 || F::bits == 8) && Q::options.zero_point == ZeroPoint::none &&
                  Q::options.scale == ScaleStorage::f16) {
      const Groups groups(matrix.rows(), matrix.cols(), matrix.quantizer().group_size);
      if (groups.size() % 32 == 0 && matrix.column_order().empty()) {
        using Block = std::conditional_t<F::bits == 4, GgufQ4_0, GgufQ8_0>;
        QuantizedMatrix<Block> same(matrix.rows(), matrix.cols());
        std::vector<std::uint8_t> codes(matrix.cols());
        for (std::size_t r = 0; r < matrix.rows(); ++r) {
          matrix.row_codes(r, codes);
          same.set_row_codes(r, codes);
        }
        const std::size_t blocks = ceil_div(matrix.cols(), std::size_t{32});
        for (std::size_t r = 0; r < matrix.rows(); ++r)
          for (std::size_t b = 0; b < blocks; ++b)
            same.params()[r * blocks + b] = matrix.params()[groups.index(r, groups.of_column(32 * b))];
        return to_gguf_rows<Block>(same);
      }
    }
  }
  return Error{.code = Errc::unsupported,
               .message = "GGUF cannot hold " + Q::storage_name() +
                          " here; it can hold its own block types, and int4 or int8 with sym:scale_f16 in groups of a multiple of 32, in natural column order"};
}

}  // namespace lowbit::pipeline
