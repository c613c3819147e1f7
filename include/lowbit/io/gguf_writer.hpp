// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/checked.hpp"
#include "lowbit/core/contract.hpp"
#include "lowbit/core/result.hpp"
#include "lowbit/io/atomic_file.hpp"
#include "lowbit/io/bytes.hpp"
#include "lowbit/io/gguf.hpp"
#include "lowbit/io/gguf_rules.hpp"
#include "lowbit/io/spool.hpp"

namespace lowbit::io {

/// Writes one GGUF file of version 3. Keys and tensors come out in the order of the calls, so the same calls give the
/// same bytes and a file copied key by key and tensor by tensor is the file again. The alignment is 32 unless the key
/// general.alignment says otherwise, whenever it is set.
///
/// Tensor bytes wait on disk beside the destination, so memory is O(one tensor) plus the metadata, and disk space is
/// needed twice. Nothing appears under the destination's name before finish() succeeds, and nothing else stays behind.
/// Errors   already_exists, io_error, duplicate (key or name), shape_mismatch (byte count), invalid_argument (a key,
///          name or alignment that the format forbids), malformed and out_of_bounds (dims).
class GgufWriter {
 public:
  static Result<GgufWriter> create(std::filesystem::path destination, bool overwrite) {
    LOWBIT_TRY(file, AtomicFile::create(destination, overwrite));
    LOWBIT_TRY(spool, detail::Spool::create(destination));
    return GgufWriter(std::move(file), std::move(spool));
  }

  Result<> set_u8(std::string_view key, std::uint8_t value) { return set_number(key, GgufValueType::u8, value); }
  Result<> set_i8(std::string_view key, std::int8_t value) { return set_number(key, GgufValueType::i8, value); }
  Result<> set_u16(std::string_view key, std::uint16_t value) { return set_number(key, GgufValueType::u16, value); }
  Result<> set_i16(std::string_view key, std::int16_t value) { return set_number(key, GgufValueType::i16, value); }
  Result<> set_u32(std::string_view key, std::uint32_t value) { return set_number(key, GgufValueType::u32, value); }
  Result<> set_i32(std::string_view key, std::int32_t value) { return set_number(key, GgufValueType::i32, value); }
  Result<> set_u64(std::string_view key, std::uint64_t value) { return set_number(key, GgufValueType::u64, value); }
  Result<> set_i64(std::string_view key, std::int64_t value) { return set_number(key, GgufValueType::i64, value); }
  Result<> set_f32(std::string_view key, float value) { return set_number(key, GgufValueType::f32, value); }
  Result<> set_f64(std::string_view key, double value) { return set_number(key, GgufValueType::f64, value); }
  Result<> set_bool(std::string_view key, bool value) {
    return set_number(key, GgufValueType::boolean, static_cast<std::uint8_t>(value ? 1 : 0));
  }
  Result<> set_string(std::string_view key, std::string_view value) {
    std::vector<std::uint8_t> raw;
    append_string(raw, value);
    return set(key, {.type = GgufValueType::string, .element = GgufValueType::string, .count = 1, .raw = raw});
  }

  Result<> set_u8_array(std::string_view key, std::span<const std::uint8_t> values) {
    return set_numbers(key, GgufValueType::u8, values);
  }
  Result<> set_i8_array(std::string_view key, std::span<const std::int8_t> values) {
    return set_numbers(key, GgufValueType::i8, values);
  }
  Result<> set_u16_array(std::string_view key, std::span<const std::uint16_t> values) {
    return set_numbers(key, GgufValueType::u16, values);
  }
  Result<> set_i16_array(std::string_view key, std::span<const std::int16_t> values) {
    return set_numbers(key, GgufValueType::i16, values);
  }
  Result<> set_u32_array(std::string_view key, std::span<const std::uint32_t> values) {
    return set_numbers(key, GgufValueType::u32, values);
  }
  Result<> set_i32_array(std::string_view key, std::span<const std::int32_t> values) {
    return set_numbers(key, GgufValueType::i32, values);
  }
  Result<> set_u64_array(std::string_view key, std::span<const std::uint64_t> values) {
    return set_numbers(key, GgufValueType::u64, values);
  }
  Result<> set_i64_array(std::string_view key, std::span<const std::int64_t> values) {
    return set_numbers(key, GgufValueType::i64, values);
  }
  Result<> set_f32_array(std::string_view key, std::span<const float> values) {
    return set_numbers(key, GgufValueType::f32, values);
  }
  Result<> set_f64_array(std::string_view key, std::span<const double> values) {
    return set_numbers(key, GgufValueType::f64, values);
  }
  Result<> set_bool_array(std::string_view key, const std::vector<bool>& values) {
    std::vector<std::uint8_t> raw;
    for (const bool value : values) raw.push_back(value ? 1 : 0);
    return set(key, array(GgufValueType::boolean, values.size(), raw));
  }
  Result<> set_string_array(std::string_view key, std::span<const std::string> values) {
    std::vector<std::uint8_t> raw;
    for (const std::string& value : values) append_string(raw, value);
    return set(key, array(GgufValueType::string, values.size(), raw));
  }

