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
#include <system_error>
#include <utility>
#include <vector>

#include "lowbit/core/result.hpp"
#include "lowbit/io/atomic_file.hpp"
#include "lowbit/io/json.hpp"
#include "lowbit/io/safetensors.hpp"

namespace lowbit::io {

/// A model's tensors, in one file or in shards:
///
///   model.safetensors                                       or
///   model.safetensors.index.json   {"metadata": {...}, "weight_map": {tensor name: file name}}
///   model-00001-of-00004.safetensors ...
///
/// Every file named by the index is a plain name in the index's own folder, every mapped tensor lies in its shard, and
/// no tensor name appears in two shards. Tensors that a shard holds beyond the map are kept. `total_size` is
/// informational and not read. Metadata is the union of the shards'; the first shard by file name wins.
/// Errors   those of SafetensorsFile; missing (a shard, a tensor, or the whole model), duplicate, malformed.
class SafetensorsSet {
 public:
  /// `file_or_directory`: a .safetensors file, an .index.json, or a folder holding either (the single file first).
  static Result<SafetensorsSet> open(const std::filesystem::path& file_or_directory) {
    std::error_code ignored;
    if (!std::filesystem::is_directory(file_or_directory, ignored))
      return file_or_directory.extension() == ".json" ? open_index(file_or_directory) : open_single(file_or_directory);
    const auto single = file_or_directory / "model.safetensors";
    const auto index = file_or_directory / "model.safetensors.index.json";
    if (std::filesystem::exists(single, ignored)) return open_single(single);
    if (std::filesystem::exists(index, ignored)) return open_index(index);
    return Error{.code = Errc::missing,
                 .message = "neither model.safetensors nor model.safetensors.index.json",
                 .file = file_or_directory.string()};
  }

  /// Sorted by name.
  std::span<const TensorView> tensors() const noexcept { return tensors_; }
  /// The tensor, or nullptr. O(log n).
  const TensorView* find(std::string_view wanted) const noexcept {
    return detail::find_by_name<TensorView>(tensors_, wanted);
  }
  const std::map<std::string, std::string>& metadata() const noexcept { return metadata_; }

 private:
  static constexpr std::uint64_t max_index_bytes = 100'000'000;

  static Result<SafetensorsSet> open_single(const std::filesystem::path& path) {
    LOWBIT_TRY(file, SafetensorsFile::open(path));
    SafetensorsSet set;
    set.tensors_.assign(file.tensors().begin(), file.tensors().end());
    set.metadata_ = file.metadata();
    set.files_.push_back(std::move(file));
    return set;
  }
  static Result<SafetensorsSet> open_index(const std::filesystem::path& path);

  /// A name that cannot lead out of its folder on any system.
  static bool is_plain_file_name(std::string_view leaf) noexcept {
    if (leaf.empty() || leaf == "." || leaf.find("..") != std::string_view::npos) return false;
    return std::none_of(leaf.begin(), leaf.end(), [](char c) {
      return c == '/' || c == '\\' || c == ':' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    });
  }

  std::vector<SafetensorsFile> files_;
  std::vector<TensorView> tensors_;
  std::map<std::string, std::string> metadata_;
};

inline Result<SafetensorsSet> SafetensorsSet::open_index(const std::filesystem::path& path) {
  const auto here = [&](Error error) { return std::move(error).in_file(path.string()); };
  LOWBIT_TRY(text, read_text(path, max_index_bytes));
  auto index = parse_json(text, {.max_depth = 8, .max_bytes = max_index_bytes});
  if (!index) return here(std::move(index).error());
  auto map = get_object(*index, "weight_map");
  if (!map) return here(std::move(map).error());

  std::set<std::string> leaves;
  for (const auto& [tensor, leaf] : (*map)->items()) {
    const auto* text_leaf = leaf.get_ptr<const std::string*>();
    if (text_leaf == nullptr || !is_plain_file_name(*text_leaf))
      return here({.code = Errc::malformed,
                   .message = text_leaf == nullptr ? std::string("weight_map needs a file name")
                                                   : "not a plain file name: \"" + text_leaf->substr(0, 200) + "\"",
                   .tensor = tensor});
    leaves.insert(*text_leaf);
  }

  SafetensorsSet set;
  std::map<std::string, std::size_t, std::less<>> shard_of_leaf;
  for (const std::string& leaf : leaves) {
    const auto shard_path = path.parent_path() / leaf;
    auto shard = SafetensorsFile::open(shard_path);
    if (!shard) {
      Error error = std::move(shard).error();
      if (error.code == Errc::missing && error.tensor.empty())
        error.message = "a shard of the index is absent: " + leaf;
      return std::move(error).in_file(shard_path.string());
    }
    shard_of_leaf.emplace(leaf, set.files_.size());
    set.metadata_.insert(shard->metadata().begin(), shard->metadata().end());
    set.tensors_.insert(set.tensors_.end(), shard->tensors().begin(), shard->tensors().end());
    set.files_.push_back(std::move(*shard));
  }
  for (const auto& [tensor, leaf] : (*map)->items()) {
    const auto* text_leaf = leaf.get_ptr<const std::string*>();
    if (set.files_[shard_of_leaf.find(*text_leaf)->second].find(tensor) == nullptr)
      return here({.code = Errc::missing, .message = "the tensor is not in its shard " + *text_leaf, .tensor = tensor});
  }
  std::sort(set.tensors_.begin(), set.tensors_.end(),
            [](const TensorView& a, const TensorView& b) { return a.name < b.name; });
  for (std::size_t i = 1; i < set.tensors_.size(); ++i)
    if (set.tensors_[i].name == set.tensors_[i - 1].name)
      return here({.code = Errc::duplicate, .message = "a tensor lies in two shards", .tensor = set.tensors_[i].name});
  return set;
}

}  // namespace lowbit::io
