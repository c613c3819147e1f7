// SPDX-License-Identifier: MIT
#include "common.hpp"
#include "lowbit/io/gguf.hpp"
#include "lowbit/io/safetensors_set.hpp"
#include "table.hpp"

namespace tool {

using namespace lowbit;

namespace {

/// Text from a file, fit for a terminal.
std::string printable(std::string text, std::size_t limit = 100) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  if (text.size() > limit) text = text.substr(0, limit) + "...";
  return text;
}

std::string shape_text(std::span<const std::uint64_t> shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

struct Entry {
  std::string name, type;
  std::vector<std::uint64_t> shape;
  std::uint64_t bytes;
};

int print(const std::string& kind, const std::vector<std::pair<std::string, std::string>>& metadata,
          const std::vector<Entry>& entries, bool as_json) {
  std::uint64_t total = 0;
  for (const Entry& e : entries) total += e.bytes;
  if (as_json) {
    io::Json json = {{"schema", "lowbit.inspect/1"}, {"kind", kind}, {"tensor_bytes", total}};
    json["metadata"] = io::Json::object();
    for (const auto& [key, value] : metadata) json["metadata"][key] = value;
    json["tensors"] = io::Json::array();
    for (const Entry& e : entries)
      json["tensors"].push_back({{"name", e.name}, {"dtype", e.type}, {"shape", e.shape}, {"bytes", e.bytes}});
    std::printf("%s\n", json.dump(1, ' ', false, io::Json::error_handler_t::replace).c_str());
    return done;
  }
  for (const auto& [key, value] : metadata) std::printf("%s = %s\n", printable(key).c_str(), printable(value).c_str());
  Table table({"tensor", "dtype", "shape", "bytes"});
  for (const Entry& e : entries) table.add({printable(e.name), e.type, shape_text(e.shape), std::to_string(e.bytes)});
  std::printf("%s%s: %zu tensors, %llu bytes\n", table.text().c_str(), kind.c_str(), entries.size(),
              static_cast<unsigned long long>(total));
  return done;
}

std::string value_text(const io::GgufFile& file, std::string_view key, const io::GgufValue& value) {
  if (value.type == io::GgufValueType::array)
    return std::string(io::name(value.element)) + "[" + std::to_string(value.count) + "]";
  if (value.type == io::GgufValueType::string) return file.get<std::string>(key).value();
  if (value.type == io::GgufValueType::boolean) return file.get<bool>(key).value() ? "true" : "false";
  if (value.type == io::GgufValueType::f32) return fixed(static_cast<double>(file.get<float>(key).value()), 6);
  if (value.type == io::GgufValueType::f64) return fixed(file.get<double>(key).value(), 6);
  if (const auto natural = file.get<std::uint64_t>(key)) return std::to_string(*natural);
  return std::to_string(file.get<std::int64_t>(key).value());
}

int inspect_gguf(const std::filesystem::path& path, bool json) {
  const auto file = io::GgufFile::open(path);
  if (!file) return report(file.error());
  std::vector<std::pair<std::string, std::string>> metadata;
  for (const auto& entry : file->metadata()) metadata.emplace_back(entry.key, value_text(*file, entry.key, entry.value));
  std::vector<Entry> entries;
  for (const io::GgufTensor& t : file->tensors())
    entries.push_back({t.name, std::string(io::name(t.type)), t.dims, t.bytes.size()});
  return print("GGUF", metadata, entries, json);
}

}  // namespace

int inspect(const std::filesystem::path& path, bool json) {
  if (path.extension() == ".gguf") return inspect_gguf(path, json);
  const auto file = io::SafetensorsSet::open(path);
  if (!file) return report(file.error());
  std::vector<std::pair<std::string, std::string>> metadata(file->metadata().begin(), file->metadata().end());
  std::vector<Entry> entries;
  for (const io::TensorView& t : file->tensors())
    entries.push_back({t.name, std::string(io::name(t.dtype)), t.shape, t.bytes.size()});
  return print("safetensors", metadata, entries, json);
}

}  // namespace tool
