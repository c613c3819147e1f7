// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>
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
#include "lowbit/transform/record.hpp"

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
///   NAME.transform     BF16 [count]                  numbers of a change of basis; only for transforms that have some
///
/// and the file's metadata holds "lowbit.version" = "1" and, under the key "lowbit:NAME", a JSON object
/// {"cols", "group_size" (columns, or "row", or "tensor"), "rows", "type"} whose type is a quantizer's storage_name(), and,
/// where the matrix is stored in another basis, "transform" {"construction", "kind", "seeds" (decimal strings)}: the fields
/// of transform::TransformRecord. Numbers are little-endian. Every other tensor of the file is a plain float tensor.

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
  transform::TransformRecord transform{};  ///< the basis; its values lie in the part .transform

  bool transformed() const { return transform.kind != "identity"; }
  std::string to_json() const {
    io::Json json = {{"type", type}, {"rows", rows}, {"cols", cols}};
    if (group_size == per_row)
      json["group_size"] = "row";
    else if (group_size == per_tensor)
      json["group_size"] = "tensor";
    else
      json["group_size"] = group_size;
    if (transformed()) {
      io::Json seeds = io::Json::array();
      for (const std::uint64_t seed : transform.seeds) seeds.push_back(std::to_string(seed));
      json["transform"] = {{"kind", transform.kind}, {"seeds", seeds}, {"construction", transform.construction}};
    }
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
  if (const io::Json* basis = io::find_member(json, "transform")) {
    LOWBIT_TRY(kind, io::get_string(*basis, "kind"));
    LOWBIT_TRY(construction, io::get_string(*basis, "construction"));
    shape.transform.kind = std::move(kind);
    shape.transform.construction = std::move(construction);
    const io::Json* seeds = io::find_member(*basis, "seeds");
    if (seeds == nullptr || !seeds->is_array() || seeds->size() > 8)
      return Error{.code = Errc::malformed, .message = "the seeds of a transform are an array of at most 8"};
    for (const io::Json& written : *seeds) {
      std::uint64_t seed = 0;
      const std::string digits = written.is_string() ? written.get<std::string>() : std::string();
      const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), seed);
      if (digits.empty() || failure != std::errc{} || end != digits.data() + digits.size())
        return Error{.code = Errc::malformed, .message = "a seed is a decimal string of 64 bits"};
      shape.transform.seeds.push_back(seed);
    }
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

/// Where the parts of one packed matrix come from: a file, or memory.
class PartSource {
 public:
  struct Part {
    io::Dtype dtype;
    std::span<const std::uint64_t> shape;
    std::span<const std::uint8_t> bytes;
  };
  virtual ~PartSource() = default;
  /// The part NAME + suffix, if there is one.
  virtual std::optional<Part> find(std::string_view suffix) const = 0;
};

class PartsInFile final : public PartSource {
 public:
  PartsInFile(const io::SafetensorsSet& file, std::string name) : file_(file), name_(std::move(name)) {}
  std::optional<Part> find(std::string_view suffix) const override {
    const io::TensorView* tensor = file_.find(name_ + std::string(suffix));
    if (tensor == nullptr) return std::nullopt;
    return Part{tensor->dtype, tensor->shape, tensor->bytes};
  }

 private:
  const io::SafetensorsSet& file_;
  std::string name_;
};

class PartsInMemory final : public PartSource {
 public:
  explicit PartsInMemory(std::span<const StoredPart> parts) : parts_(parts) {}
  std::optional<Part> find(std::string_view suffix) const override {
    for (const StoredPart& part : parts_)
      if (part.suffix == suffix) return Part{part.dtype, part.shape, part.bytes};
    return std::nullopt;
  }

