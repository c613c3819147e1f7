// SPDX-License-Identifier: MIT
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "catch.hpp"
#include "io/allocations.hpp"
#include "io/test_bytes.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/io/decode.hpp"
#include "lowbit/io/safetensors.hpp"

namespace lowbit::test::safetensors_damage_tests {

using namespace io;

namespace {

const Bytes& small_file() {
  static const Bytes file = test::safetensors_bytes(
      R"({"__metadata__":{"format":"pt","n\u00e9":"x"},)"
      R"("b":{"dtype":"F64","shape":[1,1],"data_offsets":[0,8]},)"
      R"("a.weight":{"dtype":"F16","shape":[2,3],"data_offsets":[8,20]},)"
      R"("z":{"dtype":"F4","shape":[2],"data_offsets":[20,21]},)"
      R"("e":{"dtype":"I64","shape":[0,9],"data_offsets":[21,21]}}   )",
      Bytes{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21});
  return file;
}

/// Parses, and reads all that a valid object shows. Whether it parsed.
bool survives(std::span<const std::uint8_t> bytes) {
  const Exact exact(bytes);
  const std::size_t before = test::allocated_bytes();
  auto file = SafetensorsFile::parse(exact.span());
  if (test::allocated_bytes() - before > 64 * bytes.size() + 65536) FAIL("too much memory");
  if (!file) {
    if (to_string(file.error()).empty()) FAIL("an error without text");
    return false;
  }
  std::size_t sum = 0, owned = 0;
  for (const TensorView& tensor : file->tensors()) {
    for (const std::uint8_t byte : tensor.bytes) sum += byte;
    owned += tensor.bytes.size();
    if (file->find(tensor.name) != &tensor) FAIL("a tensor that is not found");
    if (tensor.element_count() * bits(tensor.dtype) / 8 != tensor.bytes.size()) FAIL("a tensor of the wrong size");
    if (tensor.element_count() < 1000) {
      std::vector<float> out(static_cast<std::size_t>(tensor.element_count()));
      if (to_floats(tensor, out))
        for (const float x : out) sum += std::isnan(x);
    }
  }
  if (owned > bytes.size() || sum > 1'000'000) FAIL("tensors larger than the file");
  return true;
}

}  // namespace

TEST_CASE("safetensors: every prefix of a file fails", "[io][safetensors]") {
  REQUIRE(survives(small_file()));
  std::size_t opened = 0;
  for (std::size_t n = 0; n < small_file().size(); ++n) opened += survives(std::span(small_file()).first(n));
  CHECK(opened == 0);
}

TEST_CASE("safetensors: a changed byte gives an error or a valid file", "[io][safetensors]") {
  std::size_t opened = 0;
  for (std::size_t at = 0; at < small_file().size(); ++at)
    for (const unsigned change : {0x00u, 0x7Fu, 0x80u, 0xFFu, 0x100u, 0x20u, 0x22u, 0x30u}) {
      Bytes bytes = small_file();
      bytes[at] = static_cast<std::uint8_t>(change == 0x100 ? bytes[at] ^ 1u : change);
      opened += survives(bytes);
    }
  CHECK(opened > 0);  // changed names and data
}

TEST_CASE("safetensors: seeded damage gives an error or a valid file", "[io][safetensors]") {
  Rng rng(2024);
  const std::string_view alphabet = "{}[]\",:0123456789-.eE \\untrlfas";
  std::size_t opened = 0;
  for (int round = 0; round < 20000; ++round) {
    Bytes bytes = small_file();
    for (std::uint64_t edits = 1 + rng.below(4); edits > 0; --edits) {
      const auto at = static_cast<std::size_t>(8 + rng.below(bytes.size() - 8));
      const auto symbol = static_cast<std::uint8_t>(alphabet[static_cast<std::size_t>(rng.below(alphabet.size()))]);
      switch (rng.below(3)) {
        case 0: bytes[at] = symbol; break;
        case 1: bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), symbol); break;
        default: bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(at)); break;
      }
    }
    if (rng.below(2) == 0) {  // keep the header's length true
      const std::size_t header = bytes.size() - 8 - 21;
      bytes[0] = static_cast<std::uint8_t>(header);
      bytes[1] = static_cast<std::uint8_t>(header >> 8);
    }
    opened += survives(bytes);
  }
  CHECK(opened > 0);
}

}  // namespace lowbit::test::safetensors_damage_tests