  /// A value as a GgufFile holds it, copied verbatim.
  Result<> set(std::string_view key, const GgufValue& value) {
    LOWBIT_EXPECTS(!finished_, "GgufWriter: keys are set before finish()");
    const auto refuse = [&](Errc code, std::string message) {
      return Error{.code = code, .message = std::move(message), .tensor = std::string(key)};
    };
    if (!detail::is_gguf_key(key) || key.size() > GgufLimits{}.max_key_bytes)
      return refuse(Errc::invalid_argument, "a key is 1 to 65535 printable ASCII characters");
    if (keys_.contains(key)) return refuse(Errc::duplicate, "the key was set before");
    if (keys_.size() == GgufLimits{}.max_keys) return refuse(Errc::out_of_bounds, "more keys than readers accept");
    if (key == detail::alignment_key) {
      if (value.type != GgufValueType::u32) return refuse(Errc::invalid_argument, "the alignment is a u32");
      const std::uint64_t alignment = detail::load_le<std::uint32_t>(value.raw.data());
      if (!detail::is_gguf_alignment(alignment))
        return refuse(Errc::invalid_argument, "the alignment is a power of two from 8 to 65536");
      alignment_ = alignment;
    }
    keys_.emplace(key);
    append_string(metadata_, key);
    detail::append_le(metadata_, static_cast<std::uint32_t>(value.type));
    if (value.type == GgufValueType::array) {
      detail::append_le(metadata_, static_cast<std::uint32_t>(value.element));
      detail::append_le(metadata_, value.count);
    }
    metadata_.insert(metadata_.end(), value.raw.begin(), value.raw.end());
    return {};
  }

  /// Adds a tensor; `bytes` are copied before the call returns. dims[0] is the row length. A refused tensor leaves the
  /// writer as it was; after an i/o error only destruction is left.
  Result<> add(std::string tensor_name, std::vector<std::uint64_t> dims, GgmlType type,
               std::span<const std::uint8_t> bytes) {
    LOWBIT_EXPECTS(!finished_, "GgufWriter::add() comes before finish()");
    const auto refuse = [&](Errc code, std::string message) {
      return Error{.code = code, .message = std::move(message), .tensor = tensor_name};
    };
    if (!detail::is_gguf_tensor_name(tensor_name) || tensor_name.size() > GgufLimits{}.max_name_bytes)
      return refuse(Errc::invalid_argument, "a tensor name is 1 to 63 bytes of UTF-8 without NUL");
    const GgmlTypeInfo* const info = find_ggml_type(static_cast<std::uint32_t>(type));
    if (info == nullptr) return refuse(Errc::unsupported, "unknown tensor type");
    auto needed = detail::gguf_tensor_bytes(*info, dims);
    if (!needed) return std::move(needed).error().in_tensor(tensor_name);
    if (*needed != bytes.size())
      return refuse(Errc::shape_mismatch, "dims and type need " + std::to_string(*needed) + " bytes, given " +
                                              std::to_string(bytes.size()));
    if (names_.contains(tensor_name)) return refuse(Errc::duplicate, "the name was added before");
    if (names_.size() == GgufLimits{}.max_tensors)
      return refuse(Errc::out_of_bounds, "more tensors than readers accept");
    const std::uint64_t begin = spool_.size();
    LOWBIT_CHECK(spool_.append(bytes));
    names_.insert(tensor_name);
    tensors_.push_back({.name = std::move(tensor_name), .dims = std::move(dims), .type = type, .begin = begin,
                        .size = bytes.size()});
    return {};
  }
  Result<> add(const GgufTensor& tensor) { return add(tensor.name, tensor.dims, tensor.type, tensor.bytes); }

