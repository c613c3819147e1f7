// SPDX-License-Identifier: MIT
#include <fstream>
#include <string>
#include <vector>

#include "catch.hpp"
#include "lowbit/model/tokens.hpp"
#include "support/temp_dir.hpp"

namespace lowbit::test::tokens_tests {

using Ids = std::vector<std::uint32_t>;

TEST_CASE("tokens: ids are little-endian, whole and below the vocabulary size", "[model][tokens]") {
  const test::TempDir dir;
  const auto path = dir / "tokens.bin";
  const auto read = [&](const std::string& bytes, std::size_t vocab, model::TokenFileOptions options = {}) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
    return model::read_tokens(path, vocab, options);
  };
  using namespace std::string_literals;
  CHECK(read("\x01\x02\xff\x00"s, 4096).value() == Ids{0x201, 0xff});
  CHECK(read("\x01\x02\xff\x00"s, 1u << 24, {.type = model::TokenType::u32}).value() == Ids{0xff0201});
  CHECK(read("", 4096).value().empty());

  const auto odd = read("\x01\x02\xff"s, 4096);
  REQUIRE_FALSE(odd);
  CHECK(odd.error().code == Errc::truncated);
  CHECK(odd.error().offset == 2u);
  const auto half = read("\x01\x02"s, 4096, {.type = model::TokenType::u32});
  REQUIRE_FALSE(half);
  CHECK(half.error().code == Errc::truncated);

  const auto large = read("\x01\x00\x00\x02"s, 512);
  REQUIRE_FALSE(large);
  CHECK(large.error().code == Errc::out_of_range_token);
  CHECK(large.error().row == 1u);
  CHECK(large.error().value == 512.0);
  CHECK(read("\x01\x00\xff\x01"s, 512).has_value());

  CHECK(read("\x01\x00\x01\x00"s, 512, {.max_bytes = 3}).error().code == Errc::out_of_bounds);
  CHECK(model::read_tokens(dir / "absent", 512).error().code == Errc::missing);
}

}  // namespace lowbit::test::tokens_tests