 private:
  std::span<const StoredPart> parts_;
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

namespace detail {

/// The bytes of a part. Errors: missing, malformed (dtype), shape_mismatch, naming the part.
inline Result<std::span<const std::uint8_t>> part_bytes(const PartSource& source, const std::string& name,
                                                        const char* suffix, io::Dtype dtype,
                                                        const std::vector<std::uint64_t>& shape) {
  const auto part = source.find(suffix);
  if (!part) return Error{.code = Errc::missing, .message = "a part of a packed matrix is missing", .tensor = name + suffix};
  if (part->dtype != dtype)
    return Error{.code = Errc::malformed,
                 .message = "has dtype " + std::string(io::name(part->dtype)) + " instead of " + std::string(io::name(dtype)),
                 .tensor = name + suffix};
  if (!std::ranges::equal(part->shape, shape))
    return Error{.code = Errc::shape_mismatch, .message = "has another shape than the matrix implies", .tensor = name + suffix};
  return part->bytes;
}

/// Copies a part to storage of its size.
template <class T>
Result<> copy_part(const PartSource& source, const std::string& name, const char* suffix, io::Dtype dtype,
                   const std::vector<std::uint64_t>& shape, std::span<T> to) {
  LOWBIT_TRY(bytes, part_bytes(source, name, suffix, dtype, shape));
  if (!bytes.empty()) std::memcpy(to.data(), bytes.data(), bytes.size());
  return {};
}

inline Result<> read_shared(const PartSource& source, const std::string& name, std::span<float> shared) {
  LOWBIT_CHECK(copy_part(source, name, ".shared", io::Dtype::F32, {shared.size()}, shared));
  for (std::size_t i = 0; i < shared.size(); ++i)
    if (!std::isfinite(shared[i]))
      return Error{.code = Errc::not_finite,
                   .message = "shared parameters must be finite",
                   .tensor = name + ".shared",
                   .column = i,
                   .value = static_cast<double>(shared[i])};
  return {};
}

/// The column order, empty where none is stored. Errors: malformed for anything but a permutation.
inline Result<std::vector<std::uint32_t>> read_column_order(const PartSource& source, const std::string& name,
                                                            std::size_t cols) {
  std::vector<std::uint32_t> order;
  if (!source.find(".column_order")) return order;
  LOWBIT_TRY(bytes, part_bytes(source, name, ".column_order", io::Dtype::U32, {cols}));
  order.resize(cols);
  if (!bytes.empty()) std::memcpy(order.data(), bytes.data(), bytes.size());
  std::vector<bool> seen(cols, false);
  for (std::size_t k = 0; k < order.size(); ++k) {
    if (order[k] >= cols || seen[order[k]])
      return Error{.code = Errc::malformed,
                   .message = "is no permutation of the columns",
                   .tensor = name + ".column_order",
                   .column = k,
                   .value = static_cast<double>(order[k])};
    seen[order[k]] = true;
  }
  return order;
}

}  // namespace detail

/// Reads a packed matrix named `name`, in the basis it is stored in. Every size is compared with what the shape implies
/// before anything is allocated.
/// Errors: missing, shape_mismatch, malformed (dtype, column order), not_finite (a scale, with row and group).
template <Quantizer Q>
Result<QuantizedMatrix<Q>> from_parts(const PartSource& source, const std::string& name, const StoredShape& shape) {
  Q q{};
  if constexpr (requires { q.group_size = std::size_t{}; }) {
    q.group_size = shape.group_size;
    if (shape.group_size < per_tensor && shape.group_size % code_columns<Q> != 0)
      return Error{.code = Errc::malformed,
                   .message = "groups hold a multiple of " + std::to_string(code_columns<Q>) + " columns",
                   .tensor = name};
  } else if (q.group_size != shape.group_size) {
    return Error{.code = Errc::malformed, .message = "the type has groups of " + std::to_string(q.group_size), .tensor = name};
  }
  // The codes bound rows and columns by bytes that exist, so the matrix below is no larger than the file.
  const PackedView<Q> implied{.rows = shape.rows, .cols = shape.cols, .quantizer = q};
  const std::vector<std::uint64_t> code_shape = {implied.bands(), implied.row_bytes()};
  LOWBIT_TRY(codes, detail::part_bytes(source, name, ".codes", io::Dtype::U8, code_shape));
  if (shape.cols != 0 && shape.rows != 0 && codes.empty())
    return Error{.code = Errc::shape_mismatch, .message = "holds no codes", .tensor = name};

  QuantizedMatrix<Q> matrix(shape.rows, shape.cols, q);
  LOWBIT_CHECK(detail::copy_part(source, name, ".codes", io::Dtype::U8, code_shape, matrix.codes()));
  LOWBIT_CHECK(detail::copy_part(source, name, ".scales", detail::StoredScalar<typename Q::stored_type>::dtype,
                                 detail::scales_shape(matrix), matrix.params()));
  if constexpr (Q::zero_bits != 0)
    LOWBIT_CHECK(detail::copy_part(source, name, ".zeros", io::Dtype::U8, detail::zeros_shape(matrix), matrix.zeros()));
  if constexpr (SharedScales<Q>) LOWBIT_CHECK(detail::read_shared(source, name, matrix.shared()));
  LOWBIT_TRY(order, detail::read_column_order(source, name, shape.cols));
  matrix.set_column_order(std::move(order));
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
