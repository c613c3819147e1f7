// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Files as bytes, put together by hand, without the library's help.

namespace lowbit::test {

using Bytes = std::vector<std::uint8_t>;

inline void put_number(Bytes& out, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}
inline void put_text(Bytes& out, std::string_view text) {
  for (const char c : text) out.push_back(static_cast<std::uint8_t>(c));
}
inline void put_string(Bytes& out, std::string_view text) {
  put_number(out, text.size(), 8);
  put_text(out, text);
}
inline std::uint64_t get_number(std::span<const std::uint8_t> bytes, std::size_t at, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = size; i-- > 0;) value = value << 8 | bytes[at + i];
  return value;
}

/// A safetensors file from its JSON text and its data.
inline Bytes safetensors_bytes(std::string_view json, const Bytes& data = {}) {
  Bytes file;
  put_string(file, json);
  file.insert(file.end(), data.begin(), data.end());
  return file;
}

/// A copy on the heap of exactly that size, so that a sanitizer sees any read past its end.
class Exact {
 public:
  explicit Exact(std::span<const std::uint8_t> bytes)
      : data_(static_cast<std::uint8_t*>(std::malloc(bytes.size() + (bytes.empty() ? 1 : 0)))), size_(bytes.size()) {
    for (std::size_t i = 0; i < size_; ++i) data_[i] = bytes[i];
  }
  Exact(const Exact&) = delete;
  Exact& operator=(const Exact&) = delete;
  ~Exact() { std::free(data_); }
  std::span<const std::uint8_t> span() const { return {data_, size_}; }

 private:
  std::uint8_t* data_;
  std::size_t size_;
};

inline Bytes read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(in), {});
}
inline void write_file(const std::filesystem::path& path, std::span<const std::uint8_t> bytes) {
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()),
                                              static_cast<std::streamsize>(bytes.size()));
}
inline void write_file(const std::filesystem::path& path, std::string_view text) {
  write_file(path, std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}
inline std::size_t files_in(const std::filesystem::path& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

}  // namespace lowbit::test
