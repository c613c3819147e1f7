// SPDX-License-Identifier: MIT
#include <algorithm>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "support/oracle.hpp"
#include "support/types.hpp"

using namespace lowbit;

TEMPLATE_LIST_TEST_CASE("layouts: unpack(pack(codes)) is codes, for every code in every place of a block", "[pack]",
                        test::layouts) {
  using L = typename TestType::layout;
  using Code = typename TestType::format::code_type;
  std::size_t wrong = 0;
  const std::size_t blocks = 9;
  for (std::size_t place = 0; place < blocks * L::codes_per_block; ++place)
    for (std::size_t c = 0; c < TestType::format::cardinality; ++c)
      for (const std::size_t others : {std::size_t{0}, TestType::format::cardinality - 1}) {
        std::vector<Code> codes(blocks * L::codes_per_block, static_cast<Code>(others)), back(codes.size());
        codes[place] = static_cast<Code>(c);
        std::vector<std::uint8_t> bytes(blocks * L::bytes_per_block);
        L::pack(std::span<const Code>(codes), bytes);
        L::unpack(bytes, std::span<Code>(back));
        wrong += back == codes ? 0 : 1;
      }
  CHECK(wrong == 0);
}

TEMPLATE_LIST_TEST_CASE("layouts: rows of any length come back, whole and by range, padded with code 0", "[pack]",
                        test::layouts) {
  using L = typename TestType::layout;
  using Code = typename TestType::format::code_type;
  Rng rng(1);
  std::size_t wrong = 0, dirty = 0;
  for (std::size_t n = 0; n <= 70; ++n) {
    std::vector<Code> codes(n), back(n);
    for (Code& c : codes) c = static_cast<Code>(rng.below(TestType::format::cardinality));
    std::vector<std::uint8_t> bytes(pack::row_bytes<L>(n), 0xff);
    pack::pack_row<L>(std::span<const Code>(codes), bytes);
    pack::unpack_row<L>(bytes, std::span<Code>(back));
    wrong += back == codes ? 0 : 1;

    std::vector<Code> padded(bytes.size() / L::bytes_per_block * L::codes_per_block);
    L::unpack(bytes, std::span<Code>(padded));
    dirty += static_cast<std::size_t>(std::count_if(padded.begin() + static_cast<std::ptrdiff_t>(n), padded.end(),
                                                    [](Code c) { return c != 0; }));
    for (std::size_t first = 0; first <= n; ++first)
      for (const std::size_t size : {std::size_t{0}, std::size_t{1}, (n - first) / 2, n - first}) {
        if (first + size > n) continue;
        std::vector<Code> part(size);
        pack::unpack_range<L>(bytes, first, std::span<Code>(part));
        wrong += std::equal(part.begin(), part.end(), codes.begin() + static_cast<std::ptrdiff_t>(first)) ? 0 : 1;
      }
  }
  CHECK(wrong == 0);
  CHECK(dirty == 0);
}

namespace {

template <int Bits>
std::size_t wrong_in_stream() {
  Rng rng(Bits);
  std::vector<std::uint8_t> codes(123);
  for (std::uint8_t& c : codes) c = static_cast<std::uint8_t>(rng.below(1u << Bits));
  std::vector<std::uint8_t> bytes(pack::row_bytes<pack::Dense<Bits>>(codes.size()));
  pack::pack_row<pack::Dense<Bits>>(std::span<const std::uint8_t>(codes), bytes);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < codes.size(); ++i) wrong += test::dense_code(bytes, i, Bits) != codes[i] ? 1 : 0;
  return wrong;
}

}  // namespace

TEST_CASE("Dense: code i takes bits i·b to (i+1)·b of a little-endian stream", "[pack][dense]") {
  CHECK(wrong_in_stream<1>() == 0);
  CHECK(wrong_in_stream<2>() == 0);
  CHECK(wrong_in_stream<3>() == 0);
  CHECK(wrong_in_stream<4>() == 0);
  CHECK(wrong_in_stream<5>() == 0);
  CHECK(wrong_in_stream<6>() == 0);
  CHECK(wrong_in_stream<7>() == 0);
  CHECK(wrong_in_stream<8>() == 0);

  const std::uint8_t nibbles[] = {0x1, 0xf}, triples[] = {1, 2, 3, 4, 5, 6, 7, 0};
  std::vector<std::uint8_t> byte(1), bytes(3);
  pack::Dense<4>::pack(nibbles, byte);
  CHECK(byte[0] == 0xf1);
  pack::Dense<3>::pack(triples, bytes);
  CHECK((bytes[0] == 0xd1 && bytes[1] == 0x58 && bytes[2] == 0x1f));
}

TEST_CASE("spread_to_bytes and gather_from_bytes: inverses of each other", "[pack][dense]") {
  Rng rng(9);
  for (int i = 0; i < 200; ++i) {
    const std::uint64_t word = rng.next_u64();
    CHECK(pack::gather_from_bytes<3>(pack::spread_to_bytes<3>(word)) == (word & 0xffffffu));
    CHECK(pack::gather_from_bytes<7>(pack::spread_to_bytes<7>(word)) == (word & 0xffffffffffffffu));
    CHECK(pack::spread_to_bytes<8>(word) == word);
  }
}
