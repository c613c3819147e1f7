// SPDX-License-Identifier: MIT
#include <cstdint>
#include <string>
#include <vector>

#include "catch.hpp"
#include "io/allocations.hpp"
#include "io/gguf_bytes.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/io/gguf.hpp"
#include "lowbit/io/gguf_validate.hpp"

namespace lowbit::test::gguf_damage_tests {
using namespace lowbit::io;
using test::Bytes;
using test::Exact;

namespace {

const Bytes& small_file() {
  static const Bytes file = [] {
    Bytes words;
    for (const char* word : {"a", "", "bcd"}) test::put_string(words, word);
    Bytes data(160);
    for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::uint8_t>(i);
    return test::gguf_bytes(
        {test::gguf_text("general.architecture", "llama"), test::gguf_number("general.alignment", 4, 32, 4),
         test::gguf_number("u8", 0, 3, 1), test::gguf_number("bool", 7, 1, 1), test::gguf_number("f64", 12, 0, 8),
         test::gguf_array("words", 8, 3, words), test::gguf_array("numbers", 5, 2, Bytes(8)),
         test::gguf_array("none", 10, 0, {})},
        {{"token_embd.weight", {32, 3}, 2, 0}, {"norm", {4}, 0, 64}, {"k", {1, 2, 1, 2}, 1, 96},
         {"x", {32}, 39, 128}},
        data);
  }();
  return file;
}

template <class T>
void ask(const GgufFile& file, std::string_view key, std::size_t& sum) {
  if (auto value = file.get<T>(key)) {
    if constexpr (requires { value->size(); })
      sum += value->size();
    else
      sum += static_cast<std::size_t>(*value != T{});
  } else if (to_string(value.error()).empty()) {
    FAIL("an error without text");
  }
}

/// Parses, and reads all that a valid object shows. Whether it parsed.
bool survives(std::span<const std::uint8_t> bytes) {
  const Exact exact(bytes);
  const std::size_t before = test::allocated_bytes();
  auto file = GgufFile::parse(exact.span());
  if (test::allocated_bytes() - before > 64 * bytes.size() + 65536) FAIL("too much memory");
  if (!file) {
    if (!file.error().offset || to_string(file.error()).empty()) FAIL("an error without a place");
    return false;
  }
  std::size_t sum = 0, owned = 0;
  for (const GgufKeyValue& entry : file->metadata()) {
    if (file->find_value(entry.key) != &entry.value) FAIL("a key that is not found");
    ask<std::uint64_t>(*file, entry.key, sum);
    ask<std::int32_t>(*file, entry.key, sum);
    ask<double>(*file, entry.key, sum);
    ask<bool>(*file, entry.key, sum);
    ask<std::string>(*file, entry.key, sum);
    ask<std::vector<std::string>>(*file, entry.key, sum);
    ask<std::vector<float>>(*file, entry.key, sum);
    ask<std::vector<bool>>(*file, entry.key, sum);
    ask<std::vector<std::uint8_t>>(*file, entry.key, sum);
  }
  for (const GgufTensor& tensor : file->tensors()) {
    for (const std::uint8_t byte : tensor.bytes) sum += byte;
    owned += tensor.bytes.size();
    if (file->find(tensor.name) != &tensor) FAIL("a tensor that is not found");
  }
  sum += validate_data(*file).has_value();
  if (owned > bytes.size() || sum > 1'000'000) FAIL("more than the file holds");
  return true;
}

}  // namespace

TEST_CASE("gguf: every prefix of a file fails", "[io][gguf]") {
  REQUIRE(survives(small_file()));
  std::size_t opened = 0;
  for (std::size_t n = 0; n < small_file().size(); ++n) opened += survives(std::span(small_file()).first(n));
  CHECK(opened == 0);
}

TEST_CASE("gguf: a changed byte gives an error or a valid file", "[io][gguf]") {
  std::size_t opened = 0;
  for (std::size_t at = 0; at < small_file().size(); ++at)
    for (const unsigned change : {0x00u, 0x01u, 0x08u, 0x09u, 0x7Fu, 0x80u, 0xFFu, 0x100u}) {
      Bytes bytes = small_file();
      bytes[at] = static_cast<std::uint8_t>(change == 0x100 ? bytes[at] ^ 1u : change);
      opened += survives(bytes);
    }
  CHECK(opened > 0);  // changed names, values and data
}

TEST_CASE("gguf: an integer field at its extremes gives an error or a valid file", "[io][gguf]") {
  const auto fields = test::read_naively(small_file()).integers;
  REQUIRE(fields.size() > 50);
  std::size_t opened = 0;
  for (const auto& [at, size] : fields) {
    const std::uint64_t max = size == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * size)) - 1;
    for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{1}, max - 1, max, std::uint64_t{1} << 31,
                                      std::uint64_t{1} << 32, std::uint64_t{1} << 40, std::uint64_t{1} << 63,
                                      max / 2, max / 2 + 1, max / 8, max - 7, max - 31}) {
      if (value > max) continue;
      Bytes bytes = small_file();
      for (std::size_t i = 0; i < size; ++i) bytes[at + i] = static_cast<std::uint8_t>(value >> (8 * i));
      opened += survives(bytes);
    }
  }
  CHECK(opened > 0);
}

TEST_CASE("gguf: seeded damage gives an error or a valid file", "[io][gguf]") {
  Rng rng(2025);
  std::size_t opened = 0;
  for (int round = 0; round < 20000; ++round) {
    Bytes bytes = small_file();
    for (std::uint64_t edits = 1 + rng.below(3); edits > 0; --edits) {
      const auto at = static_cast<std::size_t>(rng.below(bytes.size()));
      const auto byte = static_cast<std::uint8_t>(rng.below(2) == 0 ? rng.below(16) : rng.below(256));
      switch (rng.below(4)) {
        case 0: bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), byte); break;
        case 1: bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(at)); break;
        default: bytes[at] = byte; break;
      }
    }
    opened += survives(bytes);
  }
  CHECK(opened > 0);
}

}  // namespace lowbit::test::gguf_damage_tests
