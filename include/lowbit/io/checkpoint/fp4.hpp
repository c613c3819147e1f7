// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/format/e8m0.hpp"
#include "lowbit/format/minifloat.hpp"
#include "lowbit/io/checkpoint/code_matrix.hpp"

/// Four-bit floats in compressed-tensors checkpoints, formats "nvfp4-pack-quantized" and "mxfp4-pack-quantized": the tensors
/// of one linear layer, both ways.
///
///                        nvfp4                        mxfp4
///   weight_packed        U8 [out, in/2]               U8 [out, in/2]     elements 2j (low nibble) and 2j+1 of a row in byte j
///   weight_scale         F8_E4M3 [out, in/16]         U8 [out, in/32]    value 2^(s − 127)
///   weight_global_scale  F32 [1]                      none
///
/// A nibble is E2M1: bit 3 the sign, bits 2…0 one of 0, .5, 1, 1.5, 2, 3, 4, 6.
/// nvfp4: W = E2M1 · weight_scale / weight_global_scale, where the writer chose weight_global_scale ≈ 448·6 / max|W|. Other
/// exporters name the codes `weight` and store the reciprocal as `weight_scale_2`: W = E2M1 · weight_scale · weight_scale_2.
/// Source   the layouts that compressed-tensors and Model Optimizer write; format facts only.

namespace lowbit::io {

enum class Fp4Kind : std::uint8_t { nvfp4, mxfp4 };

struct Fp4Matrix {
  Fp4Kind kind = Fp4Kind::nvfp4;
  std::size_t rows = 0, cols = 0;
  std::vector<std::uint8_t> codes{};   ///< [rows · cols] below 16
  std::vector<std::uint8_t> scales{};  ///< [rows · groups] E4M3 or E8M0 bytes
  float global_scale = 1.0f;           ///< nvfp4: what the weights are divided by, or multiplied by if `multiplies`
  bool multiplies = false;             ///< the file holds the reciprocal; kept, since 1/x does not round back

