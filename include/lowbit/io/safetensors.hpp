// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/result.hpp"
#include "lowbit/io/bytes.hpp"
#include "lowbit/io/mapped_file.hpp"
#include "lowbit/io/safetensors_header.hpp"
#include "lowbit/io/tensor_view.hpp"

/// safetensors, reading.
///
///   0        8  N, unsigned little-endian: length of the header
///   8        N  UTF-8 JSON object, padded at its end with spaces
///   8 + N       data; each tensor's data_offsets are relative to here
///
/// Source   the format's description in the safetensors repository; the limit on N is the reference reader's.

namespace lowbit::io {

/// One safetensors file, fully checked before any tensor is visible: the tensors tile the data exactly, without holes,
/// overlaps or trailing bytes, and each has the bytes that its shape and dtype need. Values are not inspected.
///
/// Stricter than the reference reader: no whitespace before the object, no unknown field in a tensor, no duplicate key
/// at any level, no shape whose non-zero extents multiply past 2^64.
/// Errors   truncated, malformed, unsupported (dtype), out_of_bounds, duplicate, missing, io_error; with byte offset
///          and tensor.
/// Cost     O(header); the data is not touched.
class SafetensorsFile {
 public:
  static constexpr std::uint64_t max_header_bytes = 100'000'000;

  /// Maps the file; see MappedFile for what happens when another process truncates it.
  static Result<SafetensorsFile> open(const std::filesystem::path& path) {
    LOWBIT_TRY(mapped, MappedFile::open(path));
    auto parsed = parse(mapped.bytes());
    if (!parsed) return std::move(parsed).error().in_file(path.string());
    parsed->mapped_ = std::move(mapped);
    return parsed;
  }

  /// The bytes must outlive the object.
  static Result<SafetensorsFile> parse(std::span<const std::uint8_t> borrowed_bytes);

  /// Sorted by name.
  std::span<const TensorView> tensors() const noexcept { return tensors_; }
  /// The tensor, or nullptr. O(log n).
  const TensorView* find(std::string_view wanted) const noexcept {
    return detail::find_by_name<TensorView>(tensors_, wanted);
  }
  const std::map<std::string, std::string>& metadata() const noexcept { return metadata_; }

 private:
  MappedFile mapped_;
  std::vector<TensorView> tensors_;
  std::map<std::string, std::string> metadata_;
};

namespace detail {

/// The header's JSON text, without its padding.
inline Result<std::string_view> safetensors_header_text(std::span<const std::uint8_t> file) {
  if (file.size() < 8)
    return Error{.code = Errc::truncated, .message = "a safetensors file has at least 8 bytes", .offset = file.size()};
  const auto length = load_le<std::uint64_t>(file.data());
  if (length > SafetensorsFile::max_header_bytes)
    return Error{.code = Errc::out_of_bounds,
                 .message = "a header of " + std::to_string(length) + " bytes, more than the 100000000 allowed",
                 .offset = 0};
  if (length > file.size() - 8)
    return Error{.code = Errc::truncated,
                 .message = "a header of " + std::to_string(length) + " bytes in a file of " +
                            std::to_string(file.size()),
                 .offset = 0};
  std::string_view text = as_text(file.subspan(8, static_cast<std::size_t>(length)));
  if (text.empty() || text.front() != '{')
    return Error{.code = Errc::malformed, .message = "the header does not begin with '{'", .offset = 8};
  const std::size_t last = text.find_last_not_of(' ');
  if (text[last] != '}')
    return Error{.code = Errc::malformed,
                 .message = "the header does not end with '}' and spaces",
                 .offset = 8 + std::uint64_t{last}};
  text = text.substr(0, last + 1);
  if (!is_utf8(text)) return Error{.code = Errc::malformed, .message = "the header is not UTF-8", .offset = 8};
  return text;
}

/// The ranges tile [0, data_size) and hold what shape and dtype say.
inline Result<> check_safetensors_ranges(std::span<const HeaderEntry> entries, std::uint64_t data_size) {
  std::vector<std::size_t> order(entries.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::pair(entries[a].begin, entries[a].end) < std::pair(entries[b].begin, entries[b].end);
  });
  const auto fault = [](const HeaderEntry& entry, Errc code, std::string message) {
    return Error{.code = code, .message = std::move(message), .tensor = entry.name, .offset = 8 + entry.offset};
  };
  std::uint64_t next = 0;
  for (const std::size_t i : order) {
    const HeaderEntry& entry = entries[i];
    if (entry.end < entry.begin) return fault(entry, Errc::malformed, "data_offsets end before they begin");
    if (entry.begin != next)
      return fault(entry, Errc::malformed,
                   std::string(entry.begin < next ? "overlaps the tensor before it" : "leaves a hole before it") +
                       ": begins at " + std::to_string(entry.begin) + ", expected " + std::to_string(next));
    if (entry.end > data_size)
      return fault(entry, Errc::truncated,
                   "ends at " + std::to_string(entry.end) + " of " + std::to_string(data_size) + " data bytes");
    auto bytes = tensor_bytes(entry.dtype, entry.shape);
    if (!bytes) return fault(entry, bytes.error().code, bytes.error().message);
    if (*bytes != entry.end - entry.begin)
      return fault(entry, Errc::malformed,
                   "shape and dtype need " + std::to_string(*bytes) + " bytes, data_offsets give " +
                       std::to_string(entry.end - entry.begin));
    next = entry.end;
  }
  if (next != data_size)
    return Error{.code = Errc::malformed,
                 .message = std::to_string(data_size - next) + " bytes after the last tensor"};
  return {};
}

}  // namespace detail

inline Result<SafetensorsFile> SafetensorsFile::parse(std::span<const std::uint8_t> borrowed_bytes) {
  LOWBIT_TRY(text, detail::safetensors_header_text(borrowed_bytes));
  detail::SafetensorsHeaderEvents header;
  if (auto parsed = detail::run_json(text, header); !parsed) {
    Error error = std::move(parsed).error();
    if (error.offset) *error.offset += 8;
    return error;
  }
  auto& entries = header.entries;
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  for (std::size_t i = 1; i < entries.size(); ++i)
    if (entries[i].name == entries[i - 1].name)
      return Error{.code = Errc::duplicate,
                   .message = "a tensor name stands twice",
                   .tensor = entries[i].name,
                   .offset = 8 + std::max(entries[i - 1].offset, entries[i].offset)};
  const std::uint64_t header_size = 8 + detail::load_le<std::uint64_t>(borrowed_bytes.data());
  const auto data = borrowed_bytes.subspan(static_cast<std::size_t>(header_size));
  LOWBIT_CHECK(detail::check_safetensors_ranges(entries, data.size()));

  SafetensorsFile file;
  file.tensors_.reserve(entries.size());
  for (auto& entry : entries)
    file.tensors_.push_back({.name = std::move(entry.name),
                             .dtype = entry.dtype,
                             .shape = std::move(entry.shape),
                             .bytes = data.subspan(static_cast<std::size_t>(entry.begin),
                                                   static_cast<std::size_t>(entry.end - entry.begin))});
  file.metadata_ = std::move(header.metadata);
  return file;
}

}  // namespace lowbit::io
