// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/checked.hpp"
#include "lowbit/core/float16.hpp"
#include "lowbit/core/result.hpp"
#include "lowbit/io/bytes.hpp"
#include "lowbit/io/decode.hpp"
#include "lowbit/io/dtype.hpp"
#include "lowbit/io/tensor_view.hpp"

/// What every checkpoint layout of uniformly quantized weights holds, freed from where its bits lie.

namespace lowbit::io {

/// As a group size: one group spans the whole row.
inline constexpr std::size_t whole_row = 0;

/// A quantized W [rows = out × cols = in]:  W[r][c] = scale[r][g] · (code − zero[r][g]),  g = group_of(c).
struct CodeMatrix {
  std::size_t rows = 0, cols = 0;
  unsigned bits = 0;                 ///< 2 … 8
  std::size_t group_size = whole_row;
  bool per_tensor = false;           ///< one scale (and zero point) for the whole matrix; then group_size is whole_row
  std::vector<std::uint32_t> g_idx{};///< [cols] group of each column where groups are scattered; empty: column / group_size
  std::vector<std::uint8_t> codes{}; ///< [rows · cols] offset binary, below 2^bits
  Dtype scale_dtype = Dtype::F16;    ///< F16, BF16 or F32
  std::vector<std::uint8_t> scales{};///< [scale_rows · groups] little-endian
  std::vector<std::uint8_t> zeros{}; ///< [scale_rows · groups] zero points; empty: 2^(bits − 1) everywhere

