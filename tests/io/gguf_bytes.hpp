// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/test_bytes.hpp"

/// GGUF files put together field by field, and a naive reader of them that trusts every byte; neither uses the library.

namespace lowbit::test {

struct RawTensor {
  std::string name;
  std::vector<std::uint64_t> dims;
  std::uint32_t type = 0;
  std::uint64_t offset = 0;
};

/// Metadata entries are encoded by the caller: key, type, value.
inline Bytes gguf_bytes(const std::vector<Bytes>& keys, const std::vector<RawTensor>& tensors, const Bytes& data,
                        std::size_t alignment = 32, std::uint32_t version = 3) {
  Bytes out;
  put_text(out, "GGUF");
  put_number(out, version, 4);
  put_number(out, tensors.size(), 8);
  put_number(out, keys.size(), 8);
  for (const Bytes& key : keys) out.insert(out.end(), key.begin(), key.end());
  for (const RawTensor& tensor : tensors) {
    put_string(out, tensor.name);
    put_number(out, tensor.dims.size(), 4);
    for (const std::uint64_t extent : tensor.dims) put_number(out, extent, 8);
    put_number(out, tensor.type, 4);
    put_number(out, tensor.offset, 8);
  }
  while (out.size() % alignment != 0) out.push_back(0);
  out.insert(out.end(), data.begin(), data.end());
  return out;
}

inline Bytes gguf_number(std::string_view key, std::uint32_t type, std::uint64_t value, std::size_t size) {
  Bytes out;
  put_string(out, key);
  put_number(out, type, 4);
  put_number(out, value, size);
  return out;
}
inline Bytes gguf_text(std::string_view key, std::string_view value) {
  Bytes out;
  put_string(out, key);
  put_number(out, 8, 4);
  put_string(out, value);
  return out;
}
inline Bytes gguf_array(std::string_view key, std::uint32_t element, std::uint64_t count, const Bytes& encoded) {
  Bytes out;
  put_string(out, key);
  put_number(out, 9, 4);
  put_number(out, element, 4);
  put_number(out, count, 8);
  out.insert(out.end(), encoded.begin(), encoded.end());
  return out;
}

/// What the naive reader found. `integers` lists place and width of every integer field, values of metadata included.
struct NaiveGguf {
  std::vector<std::pair<std::size_t, std::size_t>> integers;
  std::map<std::string, std::string> texts;
  std::map<std::string, std::uint64_t> numbers;
  std::vector<RawTensor> tensors;
  std::size_t data_begin = 0;
};

inline NaiveGguf read_naively(const Bytes& file) {
  NaiveGguf found;
  std::size_t at = 4;
  const auto number = [&](std::size_t size) {
    found.integers.emplace_back(at, size);
    at += size;
    return get_number(file, at - size, size);
  };
  const auto text = [&] {
    const auto size = static_cast<std::size_t>(number(8));
    at += size;
    return std::string(reinterpret_cast<const char*>(file.data()) + at - size, size);
  };
  constexpr std::size_t sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  number(4);
  const std::uint64_t tensor_count = number(8), key_count = number(8);
  std::size_t alignment = 32;
  for (std::uint64_t i = 0; i < key_count; ++i) {
    const std::string key = text();
    auto type = number(4);
    std::uint64_t count = 1;
    if (type == 9) {
      type = number(4);
      count = number(8);
    }
    for (std::uint64_t k = 0; k < count; ++k) {
      if (type == 8)
        found.texts[key] += text();
      else
        found.numbers[key] = number(sizes[type]);
    }
    if (key == "general.alignment") alignment = static_cast<std::size_t>(found.numbers[key]);
  }
  for (std::uint64_t i = 0; i < tensor_count; ++i) {
    RawTensor tensor;
    tensor.name = text();
    for (std::uint64_t d = number(4); d > 0; --d) tensor.dims.push_back(number(8));
    tensor.type = static_cast<std::uint32_t>(number(4));
    tensor.offset = number(8);
    found.tensors.push_back(tensor);
  }
  found.data_begin = (at + alignment - 1) / alignment * alignment;
  return found;
}

}  // namespace lowbit::test