  /// Writes the file and moves it into place. Call once.
  Result<> finish() {
    LOWBIT_EXPECTS(!finished_, "GgufWriter::finish() is called once");
    finished_ = true;
    LOWBIT_CHECK(spool_.check());
    LOWBIT_TRY(header, make_header());
    LOWBIT_CHECK(file_.write(header));
    const std::vector<std::uint8_t> zeros(static_cast<std::size_t>(alignment_));
    for (const Pending& tensor : tensors_) {
      LOWBIT_CHECK(spool_.copy_to(file_, tensor.begin, tensor.size));
      const std::uint64_t rest = tensor.size % alignment_;
      if (rest != 0)
        LOWBIT_CHECK(file_.write(std::span(zeros).first(static_cast<std::size_t>(alignment_ - rest))));
    }
    return file_.commit();
  }

 private:
  struct Pending {
    std::string name;
    std::vector<std::uint64_t> dims;
    GgmlType type;
    std::uint64_t begin;  ///< in the spool
    std::uint64_t size;
  };

  GgufWriter(AtomicFile file, detail::Spool spool) : file_(std::move(file)), spool_(std::move(spool)) {}

  static void append_string(std::vector<std::uint8_t>& out, std::string_view text) {
    detail::append_le(out, std::uint64_t{text.size()});
    const auto bytes = as_bytes(text);
    out.insert(out.end(), bytes.begin(), bytes.end());
  }
  static GgufValue array(GgufValueType element, std::size_t count, std::span<const std::uint8_t> raw) {
    return {.type = GgufValueType::array, .element = element, .count = count, .raw = raw};
  }
  template <class T>
  Result<> set_number(std::string_view key, GgufValueType type, T value) {
    std::uint8_t raw[sizeof(T)];
    detail::store_le(value, raw);
    return set(key, {.type = type, .element = type, .count = 1, .raw = raw});
  }
  template <class T>
  Result<> set_numbers(std::string_view key, GgufValueType type, std::span<const T> values) {
    std::vector<std::uint8_t> raw(values.size_bytes());
    for (std::size_t i = 0; i < values.size(); ++i) detail::store_le(values[i], raw.data() + i * sizeof(T));
    return set(key, array(type, values.size(), raw));
  }

  /// Everything before the data, padded.
  Result<std::vector<std::uint8_t>> make_header() const {
    std::vector<std::uint8_t> header{'G', 'G', 'U', 'F'};
    detail::append_le(header, std::uint32_t{3});
    detail::append_le(header, std::uint64_t{tensors_.size()});
    detail::append_le(header, std::uint64_t{keys_.size()});
    header.insert(header.end(), metadata_.begin(), metadata_.end());
    std::uint64_t offset = 0;
    for (const Pending& tensor : tensors_) {
      append_string(header, tensor.name);
      detail::append_le(header, static_cast<std::uint32_t>(tensor.dims.size()));
      for (const std::uint64_t extent : tensor.dims) detail::append_le(header, extent);
      detail::append_le(header, static_cast<std::uint32_t>(tensor.type));
      detail::append_le(header, offset);
      const auto padded = checked_round_up(tensor.size, alignment_);
      const auto next = padded ? checked_add(offset, *padded) : std::nullopt;
      if (!next) return Error{.code = Errc::out_of_bounds, .message = "the data passes 2^64", .tensor = tensor.name};
      offset = *next;
    }
    while (header.size() % alignment_ != 0) header.push_back(0);
    return header;
  }

  AtomicFile file_;
  detail::Spool spool_;
  std::uint64_t alignment_ = detail::default_alignment;
  std::vector<std::uint8_t> metadata_;  ///< encoded
  std::set<std::string, std::less<>> keys_;
  std::vector<Pending> tensors_;
  std::set<std::string, std::less<>> names_;
  bool finished_ = false;
};

}  // namespace lowbit::io
