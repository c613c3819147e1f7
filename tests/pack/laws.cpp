// SPDX-License-Identifier: MIT
#include <algorithm>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "support/guarded.hpp"
#include "support/oracle.hpp"
#include "support/types.hpp"

namespace lowbit::test::laws_tests {

TEMPLATE_LIST_TEST_CASE("layouts: unpack(pack(codes)) is codes, for every code in every place of a block", "[pack]",
                        test::layouts) {
  using L = typename TestType::layout;
  using Code = typename TestType::format::code_type;
  std::size_t wrong = 0;
  const std::size_t blocks = L::codes_per_block <= 8 ? 9 : 2;
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

namespace {

/// Every short row, and rows about one, two and four blocks and registers long.
template <class L>
std::vector<std::size_t> lengths() {
  std::vector<std::size_t> out(71);
  for (std::size_t n = 0; n <= 70; ++n) out[n] = n;
  for (const std::size_t blocks : {1, 2, 4})
    for (const std::size_t unit : {L::codes_per_block, std::size_t{64}})
      for (const std::size_t n : {blocks * unit - 1, blocks * unit, blocks * unit + 1})
        if (n > 70) out.push_back(n);
  return out;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("layouts: rows of any length come back, whole and by range, padded with code 0", "[pack]",
                        test::layouts) {
  using L = typename TestType::layout;
  using Code = typename TestType::format::code_type;
  Rng rng(1);
  std::size_t wrong = 0, dirty = 0;
  for (const std::size_t n : lengths<L>()) {
    std::vector<Code> codes(n), back(n);
    for (Code& c : codes) c = static_cast<Code>(rng.below(TestType::format::cardinality));
    std::vector<std::uint8_t> bytes(pack::row_bytes<L>(n), 0xff);
    pack::pack_row<L>(std::span<const Code>(codes), bytes);
    pack::unpack_row<L>(bytes, std::span<Code>(back));
    wrong += back == codes ? 0 : 1;

    std::vector<Code> padded(bytes.size() / L::bytes_per_block * L::codes_per_block);
    L::unpack(bytes, std::span<Code>(padded));
    dirty += static_cast<std::size_t>(
        std::count_if(padded.begin() + static_cast<std::ptrdiff_t>(n), padded.end(), [](Code c) { return c != 0; }));
    for (std::size_t first = 0; first <= n; first += n <= 70 ? 1 : 29)
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

TEMPLATE_LIST_TEST_CASE("layouts: nothing outside a row's bytes and codes is touched", "[pack]", test::layouts) {
  using L = typename TestType::layout;
  using Guarded = test::Guarded<std::uint8_t>;
  std::size_t wrong = 0;
  for (const std::size_t n : lengths<L>())
    for (const auto edge : {Guarded::Edge::end, Guarded::Edge::begin}) {
      std::vector<std::uint8_t> codes(n);
      for (std::size_t i = 0; i < n; ++i) codes[i] = static_cast<std::uint8_t>(i % TestType::format::cardinality);
      const Guarded in(codes, edge), out(std::vector<std::uint8_t>(n, 0xff), edge);
      const Guarded bytes(std::vector<std::uint8_t>(pack::row_bytes<L>(n), 0xff), edge);
      pack::pack_row<L>(std::span<const std::uint8_t>(in.span()), bytes.span());
      pack::unpack_row<L>(bytes.span(), out.span());
      wrong += std::equal(codes.begin(), codes.end(), out.span().begin()) ? 0 : 1;
    }
  CHECK(wrong == 0);
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

TEST_CASE("Dense: six-bit floats are four to three bytes, the first in the low end", "[pack][dense]") {
  STATIC_REQUIRE((pack::Dense<6>::codes_per_block == 4 && pack::Dense<6>::bytes_per_block == 3));
  const std::uint8_t codes[] = {0x21, 0x13, 0x3a, 0x0e};  // 100001 010011 111010 001110
  std::vector<std::uint8_t> bytes(3), back(4);
  pack::Dense<6>::pack(codes, bytes);
  CHECK((bytes[0] == (0x21 | (0x13 & 0x03) << 6) && bytes[1] == (0x13 >> 2 | (0x3a & 0x0f) << 4) &&
         bytes[2] == (0x3a >> 4 | 0x0e << 2)));
  pack::Dense<6>::unpack(bytes, back);
  CHECK(std::equal(back.begin(), back.end(), codes));
}

namespace {

template <int Bits>
std::size_t wrong_words() {
  Rng rng(9 + Bits);
  std::size_t wrong = 0;
  for (int i = 0; i < 200; ++i) {
    const std::uint64_t word = rng.next_u64();
    std::uint64_t bytes = 0, dense = 0;
    for (int n = 0; n < 8; ++n) {
      const std::uint64_t field = (std::uint64_t{1} << Bits) - 1;
      bytes |= (word >> (n * Bits) & field) << (8 * n);
      dense |= (word >> (8 * n) & field) << (n * Bits);
    }
    wrong += pack::spread_to_bytes<Bits>(word) == bytes ? 0 : 1;
    wrong += pack::spread_to_bytes<Bits, isa::scalar>(word) == bytes ? 0 : 1;
    wrong += pack::gather_from_bytes<Bits>(word) == dense ? 0 : 1;
    wrong += pack::gather_from_bytes<Bits, isa::scalar>(word) == dense ? 0 : 1;
  }
  return wrong;
}

}  // namespace

TEST_CASE("spread_to_bytes and gather_from_bytes: code i to byte i and back, whatever lies above", "[pack][dense]") {
  CHECK(wrong_words<1>() == 0);
  CHECK(wrong_words<2>() == 0);
  CHECK(wrong_words<3>() == 0);
  CHECK(wrong_words<4>() == 0);
  CHECK(wrong_words<5>() == 0);
  CHECK(wrong_words<6>() == 0);
  CHECK(wrong_words<7>() == 0);
  CHECK(wrong_words<8>() == 0);
}

}  // namespace lowbit::test::laws_tests
