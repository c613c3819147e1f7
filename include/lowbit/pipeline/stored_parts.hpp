// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/result.hpp"
#include "lowbit/io/dtype.hpp"
#include "lowbit/quantizer/matrix.hpp"
#include "lowbit/quantizer/nearest.hpp"
#include "lowbit/quantizer/uniform.hpp"
#include "lowbit/transform/record.hpp"

/// A packed matrix as named tensors, and back. What they are called in a file is said in stored_matrix.hpp.

namespace lowbit::pipeline {

static_assert(std::endian::native == std::endian::little, "Packed files are read and written in place: little-endian hosts.");

/// What a file says about one packed matrix beside its bytes.
struct StoredShape {
  std::string type;  ///< a storage_name()
  std::size_t rows = 0, cols = 0;
  std::size_t group_size = 0;
  transform::TransformRecord transform{};  ///< the basis; its values lie in the part .transform

  bool transformed() const { return transform.kind != "identity"; }
};

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

/// The parts of a packed matrix, in the order of stored_matrix.hpp.
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
