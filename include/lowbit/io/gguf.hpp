// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/checked.hpp"
#include "lowbit/core/result.hpp"
#include "lowbit/io/gguf_types.hpp"
#include "lowbit/io/gguf_value.hpp"
#include "lowbit/io/mapped_file.hpp"

/// GGUF, reading.
///
///   "GGUF", version u32, tensor count u64, key count u64
///   per key      key string, value type u32, value
///   per tensor   name string, n_dims u32, dims u64[n_dims], type u32, offset u64
///   zero bytes up to a multiple of the alignment (key general.alignment, u32, default 32)
///   data; each tensor's offset is relative to here and each is padded to the alignment
///
/// Little-endian, nothing aligned before the data. A string is a u64 length and that many bytes.

namespace lowbit::io {

/// Ceilings on what a file may ask for; adjustable per call.
struct GgufLimits {
  std::uint64_t max_keys = 65'536;
  std::uint64_t max_tensors = 1'048'576;
  std::uint64_t max_key_bytes = 65'535;
  std::uint64_t max_name_bytes = 63;
  std::uint64_t max_string_bytes = std::uint64_t{16} << 20;
  std::uint64_t max_tokenizer_json_bytes = std::uint64_t{128} << 20;  ///< of the one key that holds a whole file
};

/// A tensor that borrows its bytes from the file. `dims[0]` varies fastest: a weight [out × in] has dims {in, out}.
/// The name is whatever the file said (UTF-8 without NUL): neither a path nor fit for a terminal.
struct GgufTensor {
  std::string name;
  std::vector<std::uint64_t> dims;  ///< one to four, each at least 1
  GgmlType type = GgmlType::F32;
  std::span<const std::uint8_t> bytes;

  std::uint64_t element_count() const noexcept {
    std::uint64_t count = 1;
    for (const std::uint64_t extent : dims) count *= extent;
    return count;
  }
};

/// One key of the metadata.
struct GgufKeyValue {
  std::string key;
  GgufValue value;
};

/// One GGUF file of version 2 or 3, fully checked before anything of it is visible: counts against the bytes that
/// remain, every length before use, every enum before any table, tensors exactly one after the other.
///
/// The last tensor's padding must be there, since every known writer pads and its absence is how a cut file looks; a
/// file without tensors may end right after its metadata. Padding bytes are not inspected, nor are values: see
/// validate_data().
/// Errors   truncated, malformed, unsupported (version, byte order, tensor type), out_of_bounds, duplicate, missing,
///          io_error; with byte offset and the name of key or tensor.
/// Cost     O(n log n) in the header's size; the data is not touched. Memory is proportional to the header.
class GgufFile {
 public:
  /// Maps the file; see MappedFile for what happens when another process truncates it.
  static Result<GgufFile> open(const std::filesystem::path& path, const GgufLimits& limits = {}) {
    LOWBIT_TRY(mapped, MappedFile::open(path));
    auto parsed = parse(mapped.bytes(), limits);
    if (!parsed) return std::move(parsed).error().in_file(path.string());
    parsed->mapped_ = std::move(mapped);
    return parsed;
  }

  /// The bytes must outlive the object.
  static Result<GgufFile> parse(std::span<const std::uint8_t> borrowed_bytes, const GgufLimits& limits = {});

  std::uint32_t version() const noexcept { return version_; }
  std::uint64_t alignment() const noexcept { return alignment_; }

  /// In file order.
  std::span<const GgufKeyValue> metadata() const noexcept { return metadata_; }
  std::span<const GgufTensor> tensors() const noexcept { return tensors_; }

  /// The tensor, or nullptr. O(log n).
  const GgufTensor* find(std::string_view name) const noexcept {
    const std::size_t at = tensor_index_.find(name, [&](std::size_t i) { return std::string_view(tensors_[i].name); });
    return at == Index::none ? nullptr : &tensors_[at];
  }
  /// The value, or nullptr. O(log n).
  const GgufValue* find_value(std::string_view key) const noexcept {
    const std::size_t at = key_index_.find(key, [&](std::size_t i) { return std::string_view(metadata_[i].key); });
    return at == Index::none ? nullptr : &metadata_[at].value;
  }

  /// The value of a key as T, with the conversions of decode_value(); the error names the key.
  template <class T>
  Result<T> get(std::string_view key) const {
    const GgufValue* value = find_value(key);
    if (value == nullptr)
      return Error{.code = Errc::missing, .message = "a required key is absent", .tensor = std::string(key)};
    auto decoded = decode_value<T>(*value);
    if (!decoded) return std::move(decoded).error().in_tensor(key);
    return decoded;
  }
  /// The same, with a value for an absent key. A key of another type stays an error.
  template <class T>
  Result<T> get(std::string_view key, T fallback) const {
    if (find_value(key) == nullptr) return fallback;
    return get<T>(key);
  }

 private:
  friend class GgufParser;

  /// Positions of items sorted by name.
  struct Index {
    static constexpr std::size_t none = static_cast<std::size_t>(-1);
    std::vector<std::size_t> order;

    /// The position of an item whose name came before, or `none`.
    template <class NameOf>
    std::size_t build(std::size_t count, NameOf name_of) {
      order.resize(count);
      std::iota(order.begin(), order.end(), std::size_t{0});
      std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return name_of(a) < name_of(b); });
      for (std::size_t i = 1; i < count; ++i)
        if (name_of(order[i]) == name_of(order[i - 1])) return std::max(order[i], order[i - 1]);
      return none;
    }
    template <class NameOf>
    std::size_t find(std::string_view wanted, NameOf name_of) const noexcept {
      const auto at = std::lower_bound(order.begin(), order.end(), wanted,
                                       [&](std::size_t i, std::string_view key) { return name_of(i) < key; });
      return at == order.end() || name_of(*at) != wanted ? none : *at;
    }
  };

  MappedFile mapped_;
  std::uint32_t version_ = 3;
  std::uint64_t alignment_ = 32;
  std::vector<GgufKeyValue> metadata_;
  std::vector<GgufTensor> tensors_;
  Index key_index_;
  Index tensor_index_;
};

}  // namespace lowbit::io

#include "lowbit/io/gguf_parser.hpp"  // IWYU pragma: export