  std::size_t groups() const noexcept {
    return group_size == whole_row ? (cols != 0 ? 1 : 0) : ceil_div(cols, group_size);
  }
  std::size_t scale_rows() const noexcept { return per_tensor ? (rows * cols != 0 ? 1 : 0) : rows; }
  std::size_t group_of(std::size_t c) const noexcept {
    return !g_idx.empty() ? g_idx[c] : group_size == whole_row ? 0 : c / group_size;
  }
  std::size_t index(std::size_t r, std::size_t g) const noexcept { return per_tensor ? 0 : r * groups() + g; }
  std::uint8_t middle() const noexcept { return static_cast<std::uint8_t>(1u << (bits - 1)); }
  std::uint8_t zero(std::size_t r, std::size_t g) const noexcept { return zeros.empty() ? middle() : zeros[index(r, g)]; }
  float scale(std::size_t r, std::size_t g) const noexcept {
    const std::uint8_t* at = scales.data() + index(r, g) * (io::bits(scale_dtype) / 8);
    if (scale_dtype == Dtype::F32) return detail::load_le<float>(at);
    const auto half = detail::load_le<std::uint16_t>(at);
    return scale_dtype == Dtype::F16 ? f16::decode(half) : bf16::decode(half);
  }
  float weight(std::size_t r, std::size_t c) const noexcept {
    const std::size_t g = group_of(c);
    return scale(r, g) * static_cast<float>(static_cast<int>(codes[r * cols + c]) - static_cast<int>(zero(r, g)));
  }
  friend bool operator==(const CodeMatrix&, const CodeMatrix&) = default;
};

/// A tensor to be written: what follows the module's name, and its bytes.
struct OwnedTensor {
  std::string suffix;  ///< for example ".qweight"
  Dtype dtype;
  std::vector<std::uint64_t> shape;
  std::vector<std::uint8_t> bytes;
};

/// A matrix that was read, and what a reader should tell its user about it.
template <class Matrix>
struct ReadMatrix {
  Matrix matrix;
  std::vector<std::string> warnings{};
};

/// scales in another float type. Nothing when a value would change.
inline std::optional<std::vector<std::uint8_t>> convert_scales_exactly(const CodeMatrix& m, Dtype to) {
  if (to == m.scale_dtype) return m.scales;
  const std::size_t width = bits(m.scale_dtype) / 8, count = m.scales.size() / width;
  std::vector<float> values(count);
  if (!to_floats(m.scale_dtype, m.scales, values)) return std::nullopt;
  std::vector<std::uint8_t> out;
  out.reserve(count * bits(to) / 8);
  for (const float x : values) {
    if (to == Dtype::F32) {
      detail::append_le(out, x);
      continue;
    }
    const std::uint16_t half = to == Dtype::F16 ? f16::encode(x) : bf16::encode(x);
    if ((to == Dtype::F16 ? f16::decode(half) : bf16::decode(half)) != x) return std::nullopt;
    detail::append_le(out, half);
  }
  return out;
}

/// The same for layouts that have a scale per row: that of a whole tensor is repeated.
inline std::optional<std::vector<std::uint8_t>> row_scales_exactly(const CodeMatrix& m, Dtype to) {
  auto scales = convert_scales_exactly(m, to);
  if (!scales || !m.per_tensor) return scales;
  std::vector<std::uint8_t> repeated;
  repeated.reserve(m.rows * scales->size());
  for (std::size_t r = 0; r < m.rows; ++r) repeated.insert(repeated.end(), scales->begin(), scales->end());
  return repeated;
}

namespace detail {

inline std::string shape_text(std::span<const std::uint64_t> shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

/// The dimensions of a matrix that no host and no format needs to pass: keeps every product of two of them in 64 bits.
inline constexpr std::uint64_t max_extent = std::uint64_t{1} << 31;

/// Refuses a tensor that is absent, has another dtype, another rank, or extents past max_extent.
inline Result<> check_tensor(const TensorView* tensor, std::string_view expected_name, std::initializer_list<Dtype> dtypes,
                             std::size_t rank) {
  if (tensor == nullptr)
    return Error{.code = Errc::missing, .message = "a tensor of the layout is absent", .tensor = std::string(expected_name)};
  bool known = false;
  std::string wanted;
  for (const Dtype dtype : dtypes) {
    known = known || tensor->dtype == dtype;
    wanted += (wanted.empty() ? "" : " or ") + std::string(name(dtype));
  }
  if (!known)
    return Error{.code = Errc::unsupported,
                 .message = "has dtype " + std::string(name(tensor->dtype)) + " where the layout has " + wanted,
                 .tensor = tensor->name};
  if (tensor->shape.size() != rank)
    return Error{.code = Errc::shape_mismatch,
                 .message = "has shape " + shape_text(tensor->shape) + " where the layout has " + std::to_string(rank) +
                            " dimensions",
                 .tensor = tensor->name};
  for (const std::uint64_t extent : tensor->shape)
    if (extent > max_extent)
      return Error{.code = Errc::out_of_bounds, .message = "an extent passes 2^31", .tensor = tensor->name};
  return {};
}

inline Result<> check_shape(const TensorView& tensor, const std::vector<std::uint64_t>& expected, std::string_view why) {
  if (tensor.shape == expected) return {};
  return Error{.code = Errc::shape_mismatch,
               .message = "has shape " + shape_text(tensor.shape) + ", " + std::string(why) + " implies " +
                          shape_text(expected),
               .tensor = tensor.name};
}

/// The first scale that is NaN or infinite, as an error. scales lie as in CodeMatrix.
inline Result<> check_scales(const CodeMatrix& m, const std::string& tensor) {
  for (std::size_t r = 0; r < m.scale_rows(); ++r)
    for (std::size_t g = 0; g < m.groups(); ++g)
      if (!std::isfinite(m.scale(r, g)))
        return Error{.code = Errc::not_finite,
                     .message = "scales must be finite (column is the group)",
                     .tensor = tensor,
                     .row = r,
                     .column = g,
                     .value = static_cast<double>(m.scale(r, g))};
  return {};
}

/// [groups × rows] elements to [rows × groups], whole elements of `width` bytes.
inline std::vector<std::uint8_t> transpose_elements(std::span<const std::uint8_t> from, std::size_t from_rows,
                                                    std::size_t from_cols, std::size_t width) {
  std::vector<std::uint8_t> to(from.size());
  for (std::size_t i = 0; i < from_rows; ++i)
    for (std::size_t j = 0; j < from_cols; ++j)
      for (std::size_t b = 0; b < width; ++b) to[(j * from_rows + i) * width + b] = from[(i * from_cols + j) * width + b];
  return to;
}

/// Empties a g_idx that says nothing: column / group_size.
inline void drop_contiguous_g_idx(CodeMatrix& m) {
  for (std::size_t c = 0; c < m.g_idx.size(); ++c)
    if (m.g_idx[c] != (m.group_size == whole_row ? 0 : c / m.group_size)) return;
  m.g_idx.clear();
}

/// The g_idx of a file: written out where it is implied.
inline std::vector<std::uint8_t> g_idx_bytes(const CodeMatrix& m) {
  std::vector<std::uint8_t> bytes;
  bytes.reserve(4 * m.cols);
  for (std::size_t c = 0; c < m.cols; ++c) append_le(bytes, static_cast<std::int32_t>(m.group_of(c)));
  return bytes;
}

}  // namespace detail

}  // namespace lowbit::io
