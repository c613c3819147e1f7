// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/checked.hpp"
#include "lowbit/core/result.hpp"
#include "lowbit/io/bytes.hpp"
#include "lowbit/io/cursor.hpp"
#include "lowbit/io/gguf.hpp"
#include "lowbit/io/gguf_rules.hpp"

namespace lowbit::io {

/// Turns bytes into a GgufFile, front to back. Internal: GgufFile::parse() runs it.
class GgufParser {
 public:
  GgufParser(std::span<const std::uint8_t> bytes, const GgufLimits& limits)
      : bytes_(bytes), limits_(limits), cursor_(bytes) {}

  Result<GgufFile> run() {
    LOWBIT_CHECK(read_preamble());
    for (std::uint64_t i = 0; i < key_count_; ++i) LOWBIT_CHECK(read_key_value());
    if (const std::size_t twice = file_.key_index_.build(
            file_.metadata_.size(), [&](std::size_t i) { return std::string_view(file_.metadata_[i].key); });
        twice != GgufFile::Index::none)
      return fault(Errc::duplicate, "a key stands twice", cursor_.position(), file_.metadata_[twice].key);
    LOWBIT_CHECK(read_alignment());
    for (std::uint64_t i = 0; i < tensor_count_; ++i) LOWBIT_CHECK(read_tensor_info());
    if (const std::size_t twice = file_.tensor_index_.build(
            file_.tensors_.size(), [&](std::size_t i) { return std::string_view(file_.tensors_[i].name); });
        twice != GgufFile::Index::none)
      return fault(Errc::duplicate, "a tensor name stands twice", infos_[twice].at, file_.tensors_[twice].name);
    LOWBIT_CHECK(place_tensors());
    return std::move(file_);
  }

 private:
  struct Info {
    std::uint64_t at;      ///< where the entry begins in the file
    std::uint64_t offset;  ///< of the tensor in the data
    std::uint64_t bytes;
  };

  static Error fault(Errc code, std::string message, std::uint64_t at, std::string_view name = {}) {
    return {.code = code, .message = std::move(message), .tensor = std::string(name), .offset = at};
  }

  Result<> read_preamble() {
    LOWBIT_TRY(magic, cursor_.take(4, "magic"));
    if (as_text(magic) != "GGUF") return fault(Errc::malformed, "the file does not begin with \"GGUF\"", 0);
    LOWBIT_TRY(version, cursor_.read<std::uint32_t>("version"));
    if (version != 0 && (version & 0xffff) == 0)
      return fault(Errc::unsupported, "the file has the other byte order (big-endian)", 4);
    if (version == 1) return fault(Errc::unsupported, "version 1 is obsolete: convert the file with its own tools", 4);
    if (version != 2 && version != 3)
      return fault(Errc::unsupported, "version " + std::to_string(version) + ", expected 2 or 3", 4);
    file_.version_ = version;
    LOWBIT_TRY(tensors, cursor_.read<std::uint64_t>("tensor_count"));
    LOWBIT_TRY(keys, cursor_.read<std::uint64_t>("metadata_kv_count"));
    constexpr std::uint64_t least_key_value = 8 + 4 + 1;
    constexpr std::uint64_t least_tensor_info = 8 + 4 + 4 + 8;
    LOWBIT_CHECK(check_count(tensors, limits_.max_tensors, least_tensor_info, "tensor_count", 8));
    LOWBIT_CHECK(check_count(keys, limits_.max_keys, least_key_value, "metadata_kv_count", 16));
    tensor_count_ = tensors;
    key_count_ = keys;
    return {};
  }

  Result<> check_count(std::uint64_t count, std::uint64_t most, std::uint64_t least_bytes, std::string_view field,
                       std::uint64_t at) const {
    if (count > most)
      return fault(Errc::out_of_bounds,
                   std::string(field) + " is " + std::to_string(count) + ", more than the " + std::to_string(most) +
                       " allowed",
                   at);
    if (count > cursor_.remaining() / least_bytes)
      return fault(Errc::truncated,
                   std::string(field) + " is " + std::to_string(count) + ", more than " +
                       std::to_string(cursor_.remaining()) + " bytes can hold",
                   at);
    return {};
  }

