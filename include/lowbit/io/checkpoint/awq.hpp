// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/io/checkpoint/code_matrix.hpp"

/// AWQ checkpoints in the "gemm" layout: the tensors of one linear layer, both ways.
///
///   qweight  I32  [in, out/8]    eight 4-bit codes of one input per word
///   qzeros   I32  [in/G, out/8]  zero points, likewise
///   scales   F16  [in/G, out]
///
/// Within a word, output 8c + k lies in the nibble awq_nibble[k]. Zero points are stored as they are: no minus one.
/// 4 bits only; G divides in, 8 divides out.  W[o][i] = scales[i/G][o]·(q − z).
/// Source   the layout that AutoAWQ writes; format facts only.

namespace lowbit::io {

/// Bits [4·awq_nibble[k], +4) of a word belong to its k-th output.
inline constexpr std::uint8_t awq_nibble[8] = {0, 4, 1, 5, 2, 6, 3, 7};

struct AwqTensors {
  const TensorView* qweight = nullptr;
  const TensorView* qzeros = nullptr;
  const TensorView* scales = nullptr;
};

namespace detail {

/// A row of words to `8 · words` codes, `stride` apart; and back.
inline void unpack_awq(const std::uint8_t* words, std::size_t count, std::uint8_t* codes, std::size_t stride) noexcept {
  for (std::size_t w = 0; w < count; ++w) {
    const auto word = load_le<std::uint32_t>(words + 4 * w);
    for (std::size_t k = 0; k < 8; ++k)
      codes[(8 * w + k) * stride] = static_cast<std::uint8_t>((word >> (4 * awq_nibble[k])) & 15u);
  }
}
inline void pack_awq(const std::uint8_t* codes, std::size_t stride, std::size_t count, std::uint8_t* words) noexcept {
  for (std::size_t w = 0; w < count; ++w) {
    std::uint32_t word = 0;
    for (std::size_t k = 0; k < 8; ++k) word |= std::uint32_t{codes[(8 * w + k) * stride]} << (4 * awq_nibble[k]);
    store_le(word, words + 4 * w);
  }
}

}  // namespace detail

/// The tensors of one layer. group_size may be whole_row.
/// Errors   missing, unsupported (dtype), shape_mismatch, not_finite (scales); all name the tensor.
inline Result<ReadMatrix<CodeMatrix>> read_awq(const AwqTensors& tensors, std::size_t group_size) {
  LOWBIT_CHECK(detail::check_tensor(tensors.qweight, "qweight", {Dtype::I32}, 2));
  LOWBIT_CHECK(detail::check_tensor(tensors.qzeros, "qzeros", {Dtype::I32}, 2));
  LOWBIT_CHECK(detail::check_tensor(tensors.scales, "scales", {Dtype::F16, Dtype::BF16, Dtype::F32}, 2));
  ReadMatrix<CodeMatrix> out;
  CodeMatrix& m = out.matrix;
  const auto words = static_cast<std::size_t>(tensors.qweight->shape[1]);
  m.rows = 8 * words;
  m.cols = static_cast<std::size_t>(tensors.qweight->shape[0]);
  m.bits = 4;
  m.group_size = group_size;
  m.scale_dtype = tensors.scales->dtype;
  if (group_size != whole_row && m.cols % group_size != 0)
    return Error{.code = Errc::unsupported,
                 .message = "the group size " + std::to_string(group_size) + " does not divide the " +
                            std::to_string(m.cols) + " inputs",
                 .tensor = tensors.qweight->name};
  LOWBIT_CHECK(detail::check_shape(*tensors.qzeros, {m.groups(), words}, "qweight with the configured group size"));
  LOWBIT_CHECK(detail::check_shape(*tensors.scales, {m.groups(), m.rows}, "qweight with the configured group size"));

  m.codes.resize(m.rows * m.cols);
  constexpr std::size_t tile = 64;  // inputs at a time, so that the rows written stay in cache
  for (std::size_t begin = 0; begin < m.cols; begin += tile)
    for (std::size_t w = 0; w < words; ++w)
      for (std::size_t c = begin; c < std::min(begin + tile, m.cols); ++c)
        detail::unpack_awq(tensors.qweight->bytes.data() + 4 * (c * words + w), 1, m.codes.data() + 8 * w * m.cols + c, m.cols);
  m.zeros.resize(m.rows * m.groups());
  for (std::size_t g = 0; g < m.groups(); ++g)
    detail::unpack_awq(tensors.qzeros->bytes.data() + 4 * g * words, words, m.zeros.data() + g, m.groups());
  m.scales = detail::transpose_elements(tensors.scales->bytes, m.groups(), m.rows, io::bits(m.scale_dtype) / 8);
  LOWBIT_CHECK(detail::check_scales(m, tensors.scales->name));
  return out;
}

/// The tensors of one layer. Scales become F16.
/// Errors   unsupported: bits other than 4, scattered groups, a group size that does not divide in, out no multiple of 8,
///          scales that F16 does not hold.
inline Result<std::vector<OwnedTensor>> write_awq(const CodeMatrix& m) {
  const auto refuse = [](std::string why) { return Error{.code = Errc::unsupported, .message = std::move(why)}; };
  if (m.bits != 4) return refuse("AWQ files hold 4 bits, the matrix has " + std::to_string(m.bits));
  if (!m.g_idx.empty()) return refuse("AWQ files hold consecutive groups only; the groups here are scattered (act_order)");
  if (m.rows % 8 != 0 || m.rows == 0 || m.cols == 0)
    return refuse("AWQ files need a multiple of 8 outputs, the matrix has " + std::to_string(m.rows));
  if (m.group_size != whole_row && m.cols % m.group_size != 0)
    return refuse("the group size " + std::to_string(m.group_size) + " does not divide the " + std::to_string(m.cols) +
                  " inputs");
  auto scales = row_scales_exactly(m, Dtype::F16);
  if (!scales) return refuse("a scale does not fit F16 exactly");
  const std::size_t groups = m.groups(), words = m.rows / 8;
  std::vector<std::uint8_t> qweight(m.cols * words * 4), qzeros(groups * words * 4), column(m.rows);
  constexpr std::size_t tile = 64;
  for (std::size_t begin = 0; begin < m.cols; begin += tile)
    for (std::size_t w = 0; w < words; ++w)
      for (std::size_t c = begin; c < std::min(begin + tile, m.cols); ++c)
        detail::pack_awq(m.codes.data() + 8 * w * m.cols + c, m.cols, 1, qweight.data() + 4 * (c * words + w));
  for (std::size_t g = 0; g < groups; ++g) {
    for (std::size_t r = 0; r < m.rows; ++r) column[r] = m.zero(r, g);
    detail::pack_awq(column.data(), 1, words, qzeros.data() + 4 * g * words);
  }
  std::vector<OwnedTensor> tensors;
  tensors.push_back({".qweight", Dtype::I32, {m.cols, words}, std::move(qweight)});
  tensors.push_back({".qzeros", Dtype::I32, {groups, words}, std::move(qzeros)});
  tensors.push_back({".scales", Dtype::F16, {groups, m.rows}, detail::transpose_elements(*scales, m.rows, groups, 2)});
  return tensors;
}

}  // namespace lowbit::io
