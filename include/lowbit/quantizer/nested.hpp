// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "lowbit/core/result.hpp"
#include "lowbit/format/nested_code.hpp"
#include "lowbit/quantizer/matrix.hpp"
#include "lowbit/quantizer/nearest.hpp"
#include "lowbit/quantizer/uniform.hpp"

namespace lowbit {

/// How the low bits of a code are dropped: k of them, q the code.
enum class NestedRounding : std::uint8_t {
  half_up,   ///< min(⌊q/2^k + 1/2⌋, 2^R − 1): the nearer of the two, halves up (Matryoshka quantization)
  truncate,  ///< ⌊q/2^k⌋: a shift alone, what dropping bit planes gives
};

/// Symmetric grids stay symmetric. An integer zero point z becomes z/2^k, in general no integer, which f16 holds exactly.
template <int R, int C, UniformOptions O>
using Nested = Uniform<Int<R>, UniformOptions{.group_size = O.group_size,
                                              .zero_point = O.zero_point == ZeroPoint::none ? ZeroPoint::none : ZeroPoint::real,
                                              .scale = O.scale}>;

/// The same weights at R bits, without the originals: codes are shifted, scales multiplied by 2^(C−R), zero points divided
/// by it. x̂ stays s·(2^(C−R)·q_R − z), so weights move by at most 2^(C−R−1) steps (half_up), 2^(C−R) − 1 (truncate), and
/// half_up's last code up to 2^(C−R) − 1.
///
/// Errors: not_finite, with row and column of the group, where a scale leaves its storage type.
/// Source: Nair et al., "Matryoshka Quantization", arXiv:2502.06786; any-precision bit switching by shifts.
template <int R, int C, UniformOptions O>
Result<QuantizedMatrix<Nested<R, C, O>>> nested(const QuantizedMatrix<Uniform<Int<C>, O>>& matrix,
                                                NestedRounding rounding = NestedRounding::half_up) {
  static_assert(2 <= R && R <= C, "A nested code has at least 2 bits, and no more than the code around it.");
  Nested<R, C, O> q{};
  if constexpr (O.group_size == dynamic_group) q.group_size = matrix.quantizer().group_size;
  QuantizedMatrix<Nested<R, C, O>> out(matrix.rows(), matrix.cols(), q);
  const Groups groups = matrix.groups();
  constexpr float step = static_cast<float>(1 << (C - R));
  const std::size_t rows = groups.shared_by_rows() ? groups.total() : matrix.rows();
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t g = 0; g < groups.per_row_count(); ++g) {
      const auto p = matrix.group_params(r, g);
      const typename Nested<R, C, O>::params_type inner{p.scale * step, p.zero_point / step};
      out.set_params(r, g, inner);
      if (!std::isfinite(out.group_params(r, g).scale)) return scale_overflow(r, groups.begin(g), static_cast<double>(inner.scale));
    }
  std::vector<std::uint8_t> codes(matrix.cols());
  for (std::size_t r = 0; r < matrix.rows(); ++r) {
    matrix.row_codes(r, codes);
    for (std::uint8_t& c : codes)
      c = static_cast<std::uint8_t>(rounding == NestedRounding::half_up ? nested_code(c, C, R) : c >> (C - R));
    out.set_row_codes(r, codes);
  }
  out.set_column_order({matrix.column_order().begin(), matrix.column_order().end()});
  return out;
}

}  // namespace lowbit
