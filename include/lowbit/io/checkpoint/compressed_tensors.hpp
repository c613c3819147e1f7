// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/io/checkpoint/code_matrix.hpp"
#include "lowbit/io/checkpoint/words.hpp"

/// compressed-tensors checkpoints, format "pack-quantized": the tensors of one linear layer, both ways.
///
///   weight_packed      I32  [out, words(in)]   q + 2^(b−1), natural order along the input dimension, rows on word boundaries
///   weight_scale       F16, BF16 or F32  [out, n_g], [out, 1], or [1] for one scale per tensor
///   weight_shape       I64  [2] = {out, in}
///   weight_zero_point  I32  [words(out), n_g]  asymmetric only; z + 2^(b−1), packed along the output dimension
///                      or I8 [out, n_g], unpacked, in early files
///   weight_g_idx       I32  [in]               scattered groups only; any −1 means that it was never set
///
/// b is 2 … 8, any shape, n_g = ceil(in / group_size).  W[o][i] = (q − z)·scale with signed q and z.
///
/// Words are filled in one of two ways (WordLayout): dense since mid-2026, padded before. They agree for 2, 4 and 8 bits;
/// for 3, 5, 6 and 7 the width of weight_packed tells them apart, except for narrow matrices, which are refused unless
/// the caller says which it is.
/// Source   the layout that the compressed-tensors library writes; format facts only.

