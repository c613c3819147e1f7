// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/io/checkpoint/code_matrix.hpp"
#include "lowbit/io/checkpoint/words.hpp"

/// GPTQ checkpoints, versions 1 and 2: the tensors of one linear layer, both ways.
///
///   qweight  I32  [in·b/32, out]   codes packed along the input dimension, a dense stream down each column
///   qzeros   I32  [n_g, out·b/32]  zero points packed along the output dimension, a dense stream along each row
///   scales   F16 (or BF16, F32)  [n_g, out]
///   g_idx    I32  [in]             group of each input; optional when reading; negative values count from the end
///
/// b is 2, 3, 4 or 8; in and out are multiples of 32; n_g = ceil(in / group_size).  W[o][i] = scales[g][o]·(q − z).
///
/// Version 1 stores z − 1 and version 2 stores z, in each field by itself and modulo 2^b: a field of all ones in a
/// version 1 file is z = 0. Files are labelled; where all zero points are the same middle value, the label is checked
/// against them, since some writers mislabel.
/// Source   the layout that AutoGPTQ and GPTQModel write; format facts only.

namespace lowbit::io {

enum class GptqVersion : std::uint8_t { v1 = 1, v2 = 2 };

struct GptqTensors {
  const TensorView* qweight = nullptr;
  const TensorView* qzeros = nullptr;
  const TensorView* scales = nullptr;
  const TensorView* g_idx = nullptr;  ///< may be absent
};

struct GptqParams {
  unsigned bits = 4;
  std::size_t group_size = 128;  ///< or whole_row
  bool symmetric = true;         ///< as labelled
  GptqVersion version = GptqVersion::v1;
};

namespace detail {

inline bool gptq_has_bits(unsigned bits) noexcept { return bits == 2 || bits == 3 || bits == 4 || bits == 8; }

inline Error gptq_shape_error(std::size_t rows, std::size_t cols, std::string_view tensor) {
  return {.code = Errc::unsupported,
          .message = "GPTQ files hold whole blocks of 32 inputs and 32 outputs; the matrix is " + std::to_string(rows) +
                     " x " + std::to_string(cols) + " (outputs x inputs)",
          .tensor = std::string(tensor)};
}

/// Fills m.g_idx, contiguous or not.
inline Result<> read_gptq_g_idx(const TensorView& tensor, CodeMatrix& m, std::vector<std::string>& warnings) {
  LOWBIT_CHECK(check_tensor(&tensor, "g_idx", {Dtype::I32, Dtype::I64}, 1));
  LOWBIT_CHECK(check_shape(tensor, {m.cols}, "qweight"));
  const auto groups = static_cast<std::int64_t>(m.groups());
  m.g_idx.resize(m.cols);
  bool all_zero = true, negative = false;
  for (std::size_t c = 0; c < m.cols; ++c) {
    std::int64_t g = tensor.dtype == Dtype::I64 ? load_le<std::int64_t>(tensor.bytes.data() + 8 * c)
                                                : load_le<std::int32_t>(tensor.bytes.data() + 4 * c);
    if (g >= groups || g < -groups)
      return Error{.code = Errc::out_of_bounds,
                   .message = "a group index outside the " + std::to_string(groups) + " groups",
                   .tensor = tensor.name,
                   .column = c,
                   .value = static_cast<double>(g)};
    negative = negative || g < 0;
    if (g < 0) g += groups;
    all_zero = all_zero && g == 0;
    m.g_idx[c] = static_cast<std::uint32_t>(g);
  }
  if (negative) warnings.push_back("g_idx holds negative values: read as counted from the last group");
  if (all_zero && groups > 1) {  // left unset by its writer: nobody makes groups that no column uses
    warnings.push_back("g_idx is all zeros beside several groups: read as consecutive groups");
    m.g_idx.clear();
  }
  drop_contiguous_g_idx(m);
  return {};
}

/// Stored fields to zero points, for the version that the data speak for.
inline void settle_gptq_zeros(CodeMatrix& m, const GptqParams& params, std::vector<std::string>& warnings) {
  GptqVersion version = params.version;
  const auto middle = m.middle();
  const auto all = [&](unsigned field) {
    return std::all_of(m.zeros.begin(), m.zeros.end(), [field](std::uint8_t z) { return z == field; });
  };
  bool uniform = false;
  if (params.symmetric && !m.zeros.empty()) {
    if (all(middle)) {
      if (version == GptqVersion::v1)
        warnings.push_back("labelled version 1, but every zero point field is " + std::to_string(middle) +
                           " as in version 2: read as version 2");
      version = GptqVersion::v2;
      uniform = true;
    } else if (all(middle - 1u)) {
      if (version == GptqVersion::v2)
        warnings.push_back("labelled version 2, but every zero point field is " + std::to_string(middle - 1) +
                           " as in version 1: read as version 1");
      version = GptqVersion::v1;
      uniform = true;
    } else {
      warnings.push_back("labelled symmetric, but the zero points differ: read as asymmetric");
    }
  }
  if (uniform || (params.symmetric && m.zeros.empty())) {
    m.zeros.clear();
  } else if (version == GptqVersion::v1) {
    const unsigned mask = (1u << m.bits) - 1u;
    for (std::uint8_t& z : m.zeros) z = static_cast<std::uint8_t>((z + 1u) & mask);
  }
}

}  // namespace detail

/// The tensors of one layer. in and out come from qweight.
/// Errors   missing, unsupported (bits, dtype, shapes that are no multiples of 32), shape_mismatch, out_of_bounds
///          (g_idx), not_finite (scales); all name the tensor. Nothing is allocated before all sizes agree.
inline Result<ReadMatrix<CodeMatrix>> read_gptq(const GptqTensors& tensors, const GptqParams& params) {
  LOWBIT_CHECK(detail::check_tensor(tensors.qweight, "qweight", {Dtype::I32}, 2));
  LOWBIT_CHECK(detail::check_tensor(tensors.qzeros, "qzeros", {Dtype::I32}, 2));
  LOWBIT_CHECK(detail::check_tensor(tensors.scales, "scales", {Dtype::F16, Dtype::BF16, Dtype::F32}, 2));
  const unsigned bits = params.bits;
  if (!detail::gptq_has_bits(bits))
    return Error{.code = Errc::unsupported,
                 .message = "GPTQ files of " + std::to_string(bits) + " bits are not read; 2, 3, 4 and 8 are",
                 .tensor = tensors.qweight->name};
  const std::uint64_t words = tensors.qweight->shape[0], rows = tensors.qweight->shape[1];
  if (words % bits != 0 || rows % 32 != 0)
    return detail::gptq_shape_error(static_cast<std::size_t>(rows), static_cast<std::size_t>(words * 32 / bits),
                                    tensors.qweight->name);
  ReadMatrix<CodeMatrix> out;
  CodeMatrix& m = out.matrix;
  m.rows = static_cast<std::size_t>(rows);
  m.cols = static_cast<std::size_t>(words / bits * 32);
  m.bits = bits;
  m.group_size = params.group_size;
  m.scale_dtype = tensors.scales->dtype;
  LOWBIT_CHECK(detail::check_shape(*tensors.scales, {m.groups(), m.rows}, "qweight with the configured group size"));
  LOWBIT_CHECK(detail::check_shape(*tensors.qzeros, {m.groups(), m.rows / 32 * bits}, "qweight with the configured group size"));

  using enum detail::WordLayout;
  m.codes.resize(m.rows * m.cols);
  for (std::size_t block = 0; block < m.cols / 32; ++block)  // 32 inputs of every output: b whole words each
    for (std::size_t r = 0; r < m.rows; ++r)
      detail::unpack_words(dense, bits, tensors.qweight->bytes.data() + 4 * (block * bits * m.rows + r), 4 * m.rows, 32,
                           m.codes.data() + r * m.cols + 32 * block, 1);
  m.zeros.resize(m.rows * m.groups());
  for (std::size_t g = 0; g < m.groups(); ++g)
    detail::unpack_words(dense, bits, tensors.qzeros->bytes.data() + 4 * g * (m.rows / 32 * bits), 4, m.rows,
                         m.zeros.data() + g, m.groups());
  m.scales = detail::transpose_elements(tensors.scales->bytes, m.groups(), m.rows, io::bits(m.scale_dtype) / 8);
  LOWBIT_CHECK(detail::check_scales(m, tensors.scales->name));
  if (tensors.g_idx != nullptr) LOWBIT_CHECK(detail::read_gptq_g_idx(*tensors.g_idx, m, out.warnings));
  detail::settle_gptq_zeros(m, params, out.warnings);
  return out;
}

/// The tensors of one layer, g_idx always among them. Scales are F16 or BF16; an F32 scale is written as the one of them
/// that holds every value.
/// Errors   unsupported: bits, shapes that are no multiples of 32, scales that no 16-bit type holds.
inline Result<std::vector<OwnedTensor>> write_gptq(const CodeMatrix& m, GptqVersion version) {
  if (!detail::gptq_has_bits(m.bits))
    return Error{.code = Errc::unsupported,
                 .message = "GPTQ files hold 2, 3, 4 or 8 bits, the matrix has " + std::to_string(m.bits)};
  if (m.rows % 32 != 0 || m.cols % 32 != 0 || m.rows == 0 || m.cols == 0)
    return detail::gptq_shape_error(m.rows, m.cols, "");
  Dtype dtype = m.scale_dtype == Dtype::BF16 ? Dtype::BF16 : Dtype::F16;
  auto scales = row_scales_exactly(m, dtype);
  if (!scales) scales = row_scales_exactly(m, dtype = Dtype::BF16);
  if (!scales) return Error{.code = Errc::unsupported, .message = "a scale fits neither F16 nor BF16 exactly"};
  const std::size_t groups = m.groups(), zero_words = m.rows / 32 * m.bits;
  const unsigned mask = (1u << m.bits) - 1u;

  using enum detail::WordLayout;
  std::vector<std::uint8_t> qweight(m.cols / 32 * m.bits * m.rows * 4);
  for (std::size_t block = 0; block < m.cols / 32; ++block)
    for (std::size_t r = 0; r < m.rows; ++r)
      detail::pack_words(dense, m.bits, m.codes.data() + r * m.cols + 32 * block, 1, 32,
                         qweight.data() + 4 * (block * m.bits * m.rows + r), 4 * m.rows);
  std::vector<std::uint8_t> qzeros(groups * zero_words * 4), fields(m.rows);
  for (std::size_t g = 0; g < groups; ++g) {
    for (std::size_t r = 0; r < m.rows; ++r)
      fields[r] = static_cast<std::uint8_t>((m.zero(r, g) - (version == GptqVersion::v1 ? 1u : 0u)) & mask);
    detail::pack_words(dense, m.bits, fields.data(), 1, m.rows, qzeros.data() + 4 * g * zero_words, 4);
  }
  std::vector<OwnedTensor> tensors;
  tensors.push_back({".qweight", Dtype::I32, {m.cols / 32 * m.bits, m.rows}, std::move(qweight)});
  tensors.push_back({".qzeros", Dtype::I32, {groups, zero_words}, std::move(qzeros)});
  tensors.push_back({".scales", dtype, {groups, m.rows}, detail::transpose_elements(*scales, m.rows, groups, 2)});
  tensors.push_back({".g_idx", Dtype::I32, {m.cols}, detail::g_idx_bytes(m)});
  return tensors;
}

}  // namespace lowbit::io
