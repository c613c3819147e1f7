// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "lowbit/core/float16.hpp"
#include "lowbit/core/result.hpp"
#include "lowbit/core/round.hpp"
#include "lowbit/io/checkpoint/mlx.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/pipeline/stored_codes.hpp"
#include "lowbit/quantizer/uniform.hpp"

/// Matrices that a layout cannot hold as they are, on a grid that it can: the inexact half of conversion.

namespace lowbit::pipeline {

/// Rounds W to nearest on an asymmetric grid with F16 scales and integer zero points, group by group.
/// Errors: not_finite when a scale passes the range of F16, with row and group.
inline Result<io::CodeMatrix> round_to_codes(const Matrix& W, unsigned bits, std::size_t group_size) {
  io::CodeMatrix m{.rows = static_cast<std::size_t>(W.rows()), .cols = static_cast<std::size_t>(W.cols()), .bits = bits,
                   .group_size = group_size};
  m.codes.resize(m.rows * m.cols);
  m.zeros.resize(m.rows * m.groups());
  const std::size_t size = group_size == io::whole_row ? std::max<std::size_t>(m.cols, 1) : group_size;
  return detail::with_bits(bits, [&]<int Bits>() -> Result<io::CodeMatrix> {
    constexpr UniformOptions options{.group_size = dynamic_group, .zero_point = ZeroPoint::integer, .scale = ScaleStorage::f16};
    const Uniform<Int<Bits>, options> q{};
    for (std::size_t r = 0; r < m.rows; ++r)
      for (std::size_t g = 0; g < m.groups(); ++g) {
        const std::size_t begin = g * size, count = std::min(size, m.cols - begin);
        const std::span<const float> group(W.data() + r * m.cols + begin, count);
        const auto p = q.fit(group);
        if (!std::isfinite(p.scale))
          return Error{.code = Errc::not_finite, .message = "a scale passes the range of F16", .row = r, .column = g};
        io::detail::append_le(m.scales, f16::encode(p.scale));
        m.zeros[m.index(r, g)] = q.store_zero(p);
        for (std::size_t i = 0; i < count; ++i) m.codes[r * m.cols + begin + i] = q.quantize(group[i], p);
      }
    return m;
  });
}

/// Keeps codes and scales of an affine matrix and moves each bias to the nearest whole step: every weight moves by at most
/// half a step. Nothing when a zero point would leave its range.
inline std::optional<io::CodeMatrix> round_biases(const io::AffineMatrix& affine) {
  io::CodeMatrix m = affine.codes;
  m.zeros.resize(m.rows * m.groups());
  const float top = static_cast<float>((1u << m.bits) - 1u);
  for (std::size_t r = 0; r < m.rows; ++r)
    for (std::size_t g = 0; g < m.groups(); ++g) {
      const float scale = m.scale(r, g), z = scale != 0.0f ? round_half_even(-affine.bias(r, g) / scale) : 0.0f;
      if (!(z >= 0.0f && z <= top) || (scale == 0.0f && affine.bias(r, g) != 0.0f)) return std::nullopt;
      m.zeros[m.index(r, g)] = static_cast<std::uint8_t>(z);
    }
  return m;
}

}  // namespace lowbit::pipeline