namespace lowbit::io {

enum class CtPacking : std::uint8_t {
  by_shape,  ///< reading: told by the shapes, refused where they do not tell; writing: dense
  dense,     ///< codes straddle words
  padded,    ///< floor(32/b) codes per word
};

struct CtTensors {
  const TensorView* weight_packed = nullptr;
  const TensorView* weight_scale = nullptr;
  const TensorView* weight_shape = nullptr;
  const TensorView* weight_zero_point = nullptr;  ///< may be absent
  const TensorView* weight_g_idx = nullptr;       ///< may be absent
};

struct CtParams {
  unsigned bits = 4;
  std::size_t group_size = 128;  ///< or whole_row, for strategies "channel" and "tensor"
  bool per_tensor = false;       ///< strategy "tensor"
  bool symmetric = true;
  bool scattered = false;        ///< actorder "group"
  CtPacking packing = CtPacking::by_shape;
};

namespace detail {

/// {out, in}, bounded.
inline Result<std::pair<std::size_t, std::size_t>> read_weight_shape(const TensorView* tensor) {
  LOWBIT_CHECK(check_tensor(tensor, "weight_shape", {Dtype::I64, Dtype::I32}, 1));
  LOWBIT_CHECK(check_shape(*tensor, {2}, "the layout"));
  std::int64_t extent[2];
  for (std::size_t i = 0; i < 2; ++i) {
    extent[i] = tensor->dtype == Dtype::I64 ? load_le<std::int64_t>(tensor->bytes.data() + 8 * i)
                                            : load_le<std::int32_t>(tensor->bytes.data() + 4 * i);
    if (extent[i] < 0 || extent[i] > static_cast<std::int64_t>(max_extent))
      return Error{.code = Errc::out_of_bounds,
                   .message = "an extent outside 0 … 2^31",
                   .tensor = tensor->name,
                   .column = i,
                   .value = static_cast<double>(extent[i])};
  }
  return std::pair(static_cast<std::size_t>(extent[0]), static_cast<std::size_t>(extent[1]));
}

/// Which way of filling words the shapes of weight_packed and (packed) weight_zero_point speak for.
inline Result<WordLayout> settle_packing(const CtTensors& tensors, const CodeMatrix& m, CtPacking asked) {
  const TensorView& packed = *tensors.weight_packed;
  const TensorView* zeros = tensors.weight_zero_point;
  if (zeros != nullptr && zeros->dtype != Dtype::I32) zeros = nullptr;
  const auto fits = [&](WordLayout layout) {
    return packed.shape[0] == m.rows && packed.shape[1] == words_for(layout, m.cols, m.bits) &&
           (zeros == nullptr || zeros->shape[0] == words_for(layout, m.rows, m.bits));
  };
  const bool dense = fits(WordLayout::dense), padded = fits(WordLayout::padded);
  if (asked == CtPacking::dense ? !dense : asked == CtPacking::padded ? !padded : !dense && !padded)
    return Error{.code = Errc::shape_mismatch,
                 .message = "has shape " + shape_text(packed.shape) + "; " + std::to_string(m.bits) + "-bit codes of " +
                            std::to_string(m.rows) + " x " + std::to_string(m.cols) + " take " +
                            std::to_string(words_for(WordLayout::dense, m.cols, m.bits)) + " words per row densely, " +
                            std::to_string(words_for(WordLayout::padded, m.cols, m.bits)) + " padded" +
                            (zeros != nullptr ? " (the zero points must be packed the same way)" : ""),
                 .tensor = packed.name};
  if (asked != CtPacking::by_shape) return asked == CtPacking::dense ? WordLayout::dense : WordLayout::padded;
  if (dense != padded) return dense ? WordLayout::dense : WordLayout::padded;
  // Within one word the two are the same.
  const std::size_t per_word = 32 / m.bits;
  if (32 % m.bits == 0 || (m.cols <= per_word && (zeros == nullptr || m.rows <= per_word))) return WordLayout::dense;
  return Error{.code = Errc::unsupported,
               .message = "the matrix is too narrow (" + std::to_string(m.cols) + " inputs of " + std::to_string(m.bits) +
                          " bits) to tell dense from padded words: say which with the packing option",
               .tensor = packed.name};
}

inline Result<> read_ct_zeros(const TensorView& tensor, WordLayout layout, CodeMatrix& m, bool symmetric) {
  const std::size_t groups = m.per_tensor ? 1 : m.groups();
  m.zeros.resize(m.scale_rows() * groups);
  if (tensor.dtype == Dtype::I8) {
    for (std::size_t i = 0; i < m.zeros.size(); ++i) {
      const int field = static_cast<std::int8_t>(tensor.bytes[i]) + m.middle();
      if (field < 0 || field >= 1 << m.bits)
        return Error{.code = Errc::out_of_bounds,
                     .message = "a zero point outside the range of its codes",
                     .tensor = tensor.name,
                     .row = i / std::max<std::size_t>(groups, 1),
                     .column = i % std::max<std::size_t>(groups, 1),
                     .value = static_cast<double>(field - m.middle())};
      m.zeros[i] = static_cast<std::uint8_t>(field);
    }
  } else {
    for (std::size_t g = 0; g < groups; ++g)
      unpack_words(layout, m.bits, tensor.bytes.data() + 4 * g, 4 * groups, m.scale_rows(), m.zeros.data() + g, groups);
  }
  if (symmetric) {
    for (std::size_t i = 0; i < m.zeros.size(); ++i)
      if (m.zeros[i] != m.middle())
        return Error{.code = Errc::malformed,
                     .message = "the configuration says symmetric, but a zero point is not 0",
                     .tensor = tensor.name,
                     .value = static_cast<double>(m.zeros[i] - m.middle())};
    m.zeros.clear();
  }
  return {};
}

inline Result<> read_ct_g_idx(const TensorView& tensor, CodeMatrix& m) {
  LOWBIT_CHECK(check_tensor(&tensor, "weight_g_idx", {Dtype::I32, Dtype::I64}, 1));
  LOWBIT_CHECK(check_shape(tensor, {m.cols}, "weight_shape"));
  m.g_idx.resize(m.cols);
  bool unset = false;
  for (std::size_t c = 0; c < m.cols; ++c) {
    const std::int64_t g = tensor.dtype == Dtype::I64 ? load_le<std::int64_t>(tensor.bytes.data() + 8 * c)
                                                      : load_le<std::int32_t>(tensor.bytes.data() + 4 * c);
    if (g < -1 || g >= static_cast<std::int64_t>(m.groups()))
      return Error{.code = Errc::out_of_bounds,
                   .message = "a group index outside the " + std::to_string(m.groups()) + " groups",
                   .tensor = tensor.name,
                   .column = c,
                   .value = static_cast<double>(g)};
    unset = unset || g == -1;
    m.g_idx[c] = static_cast<std::uint32_t>(g);
  }
  if (unset) m.g_idx.clear();
  drop_contiguous_g_idx(m);
  return {};
}

}  // namespace detail

/// The tensors of one layer.
/// Errors   missing, unsupported (bits, dtype, ambiguous packing), shape_mismatch, out_of_bounds (weight_shape, g_idx, zero
///          point), malformed (a zero point in a symmetric layer), not_finite (scales); all name the tensor. Nothing is
///          allocated before all sizes agree.
inline Result<ReadMatrix<CodeMatrix>> read_pack_quantized(const CtTensors& tensors, const CtParams& params) {
  LOWBIT_CHECK(detail::check_tensor(tensors.weight_packed, "weight_packed", {Dtype::I32}, 2));
  LOWBIT_TRY(shape, detail::read_weight_shape(tensors.weight_shape));
  if (params.bits < 2 || params.bits > 8)
    return Error{.code = Errc::unsupported,
                 .message = "pack-quantized weights of " + std::to_string(params.bits) + " bits are not read; 2 to 8 are",
                 .tensor = tensors.weight_packed->name};
  ReadMatrix<CodeMatrix> out;
  CodeMatrix& m = out.matrix;
  m.rows = shape.first;
  m.cols = shape.second;
  m.bits = params.bits;
  m.group_size = params.per_tensor ? whole_row : params.group_size;
  m.per_tensor = params.per_tensor;
  const TensorView* scale = tensors.weight_scale;
  LOWBIT_CHECK(detail::check_tensor(scale, "weight_scale", {Dtype::F16, Dtype::BF16, Dtype::F32},
                                    scale != nullptr && m.per_tensor ? scale->shape.size() : 2));
  m.scale_dtype = scale->dtype;
  if (m.per_tensor ? scale->element_count() != 1 || m.scale_rows() == 0
                   : scale->shape != std::vector<std::uint64_t>{m.rows, m.groups()})
    return Error{.code = Errc::shape_mismatch,
                 .message = "has shape " + detail::shape_text(scale->shape) + ", weight_shape and strategy imply " +
                            (m.per_tensor ? std::string("[1]") : detail::shape_text(std::vector<std::uint64_t>{m.rows, m.groups()})),
                 .tensor = scale->name};
  const TensorView* zeros = tensors.weight_zero_point;
  if (zeros == nullptr && !params.symmetric)
    return Error{.code = Errc::missing,
                 .message = "the configuration says asymmetric, but there is no weight_zero_point beside it",
                 .tensor = tensors.weight_packed->name};
  if (zeros != nullptr) {
    if (zeros->dtype == Dtype::I8) {
      if (zeros->element_count() != m.scale_rows() * (m.per_tensor ? 1 : m.groups()))
        return Error{.code = Errc::shape_mismatch,
                     .message = "has shape " + detail::shape_text(zeros->shape) + ", not that of the scales",
                     .tensor = zeros->name};
    } else {
      LOWBIT_CHECK(detail::check_tensor(zeros, "weight_zero_point", {Dtype::I32}, 2));
      if (m.per_tensor)
        return Error{.code = Errc::unsupported,
                     .message = "packed zero points of strategy 'tensor' are not read",
                     .tensor = zeros->name};
      if (zeros->shape[1] != m.groups())
        return Error{.code = Errc::shape_mismatch,
                     .message = "has shape " + detail::shape_text(zeros->shape) + " for " + std::to_string(m.groups()) + " groups",
                     .tensor = zeros->name};
    }
  }
  auto layout = detail::settle_packing(tensors, m, params.packing);
  if (!layout) return std::move(layout).error();
  if (m.rows != 0 && tensors.weight_packed->shape[1] == 0 && m.cols != 0)
    return Error{.code = Errc::shape_mismatch, .message = "holds no codes", .tensor = tensors.weight_packed->name};

  m.codes.resize(m.rows * m.cols);
  const std::size_t row_bytes = 4 * static_cast<std::size_t>(tensors.weight_packed->shape[1]);
  for (std::size_t r = 0; r < m.rows; ++r)
    detail::unpack_words(*layout, m.bits, tensors.weight_packed->bytes.data() + r * row_bytes, 4, m.cols,
                         m.codes.data() + r * m.cols, 1);
  m.scales.assign(scale->bytes.begin(), scale->bytes.end());
  LOWBIT_CHECK(detail::check_scales(m, scale->name));
  if (zeros != nullptr) LOWBIT_CHECK(detail::read_ct_zeros(*zeros, *layout, m, params.symmetric));
  if (tensors.weight_g_idx != nullptr) {
    LOWBIT_CHECK(detail::read_ct_g_idx(*tensors.weight_g_idx, m));
    if (!params.scattered && !m.g_idx.empty())
      out.warnings.push_back("weight_g_idx scatters the groups though the configuration has no actorder \"group\": it is followed");
  } else if (params.scattered) {
    return Error{.code = Errc::missing,
                 .message = "the configuration says actorder \"group\", but there is no weight_g_idx beside it",
                 .tensor = tensors.weight_packed->name};
  }
  return out;
}

/// The tensors of one layer: weight_zero_point for asymmetric matrices, weight_g_idx for scattered groups. Scales keep
/// their type. Errors: unsupported (zero points of one scale per tensor).
inline Result<std::vector<OwnedTensor>> write_pack_quantized(const CodeMatrix& m, CtPacking packing = CtPacking::by_shape) {
  if (m.per_tensor && !m.zeros.empty())
    return Error{.code = Errc::unsupported, .message = "one zero point per tensor is not written"};
  const detail::WordLayout layout =
      packing == CtPacking::padded ? detail::WordLayout::padded : detail::WordLayout::dense;
  const auto row_words = static_cast<std::size_t>(detail::words_for(layout, m.cols, m.bits));
  const auto zero_words = static_cast<std::size_t>(detail::words_for(layout, m.rows, m.bits));
  std::vector<std::uint8_t> packed(4 * m.rows * row_words);
  for (std::size_t r = 0; r < m.rows; ++r)
    detail::pack_words(layout, m.bits, m.codes.data() + r * m.cols, 1, m.cols, packed.data() + 4 * r * row_words, 4);
  std::vector<OwnedTensor> tensors;
  tensors.push_back({".weight_packed", Dtype::I32, {m.rows, row_words}, std::move(packed)});
  const std::vector<std::uint64_t> scale_shape =
      m.per_tensor ? std::vector<std::uint64_t>{1} : std::vector<std::uint64_t>{m.rows, m.groups()};
  tensors.push_back({".weight_scale", m.scale_dtype, scale_shape, m.scales});
  std::vector<std::uint8_t> shape;
  detail::append_le(shape, std::int64_t{static_cast<std::int64_t>(m.rows)});
  detail::append_le(shape, std::int64_t{static_cast<std::int64_t>(m.cols)});
  tensors.push_back({".weight_shape", Dtype::I64, {2}, std::move(shape)});
  if (!m.zeros.empty()) {
    std::vector<std::uint8_t> zeros(4 * zero_words * m.groups());
    for (std::size_t g = 0; g < m.groups(); ++g)
      detail::pack_words(layout, m.bits, m.zeros.data() + g, m.groups(), m.rows, zeros.data() + 4 * g, 4 * m.groups());
    tensors.push_back({".weight_zero_point", Dtype::I32, {zero_words, m.groups()}, std::move(zeros)});
  }
  if (!m.g_idx.empty()) tensors.push_back({".weight_g_idx", Dtype::I32, {m.cols}, detail::g_idx_bytes(m)});
  return tensors;
}

}  // namespace lowbit::io
