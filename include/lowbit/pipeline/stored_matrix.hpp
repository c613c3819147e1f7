// SPDX-License-Identifier: MIT
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "lowbit/core/result.hpp"
#include "lowbit/io/json.hpp"
#include "lowbit/io/safetensors_set.hpp"
#include "lowbit/pipeline/stored_parts.hpp"

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

inline constexpr std::string_view metadata_version_key = "lowbit.version";
inline constexpr std::string_view metadata_version = "1";
inline constexpr std::string_view metadata_prefix = "lowbit:";

/// The entry of the metadata.
inline std::string to_json(const StoredShape& shape) {
  io::Json json = {{"type", shape.type}, {"rows", shape.rows}, {"cols", shape.cols}};
  if (shape.group_size == per_row)
    json["group_size"] = "row";
  else if (shape.group_size == per_tensor)
    json["group_size"] = "tensor";
  else
    json["group_size"] = shape.group_size;
  if (shape.transformed()) {
    io::Json seeds = io::Json::array();
    for (const std::uint64_t seed : shape.transform.seeds) seeds.push_back(std::to_string(seed));
    json["transform"] = {{"kind", shape.transform.kind}, {"seeds", seeds}, {"construction", shape.transform.construction}};
  }
  return json.dump();
}

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

/// The parts of the matrix `name` of a file.
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

}  // namespace lowbit::pipeline
