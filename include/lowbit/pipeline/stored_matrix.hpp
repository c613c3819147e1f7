// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/result.hpp"
#include "lowbit/io/json.hpp"
#include "lowbit/io/safetensors_set.hpp"
#include "lowbit/quantizer/matrix.hpp"
#include "lowbit/quantizer/nearest.hpp"
#include "lowbit/quantizer/uniform.hpp"

/// How a packed matrix lies in a safetensors file: naming version 1.
///
/// In place of a tensor NAME (for example model.layers.0.mlp.up_proj.weight) of shape [rows, cols] there are
///
///   NAME.codes         U8   [rows, row_bytes]        codes packed by the quantizer's layout, rows on byte boundaries; of
///                      tiled layouts (trellises) [bands, band_bytes], a band being 16 rows
///   NAME.scales        F16, BF16 or F32 [rows, groups], or [1] for one group per tensor; [rows, groups, 2] (scale, zero
///                      point) where zero points are real; U8 [rows, groups] or [rows, groups, bytes] for other scale
///                      types and super-blocks
///   NAME.zeros         U8   [rows, zero_row_bytes]   integer zero points, a dense stream per row; asymmetric only
///   NAME.shared        F32  [count]                  parameters shared by many groups; two-level scales only
///   NAME.column_order  U32  [cols]                   stored column k is column column_order[k] of W; act_order only
///
/// and the file's metadata holds "lowbit.version" = "1" and, under the key "lowbit:NAME", a JSON object
/// {"cols", "group_size" (columns, or "row", or "tensor"), "rows", "type"} whose type is a quantizer's storage_name().
/// Numbers are little-endian. Every other tensor of the file is a plain float tensor.

namespace lowbit::pipeline {

static_assert(std::endian::native == std::endian::little, "Packed files are read and written in place: little-endian hosts.");

inline constexpr std::string_view metadata_version_key = "lowbit.version";
inline constexpr std::string_view metadata_version = "1";
inline constexpr std::string_view metadata_prefix = "lowbit:";

/// What a file says about one packed matrix beside its bytes.
struct StoredShape {
  std::string type;  ///< a storage_name()
  std::size_t rows = 0, cols = 0;
  std::size_t group_size = 0;