  std::size_t group_size() const noexcept { return kind == Fp4Kind::nvfp4 ? 16 : 32; }
  std::size_t groups() const noexcept { return ceil_div(cols, group_size()); }
  /// The factor of every weight.
  double factor() const noexcept {
    const auto scale = static_cast<double>(global_scale);
    return multiplies ? scale : 1.0 / scale;
  }
  friend bool operator==(const Fp4Matrix&, const Fp4Matrix&) = default;
};

struct Fp4Tensors {
  const TensorView* codes = nullptr;         ///< weight_packed or weight
  const TensorView* scale = nullptr;         ///< weight_scale
  const TensorView* global_scale = nullptr;  ///< weight_global_scale or weight_scale_2
};

/// A weight as the float nearest to its exact value (which needs more than one float product where a global scale divides).
inline float fp4_weight(const Fp4Matrix& m, std::size_t r, std::size_t c) noexcept {
  const std::uint8_t scale = m.scales[r * m.groups() + c / m.group_size()];
  const auto code = static_cast<double>(E2M1::decode(m.codes[r * m.cols + c]));
  if (m.kind == Fp4Kind::mxfp4) return static_cast<float>(code * static_cast<double>(E8M0::decode(scale)));
  const double point = code * static_cast<double>(E4M3FN::decode(scale)), global = static_cast<double>(m.global_scale);
  return static_cast<float>(m.multiplies ? point * global : point / global);
}

/// The tensors of one layer. `multiplies`: the global scale is the reciprocal spelling.
/// Errors   missing, unsupported (dtype, in that is no multiple of the group), shape_mismatch, not_finite (a scale, with row
///          and group), malformed (a global scale that is not positive); all name the tensor.
inline Result<ReadMatrix<Fp4Matrix>> read_fp4(const Fp4Tensors& tensors, Fp4Kind kind, bool multiplies = false) {
  LOWBIT_CHECK(detail::check_tensor(tensors.codes, "weight_packed", {Dtype::U8}, 2));
  if (kind == Fp4Kind::nvfp4)
    LOWBIT_CHECK(detail::check_tensor(tensors.scale, "weight_scale", {Dtype::F8_E4M3}, 2));
  else
    LOWBIT_CHECK(detail::check_tensor(tensors.scale, "weight_scale", {Dtype::U8, Dtype::F8_E8M0}, 2));
  ReadMatrix<Fp4Matrix> out;
  Fp4Matrix& m = out.matrix;
  m.kind = kind;
  m.rows = static_cast<std::size_t>(tensors.codes->shape[0]);
  m.cols = 2 * static_cast<std::size_t>(tensors.codes->shape[1]);
  m.multiplies = multiplies;
  if (m.cols % m.group_size() != 0)
    return Error{.code = Errc::unsupported,
                 .message = "rows of " + std::to_string(m.cols) + " inputs are no whole groups of " + std::to_string(m.group_size()),
                 .tensor = tensors.codes->name};
  LOWBIT_CHECK(detail::check_shape(*tensors.scale, {m.rows, m.groups()}, "weight_packed"));
  if (kind == Fp4Kind::nvfp4) {
    const TensorView* global = tensors.global_scale;
    LOWBIT_CHECK(detail::check_tensor(global, multiplies ? "weight_scale_2" : "weight_global_scale", {Dtype::F32},
                                      global == nullptr ? 0 : global->shape.size()));
    if (global->element_count() != 1)
      return Error{.code = Errc::shape_mismatch,
                   .message = "has shape " + detail::shape_text(global->shape) + " where one number is needed",
                   .tensor = global->name};
    m.global_scale = detail::load_le<float>(global->bytes.data());
    if (!std::isfinite(m.global_scale) || m.global_scale <= 0.0f)
      return Error{.code = std::isfinite(m.global_scale) ? Errc::malformed : Errc::not_finite,
                   .message = "the global scale must be positive and finite",
                   .tensor = global->name,
                   .value = static_cast<double>(m.global_scale)};
  }
  m.scales.assign(tensors.scale->bytes.begin(), tensors.scale->bytes.end());
  for (std::size_t i = 0; i < m.scales.size(); ++i)
    if (kind == Fp4Kind::nvfp4 ? (m.scales[i] & 0x7f) == 0x7f : m.scales[i] == 255)
      return Error{.code = Errc::not_finite,
                   .message = "a scale is NaN (column is the group)",
                   .tensor = tensors.scale->name,
                   .row = i / m.groups(),
                   .column = i % m.groups()};
  m.codes.resize(m.rows * m.cols);
  for (std::size_t i = 0; i < m.codes.size() / 2; ++i) {
    m.codes[2 * i] = tensors.codes->bytes[i] & 15u;
    m.codes[2 * i + 1] = tensors.codes->bytes[i] >> 4;
  }
  return out;
}

/// The largest group scale. Writers of nvfp4 choose the global scale so that it is near 448, the largest E4M3.
inline float largest_fp4_scale(const Fp4Matrix& m) noexcept {
  float largest = 0.0f;
  for (const std::uint8_t s : m.scales)
    largest = std::max(largest, m.kind == Fp4Kind::nvfp4 ? std::fabs(E4M3FN::decode(s)) : E8M0::decode(s));
  return largest;
}

/// The tensors of one layer, under the names of compressed-tensors. A global scale that multiplies is written as its
/// reciprocal, rounded to float. Errors: unsupported (in that is no multiple of the group).
inline Result<std::vector<OwnedTensor>> write_fp4(const Fp4Matrix& m) {
  if (m.cols % m.group_size() != 0)
    return Error{.code = Errc::unsupported,
                 .message = "rows of " + std::to_string(m.cols) + " inputs are no whole groups of " + std::to_string(m.group_size())};
  std::vector<std::uint8_t> packed(m.codes.size() / 2);
  for (std::size_t i = 0; i < packed.size(); ++i)
    packed[i] = static_cast<std::uint8_t>(m.codes[2 * i] | m.codes[2 * i + 1] << 4);
  std::vector<OwnedTensor> tensors;
  tensors.push_back({".weight_packed", Dtype::U8, {m.rows, m.cols / 2}, std::move(packed)});
  tensors.push_back({".weight_scale", m.kind == Fp4Kind::nvfp4 ? Dtype::F8_E4M3 : Dtype::U8, {m.rows, m.groups()}, m.scales});
  if (m.kind == Fp4Kind::nvfp4) {
    std::vector<std::uint8_t> global;
    detail::append_le(global, m.multiplies ? 1.0f / m.global_scale : m.global_scale);
    tensors.push_back({".weight_global_scale", Dtype::F32, {1}, std::move(global)});
  }
  return tensors;
}

}  // namespace lowbit::io