  Result<GgufValueType> read_value_type(std::string_view key, bool in_array) {
    const std::uint64_t at = cursor_.position();
    LOWBIT_TRY(id, cursor_.read<std::uint32_t>(in_array ? "array element type" : "value type"));
    const auto type = static_cast<GgufValueType>(id);
    if (id > 12) return fault(Errc::malformed, "unknown value type " + std::to_string(id), at, key);
    if (in_array && type == GgufValueType::array)
      return fault(Errc::unsupported, "an array of arrays", at, key);
    return type;
  }

  Result<> read_key_value() {
    const std::uint64_t at = cursor_.position();
    LOWBIT_TRY(key, cursor_.read_string(limits_.max_key_bytes, "metadata key"));
    if (!detail::is_gguf_key(key))
      return fault(Errc::malformed, "a metadata key is empty or not printable ASCII", at, key.substr(0, 100));
    auto value = read_value(key);
    if (!value) return std::move(value).error().in_tensor(key);
    file_.metadata_.push_back({.key = std::string(key), .value = *value});
    return {};
  }

  Result<GgufValue> read_value(std::string_view key) {
    GgufValue value;
    LOWBIT_TRY(type, read_value_type(key, false));
    value.type = value.element = type;
    if (type == GgufValueType::array) {
      LOWBIT_TRY(element, read_value_type(key, true));
      value.element = element;
      const std::uint64_t at = cursor_.position();
      LOWBIT_TRY(count, cursor_.read<std::uint64_t>("array count"));
      if (count > cursor_.remaining() / detail::encoded_size(element))
        return fault(Errc::truncated,
                     "an array of " + std::to_string(count) + " " + std::string(name(element)) + " in " +
                         std::to_string(cursor_.remaining()) + " bytes",
                     at, key);
      value.count = count;
    }
    const std::uint64_t begin = cursor_.position();
    if (value.element == GgufValueType::string) {
      const std::uint64_t most =
          key == "tokenizer.huggingface.json" ? limits_.max_tokenizer_json_bytes : limits_.max_string_bytes;
      for (std::uint64_t i = 0; i < value.count; ++i) LOWBIT_CHECK(cursor_.read_string(most, "string value"));
    } else {
      LOWBIT_TRY(raw, cursor_.take(value.count * detail::encoded_size(value.element), "value"));
      if (value.element == GgufValueType::boolean)
        for (std::size_t i = 0; i < raw.size(); ++i)
          if (raw[i] > 1)
            return fault(Errc::malformed, "a bool of " + std::to_string(raw[i]), begin + i, key);
    }
    value.raw = bytes_.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(cursor_.position() - begin));
    return value;
  }

  Result<> read_alignment() {
    const GgufValue* value = file_.find_value(detail::alignment_key);
    if (value == nullptr) return {};
    const auto at = static_cast<std::uint64_t>(value->raw.data() - bytes_.data());
    if (value->type != GgufValueType::u32)
      return fault(Errc::malformed, "the alignment has type " + std::string(name(value->type)) + ", not u32", at,
                   detail::alignment_key);
    const std::uint64_t alignment = detail::load_le<std::uint32_t>(value->raw.data());
    if (!detail::is_gguf_alignment(alignment))
      return fault(Errc::out_of_bounds,
                   "an alignment of " + std::to_string(alignment) + ", not a power of two from 8 to 65536", at,
                   detail::alignment_key);
    file_.alignment_ = alignment;
    return {};
  }