  std::string to_json() const {
    io::Json json = {{"type", type}, {"rows", rows}, {"cols", cols}};
    if (group_size == per_row)
      json["group_size"] = "row";
    else if (group_size == per_tensor)
      json["group_size"] = "tensor";
    else
      json["group_size"] = group_size;
    return json.dump();
  }
};

/// Errors: malformed or missing, naming the key; out_of_bounds for dimensions above 2^31.
inline Result<StoredShape> parse_stored_shape(std::string_view text) {
  LOWBIT_TRY(json, io::parse_json(text));
  if (!json.is_object()) return Error{.code = Errc::malformed, .message = "a stored shape is a JSON object"};
  LOWBIT_TRY(type, io::get_string(json, "type"));
  LOWBIT_TRY(rows, io::get_u64(json, "rows"));
  LOWBIT_TRY(cols, io::get_u64(json, "cols"));
  constexpr std::uint64_t limit = std::uint64_t{1} << 31;
  if (rows > limit || cols > limit)
    return Error{.code = Errc::out_of_bounds, .message = "rows and cols must be at most 2^31"};
  StoredShape shape{.type = std::move(type),
                    .rows = static_cast<std::size_t>(rows),
                    .cols = static_cast<std::size_t>(cols),
                    .group_size = 0};
  const io::Json* group = io::find_member(json, "group_size");
  if (group != nullptr && group->is_string() && *group == "row") {
    shape.group_size = per_row;
  } else if (group != nullptr && group->is_string() && *group == "tensor") {
    shape.group_size = per_tensor;
  } else {
    LOWBIT_TRY(size, io::get_u64(json, "group_size"));
    if (size == 0 || size > limit)
      return Error{.code = Errc::out_of_bounds, .message = "group_size must lie between 1 and 2^31"};
    shape.group_size = static_cast<std::size_t>(size);
  }
  return shape;
}

/// One tensor of a packed matrix: what follows NAME, and its bytes.
struct StoredPart {
  std::string suffix;
  io::Dtype dtype;
  std::vector<std::uint64_t> shape;
  std::vector<std::uint8_t> bytes;
};

namespace detail {

template <class Stored>
struct StoredScalar {  // which dtype holds a stored_type, and how many scalars it has: bytes, unless named below
  static constexpr io::Dtype dtype = io::Dtype::U8;
  static constexpr std::uint64_t count = sizeof(Stored);
};
template <>
struct StoredScalar<f16> {
  static constexpr io::Dtype dtype = io::Dtype::F16;
  static constexpr std::uint64_t count = 1;
};
template <>
struct StoredScalar<bf16> {
  static constexpr io::Dtype dtype = io::Dtype::BF16;
  static constexpr std::uint64_t count = 1;
};
template <>
struct StoredScalar<float> {
  static constexpr io::Dtype dtype = io::Dtype::F32;
  static constexpr std::uint64_t count = 1;
};
template <class Scale>
struct StoredScalar<lowbit::detail::ScaleAndZero<Scale>> {
  static constexpr io::Dtype dtype = StoredScalar<Scale>::dtype;
  static constexpr std::uint64_t count = 2;
};

template <class T>
std::vector<std::uint8_t> bytes_of(std::span<const T> values) {
  std::vector<std::uint8_t> bytes(values.size_bytes());
  if (!bytes.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

template <Quantizer Q>
std::vector<std::uint64_t> scales_shape(const QuantizedMatrix<Q>& matrix) {
  std::vector<std::uint64_t> shape;
  if (matrix.groups().shared_by_rows())
    shape = {matrix.groups().total()};
  else
    shape = {matrix.rows(), matrix.groups().per_row_count()};
  if (StoredScalar<typename Q::stored_type>::count > 1) shape.push_back(StoredScalar<typename Q::stored_type>::count);
  return shape;
}

template <Quantizer Q>
std::vector<std::uint64_t> zeros_shape(const QuantizedMatrix<Q>& matrix) {
  if (matrix.groups().shared_by_rows()) return {matrix.groups().total()};
  return {matrix.rows(), matrix.view().zero_row_bytes()};
}

}  // namespace detail

/// The parts of a packed matrix, in the order above.
template <Quantizer Q>
std::vector<StoredPart> to_parts(const QuantizedMatrix<Q>& matrix) {
  std::vector<StoredPart> parts;
  parts.push_back({".codes", io::Dtype::U8, {matrix.view().bands(), matrix.view().row_bytes()}, detail::bytes_of(matrix.codes())});
  parts.push_back({".scales", detail::StoredScalar<typename Q::stored_type>::dtype, detail::scales_shape(matrix),
                   detail::bytes_of(matrix.params())});
  if constexpr (Q::zero_bits != 0)
    parts.push_back({".zeros", io::Dtype::U8, detail::zeros_shape(matrix), detail::bytes_of(matrix.zeros())});
  if constexpr (SharedScales<Q>)
    parts.push_back({".shared", io::Dtype::F32, {matrix.shared().size()}, detail::bytes_of(matrix.shared())});
  if (!matrix.column_order().empty())
    parts.push_back({".column_order", io::Dtype::U32, {matrix.cols()}, detail::bytes_of(matrix.column_order())});
  return parts;
}

/// Reads a packed matrix named `name`. Every size is compared with what the shape implies before anything is allocated.
/// Errors: missing, shape_mismatch, malformed (dtype, column order), not_finite (a scale, with row and group).
template <Quantizer Q>
Result<QuantizedMatrix<Q>> from_parts(const io::SafetensorsSet& file, const std::string& name, const StoredShape& shape) {
  const auto part = [&](const char* suffix, io::Dtype dtype,
                        const std::vector<std::uint64_t>& expected) -> Result<std::span<const std::uint8_t>> {
    const io::TensorView* tensor = file.find(name + suffix);
    if (tensor == nullptr)
      return Error{.code = Errc::missing, .message = "a part of a packed matrix is missing", .tensor = name + suffix};
    if (tensor->dtype != dtype)
      return Error{.code = Errc::malformed,
                   .message = "has dtype " + std::string(io::name(tensor->dtype)) + " instead of " + std::string(io::name(dtype)),
                   .tensor = name + suffix};
    if (tensor->shape != expected)
      return Error{.code = Errc::shape_mismatch, .message = "has another shape than the matrix implies", .tensor = name + suffix};
    return tensor->bytes;
  };
  Q q{};
  if constexpr (requires { q.group_size = std::size_t{}; }) {
    q.group_size = shape.group_size;
  } else if (q.group_size != shape.group_size) {
    return Error{.code = Errc::malformed, .message = "the type has groups of " + std::to_string(q.group_size), .tensor = name};
  }
  // The codes bound rows and columns by bytes that exist, so the matrix below is no larger than the file.
  const PackedView<Q> implied{.rows = shape.rows, .cols = shape.cols, .quantizer = q};
  LOWBIT_TRY(codes, part(".codes", io::Dtype::U8, {implied.bands(), implied.row_bytes()}));
  if (shape.cols != 0 && shape.rows != 0 && codes.empty())
    return Error{.code = Errc::shape_mismatch, .message = "holds no codes", .tensor = name};

  QuantizedMatrix<Q> matrix(shape.rows, shape.cols, q);
  LOWBIT_TRY(scales, part(".scales", detail::StoredScalar<typename Q::stored_type>::dtype, detail::scales_shape(matrix)));
  const auto copy = [](std::span<const std::uint8_t> from, auto to) {
    if (!from.empty()) std::memcpy(to.data(), from.data(), from.size());
  };
  copy(codes, matrix.codes());
  copy(scales, matrix.params());
  if constexpr (Q::zero_bits != 0) {
    LOWBIT_TRY(zeros, part(".zeros", io::Dtype::U8, detail::zeros_shape(matrix)));
    copy(zeros, matrix.zeros());
  }
  if constexpr (SharedScales<Q>) {
    LOWBIT_TRY(shared, part(".shared", io::Dtype::F32, {matrix.shared().size()}));
    copy(shared, matrix.shared());
    for (std::size_t i = 0; i < matrix.shared().size(); ++i)
      if (!std::isfinite(matrix.shared()[i]))
        return Error{.code = Errc::not_finite,
                     .message = "shared parameters must be finite",
                     .tensor = name + ".shared",
                     .column = i,
                     .value = static_cast<double>(matrix.shared()[i])};
  }
  if (file.find(name + ".column_order") != nullptr) {
    LOWBIT_TRY(bytes, part(".column_order", io::Dtype::U32, {shape.cols}));
    std::vector<std::uint32_t> order(shape.cols);
    copy(bytes, std::span(order));
    std::vector<bool> seen(shape.cols, false);
    for (std::size_t k = 0; k < order.size(); ++k) {
      if (order[k] >= shape.cols || seen[order[k]])
        return Error{.code = Errc::malformed,
                     .message = "is no permutation of the columns",
                     .tensor = name + ".column_order",
                     .column = k,
                     .value = static_cast<double>(order[k])};
      seen[order[k]] = true;
    }
    matrix.set_column_order(std::move(order));
  }
  const Groups groups = matrix.groups();
  for (std::size_t r = 0; r < (groups.shared_by_rows() ? groups.total() : shape.rows); ++r)
    for (std::size_t g = 0; g < groups.per_row_count(); ++g)
      if (!params_finite<Q>(matrix.group_params(r, g)))
        return Error{.code = Errc::not_finite,
                     .message = "scales must be finite (column is the group)",
                     .tensor = name + ".scales",
                     .row = r,
                     .column = g};
  return matrix;
}

}  // namespace lowbit::pipeline
