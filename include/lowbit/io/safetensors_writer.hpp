// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
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
#include "lowbit/io/json.hpp"
#include "lowbit/io/safetensors.hpp"
#include "lowbit/io/spool.hpp"
#include "lowbit/io/tensor_view.hpp"

namespace lowbit::io {

/// Writes one safetensors file. Equal content gives equal bytes, whatever the order of the calls: tensors lie in
/// descending dtype order (write_order()), then by name; metadata keys are sorted; the header is compact JSON, padded
/// with spaces so that the data begins at a multiple of 8. Empty metadata is left out.
///
/// Tensor bytes wait on disk beside the destination, so memory is O(one tensor) plus the header, and disk space is
/// needed twice. Nothing appears under the destination's name before finish() succeeds, and nothing else stays behind.
/// Errors   already_exists, io_error, duplicate (name), shape_mismatch (byte count), invalid_argument (a name that is
///          reserved or not UTF-8), out_of_bounds (shape or header too large).
class SafetensorsWriter {
 public:
  static Result<SafetensorsWriter> create(std::filesystem::path destination, bool overwrite) {
    LOWBIT_TRY(file, AtomicFile::create(destination, overwrite));
    LOWBIT_TRY(spool, detail::Spool::create(destination));
    return SafetensorsWriter(std::move(file), std::move(spool));
  }

  /// Adds a tensor; `bytes` are copied before the call returns. A refused tensor leaves the writer as it was; after an
  /// i/o error only destruction is left.
  Result<> add(std::string tensor_name, Dtype dtype, std::vector<std::uint64_t> shape,
               std::span<const std::uint8_t> bytes) {
    LOWBIT_EXPECTS(!finished_, "SafetensorsWriter::add() comes before finish()");
    const auto refuse = [&](Errc code, std::string message) {
      return Error{.code = code, .message = std::move(message), .tensor = tensor_name};
    };
    if (tensor_name == "__metadata__") return refuse(Errc::invalid_argument, "the name is reserved");
    if (!is_utf8(tensor_name)) return refuse(Errc::invalid_argument, "the name is not UTF-8");
    auto needed = detail::tensor_bytes(dtype, shape);
    if (!needed) return std::move(needed).error().in_tensor(tensor_name);
    if (*needed != bytes.size())
      return refuse(Errc::shape_mismatch, "shape and dtype need " + std::to_string(*needed) + " bytes, given " +
                                              std::to_string(bytes.size()));
    if (names_.contains(tensor_name)) return refuse(Errc::duplicate, "the name was added before");
    const std::uint64_t begin = spool_.size();
    LOWBIT_CHECK(spool_.append(bytes));
    names_.insert(tensor_name);
    tensors_.push_back({.name = std::move(tensor_name), .dtype = dtype, .shape = std::move(shape), .begin = begin,
                        .size = bytes.size()});
    return {};
  }
  Result<> add(const TensorView& tensor) { return add(tensor.name, tensor.dtype, tensor.shape, tensor.bytes); }

  /// Replaces the metadata. Keys and values must be UTF-8; finish() says so if they are not.
  void set_metadata(std::map<std::string, std::string> metadata) { metadata_ = std::move(metadata); }

  /// Writes the file and moves it into place. Call once.
  Result<> finish() {
    LOWBIT_EXPECTS(!finished_, "SafetensorsWriter::finish() is called once");
    finished_ = true;
    LOWBIT_CHECK(spool_.check());
    std::sort(tensors_.begin(), tensors_.end(), [](const Pending& a, const Pending& b) {
      return std::pair(write_order(a.dtype), std::string_view(a.name)) <
             std::pair(write_order(b.dtype), std::string_view(b.name));
    });
    LOWBIT_TRY(header, make_header());
    LOWBIT_CHECK(file_.write(header));
    for (const Pending& tensor : tensors_) LOWBIT_CHECK(spool_.copy_to(file_, tensor.begin, tensor.size));
    return file_.commit();
  }

 private:
  struct Pending {
    std::string name;
    Dtype dtype;
    std::vector<std::uint64_t> shape;
    std::uint64_t begin;  ///< in the spool
    std::uint64_t size;
  };

  SafetensorsWriter(AtomicFile file, detail::Spool spool) : file_(std::move(file)), spool_(std::move(spool)) {}

  /// A JSON string; the text is UTF-8.
  static std::string quoted(const std::string& text) {
    return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
  }

  /// The length, the JSON object and its padding.
  Result<std::string> make_header() const {
    std::string header(8, '\0');
    header += '{';
    const auto separate = [&] {
      if (header.back() != '{') header += ',';
    };
    if (!metadata_.empty()) {
      header += "\"__metadata__\":{";
      for (const auto& [key, value] : metadata_) {
        if (!is_utf8(key) || !is_utf8(value))
          return Error{.code = Errc::invalid_argument,
                       .message = "metadata that is not UTF-8",
                       .file = file_.destination().string(),
                       .tensor = "__metadata__"};
        separate();
        header += quoted(key) + ':' + quoted(value);
      }
      header += '}';
    }
    std::uint64_t begin = 0;
    for (const Pending& tensor : tensors_) {
      separate();
      header += quoted(tensor.name) + ":{\"dtype\":\"" + std::string(name(tensor.dtype)) + "\",\"shape\":[";
      for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
        if (i != 0) header += ',';
        header += std::to_string(tensor.shape[i]);
      }
      header += "],\"data_offsets\":[" + std::to_string(begin) + ',' + std::to_string(begin + tensor.size) + "]}";
      begin += tensor.size;
    }
    header += '}';
    while (header.size() % 8 != 0) header += ' ';
    if (header.size() - 8 > SafetensorsFile::max_header_bytes)
      return Error{.code = Errc::out_of_bounds,
                   .message = "a header of " + std::to_string(header.size() - 8) + " bytes, more than readers accept",
                   .file = file_.destination().string()};
    detail::store_le(std::uint64_t{header.size() - 8}, reinterpret_cast<std::uint8_t*>(header.data()));
    return header;
  }

  AtomicFile file_;
  detail::Spool spool_;
  std::vector<Pending> tensors_;
  std::set<std::string, std::less<>> names_;
  std::map<std::string, std::string> metadata_;
  bool finished_ = false;
};

}  // namespace lowbit::io
