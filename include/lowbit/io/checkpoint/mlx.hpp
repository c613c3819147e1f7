// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/io/checkpoint/code_matrix.hpp"
#include "lowbit/io/checkpoint/words.hpp"

/// MLX checkpoints, mode "affine": the tensors of one layer, reading only.
///
///   weight  U32  [out, in·b/32]               codes, a dense stream along each row
///   scales, biases  F16, BF16 or F32  [out, in/G]
///
/// b is 2, 3, 4, 5, 6 or 8, G 32, 64 or 128.  W[o][i] = scale·q + bias.
/// Source   the layout that MLX writes; format facts only. Tensors need not be aligned.

namespace lowbit::io {

struct MlxTensors {
  const TensorView* weight = nullptr;
  const TensorView* scales = nullptr;
  const TensorView* biases = nullptr;
};

/// W = scale · code + bias, group by group: what MLX holds. `codes` is without zero points.
struct AffineMatrix {
  CodeMatrix codes{};
  std::vector<std::uint8_t> biases{};  ///< like codes.scales

  float bias(std::size_t r, std::size_t g) const noexcept {
    const std::size_t width = bits(codes.scale_dtype) / 8;
    const std::uint8_t* at = biases.data() + codes.index(r, g) * width;
    if (codes.scale_dtype == Dtype::F32) return detail::load_le<float>(at);
    const auto half = detail::load_le<std::uint16_t>(at);
    return codes.scale_dtype == Dtype::F16 ? f16::decode(half) : bf16::decode(half);
  }
  /// Computed in double, then rounded to float.
  float weight(std::size_t r, std::size_t c) const noexcept {
    const std::size_t g = codes.group_of(c);
    return static_cast<float>(static_cast<double>(codes.scale(r, g)) * static_cast<double>(codes.codes[r * codes.cols + c]) +
                              static_cast<double>(bias(r, g)));
  }
};

/// Errors   missing, unsupported (bits, group size, dtype), shape_mismatch, not_finite; all name the tensor.
inline Result<ReadMatrix<AffineMatrix>> read_mlx(const MlxTensors& tensors, unsigned bits, std::size_t group_size) {
  LOWBIT_CHECK(detail::check_tensor(tensors.weight, "weight", {Dtype::U32}, 2));
  LOWBIT_CHECK(detail::check_tensor(tensors.scales, "scales", {Dtype::F16, Dtype::BF16, Dtype::F32}, 2));
  LOWBIT_CHECK(detail::check_tensor(tensors.biases, "biases", {tensors.scales->dtype}, 2));
  if (bits < 2 || bits > 8 || bits == 7)
    return Error{.code = Errc::unsupported,
                 .message = "MLX weights of " + std::to_string(bits) + " bits are not read; 2, 3, 4, 5, 6 and 8 are",
                 .tensor = tensors.weight->name};
  if (group_size != 32 && group_size != 64 && group_size != 128)
    return Error{.code = Errc::unsupported,
                 .message = "MLX groups hold 32, 64 or 128 inputs, not " + std::to_string(group_size),
                 .tensor = tensors.weight->name};
  ReadMatrix<AffineMatrix> out;
  CodeMatrix& m = out.matrix.codes;
  const std::uint64_t words = tensors.weight->shape[1];
  m.rows = static_cast<std::size_t>(tensors.weight->shape[0]);
  m.cols = static_cast<std::size_t>(words * 32 / bits);
  m.bits = bits;
  m.group_size = group_size;
  m.scale_dtype = tensors.scales->dtype;
  if (words % bits != 0 || m.cols % group_size != 0)
    return Error{.code = Errc::shape_mismatch,
                 .message = std::to_string(words) + " words per row do not hold whole groups of " + std::to_string(group_size) +
                            " codes of " + std::to_string(bits) + " bits",
                 .tensor = tensors.weight->name};
  LOWBIT_CHECK(detail::check_shape(*tensors.scales, {m.rows, m.groups()}, "weight"));
  LOWBIT_CHECK(detail::check_shape(*tensors.biases, {m.rows, m.groups()}, "weight"));
  m.codes.resize(m.rows * m.cols);
  for (std::size_t r = 0; r < m.rows; ++r)
    detail::unpack_words(detail::WordLayout::dense, bits, tensors.weight->bytes.data() + 4 * r * words, 4, m.cols,
                         m.codes.data() + r * m.cols, 1);
  m.scales.assign(tensors.scales->bytes.begin(), tensors.scales->bytes.end());
  out.matrix.biases.assign(tensors.biases->bytes.begin(), tensors.biases->bytes.end());
  LOWBIT_CHECK(detail::check_scales(m, tensors.scales->name));
  for (std::size_t r = 0; r < m.rows; ++r)
    for (std::size_t g = 0; g < m.groups(); ++g)
      if (!std::isfinite(out.matrix.bias(r, g)))
        return Error{.code = Errc::not_finite,
                     .message = "biases must be finite (column is the group)",
                     .tensor = tensors.biases->name,
                     .row = r,
                     .column = g};
  return out;
}

/// The same weights with integer zero points: bias = −scale·z exactly, 0 ≤ z < 2^bits, in every group. Nothing otherwise.
inline std::optional<CodeMatrix> with_integer_zeros(const AffineMatrix& affine) {
  CodeMatrix m = affine.codes;
  m.zeros.resize(m.rows * m.groups());
  for (std::size_t r = 0; r < m.rows; ++r)
    for (std::size_t g = 0; g < m.groups(); ++g) {
      const auto scale = static_cast<double>(m.scale(r, g)), bias = static_cast<double>(affine.bias(r, g));
      const double z = scale != 0.0 ? -bias / scale : 0.0;
      if (!(z >= 0.0 && z < static_cast<double>(1u << m.bits)) || z != std::floor(z) || -scale * z != bias) return std::nullopt;
      m.zeros[m.index(r, g)] = static_cast<std::uint8_t>(z);
    }
  return m;
}

}  // namespace lowbit::io