  Result<> read_tensor_info() {
    Info info{.at = cursor_.position(), .offset = 0, .bytes = 0};
    LOWBIT_TRY(name, cursor_.read_string(limits_.max_name_bytes, "tensor name"));
    if (!detail::is_gguf_tensor_name(name))
      return fault(Errc::malformed, "a tensor name is empty, not UTF-8 or holds NUL", info.at);
    const std::uint64_t dims_at = cursor_.position();
    auto n_dims = cursor_.read<std::uint32_t>("n_dims");
    if (!n_dims) return std::move(n_dims).error().in_tensor(name);
    if (*n_dims < 1 || *n_dims > 4)
      return fault(Errc::out_of_bounds, "n_dims is " + std::to_string(*n_dims) + ", not 1 to 4", dims_at, name);
    GgufTensor tensor;
    tensor.name = std::string(name);
    for (std::uint32_t i = 0; i < *n_dims; ++i) {
      auto extent = cursor_.read<std::uint64_t>("dims");
      if (!extent) return std::move(extent).error().in_tensor(name);
      tensor.dims.push_back(*extent);
    }
    const std::uint64_t type_at = cursor_.position();
    auto id = cursor_.read<std::uint32_t>("tensor type");
    if (!id) return std::move(id).error().in_tensor(name);
    const GgmlTypeInfo* type = find_ggml_type(*id);
    if (type == nullptr)
      return fault(Errc::unsupported, "retired or unknown tensor type " + std::to_string(*id), type_at, name);
    tensor.type = type->type;
    auto bytes = detail::gguf_tensor_bytes(*type, tensor.dims);
    if (!bytes) return fault(bytes.error().code, bytes.error().message, dims_at, name);
    info.bytes = *bytes;
    auto offset = cursor_.read<std::uint64_t>("tensor offset");
    if (!offset) return std::move(offset).error().in_tensor(name);
    info.offset = *offset;
    file_.tensors_.push_back(std::move(tensor));
    infos_.push_back(info);
    return {};
  }

  /// Every tensor begins where the one before it, padded, ended, and the file ends with the last.
  Result<> place_tensors() {
    const std::uint64_t size = bytes_.size();
    const auto data_begin = checked_round_up(cursor_.position(), file_.alignment_);
    if (!data_begin || *data_begin > size) {
      if (tensor_count_ == 0) return {};
      return fault(Errc::truncated, "the file ends before its data", cursor_.position());
    }
    const std::uint64_t data_size = size - *data_begin;
    std::uint64_t next = 0;
    for (std::size_t i = 0; i < infos_.size(); ++i) {
      const Info& info = infos_[i];
      GgufTensor& tensor = file_.tensors_[i];
      if (info.offset % file_.alignment_ != 0)
        return fault(Errc::malformed,
                     "offset " + std::to_string(info.offset) + " is no multiple of " +
                         std::to_string(file_.alignment_),
                     info.at, tensor.name);
      if (info.offset != next)
        return fault(Errc::malformed,
                     std::string(info.offset < next ? "overlaps the tensor before it" : "leaves a hole before it") +
                         ": begins at " + std::to_string(info.offset) + ", expected " + std::to_string(next),
                     info.at, tensor.name);
      const auto padded = checked_round_up(info.bytes, file_.alignment_);
      if (!padded || *padded > data_size - next)
        return fault(Errc::truncated,
                     "needs " + std::to_string(info.bytes) + " bytes and padding at " + std::to_string(next) + " of " +
                         std::to_string(data_size) + " data bytes",
                     info.at, tensor.name);
      tensor.bytes = bytes_.subspan(static_cast<std::size_t>(*data_begin + next), static_cast<std::size_t>(info.bytes));
      next += *padded;
    }
    if (next != data_size)
      return fault(Errc::malformed, std::to_string(data_size - next) + " bytes after the last tensor",
                   *data_begin + next);
    return {};
  }

  std::span<const std::uint8_t> bytes_;
  GgufLimits limits_;
  detail::Cursor cursor_;
  std::uint64_t tensor_count_ = 0;
  std::uint64_t key_count_ = 0;
  std::vector<Info> infos_;
  GgufFile file_;
};

inline Result<GgufFile> GgufFile::parse(std::span<const std::uint8_t> borrowed_bytes, const GgufLimits& limits) {
  return GgufParser(borrowed_bytes, limits).run();
}

}  // namespace lowbit::io
