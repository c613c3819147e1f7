// SPDX-License-Identifier: MIT
#include "lowbit/pack/dense_words.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/pack/dense.hpp"
#include "support/guarded.hpp"

namespace lowbit::test::dense_words_tests {

namespace {

template <int Bits>
inline constexpr std::uint64_t mask = ~std::uint64_t{0} >> (64 - Bits);

/// Code i of the stream, bit by bit.
std::uint64_t stream_code(std::span<const std::uint8_t> stream, std::size_t i, std::size_t bits) {
  std::uint64_t code = 0;
  for (std::size_t k = 0; k < bits; ++k) {
    const std::size_t bit = i * bits + k;
    code |= static_cast<std::uint64_t>((stream[bit / 8] >> (bit % 8)) & 1u) << k;
  }
  return code;
}

template <class Code>
std::vector<Code> any_codes(std::size_t n, std::uint64_t stream) {
  Rng rng(77, stream);
  std::vector<Code> codes(n);
  for (Code& c : codes) c = static_cast<Code>(rng.next_u64());
  return codes;
}

/// Codes that disagree with the definition of the stream, or with themselves after a round trip; bits above the width
/// are set when they are packed.
template <int Bits, class Code>
std::size_t wrong_rows() {
  using L = pack::DenseWords<Bits, Code>;
  std::size_t wrong = 0;
  for (std::size_t n = 0; n <= 35; ++n) {
    const std::vector<Code> codes = any_codes<Code>(n, Bits);
    std::vector<std::uint8_t> bytes(pack::row_bytes<L>(n), 0xff);
    pack::pack_row<L>(std::span<const Code>(codes), bytes);
    std::vector<Code> back(n);
    pack::unpack_row<L>(bytes, std::span<Code>(back));
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint64_t want = static_cast<std::uint64_t>(codes[i]) & mask<Bits>;
      wrong += stream_code(bytes, i, Bits) != want || static_cast<std::uint64_t>(back[i]) != want ? 1 : 0;
    }
    for (std::size_t bit = n * Bits; bit < 8 * bytes.size(); ++bit) wrong += (bytes[bit / 8] >> (bit % 8)) & 1u;
  }
  return wrong;
}

template <class Code, int... Widths>
void check_widths(std::integer_sequence<int, Widths...>) {
  (
      [] {
        constexpr int bits = Widths + 1;
        using L = pack::DenseWords<bits, Code>;
        INFO("bits " << bits << ", code type of " << sizeof(Code) << " bytes");
        STATIC_REQUIRE(L::bytes_per_block * 8 == L::codes_per_block * bits);
        STATIC_REQUIRE((L::codes_per_block <= 8 && (bits % 8 != 0 || L::codes_per_block == 1)));
        STATIC_REQUIRE((bits % 2 == 0 || L::codes_per_block == 8));
        CHECK(wrong_rows<bits, Code>() == 0);
      }(),
      ...);
}

template <int Bits, class Code>
std::size_t wrong_at_the_edges() {
  using L = pack::DenseWords<Bits, Code>;
  using Bytes = test::Guarded<std::uint8_t>;
  using Codes = test::Guarded<Code>;
  std::size_t wrong = 0;
  for (const std::size_t n : {1, 2, 7, 8, 9, 17})
    for (const bool end : {false, true}) {
      std::vector<Code> codes = any_codes<Code>(n, 3);
      for (Code& c : codes) c = static_cast<Code>(static_cast<std::uint64_t>(c) & mask<Bits>);
      const Codes in(codes, end ? Codes::Edge::end : Codes::Edge::begin);
      const Codes out(std::vector<Code>(n), end ? Codes::Edge::end : Codes::Edge::begin);
      const Bytes bytes(std::vector<std::uint8_t>(pack::row_bytes<L>(n)), end ? Bytes::Edge::end : Bytes::Edge::begin);
      pack::pack_row<L>(std::span<const Code>(in.span()), bytes.span());
      pack::unpack_row<L>(std::span<const std::uint8_t>(bytes.span()), out.span());
      wrong += std::equal(codes.begin(), codes.end(), out.span().begin()) ? 0 : 1;
    }
  return wrong;
}

struct Wide {
  static constexpr std::size_t dim = 8;
  static constexpr std::size_t cardinality = ~std::size_t{0};
  static constexpr std::string_view name = "wide";
  using code_type = std::uint64_t;
  code_type encode(std::span<const float, 8>) const noexcept { return 0; }
  void decode(code_type, std::span<float, 8>) const noexcept {}
};

}  // namespace

TEST_CASE("DenseWords: code i takes bits i·b to (i+1)·b of the stream, for every width of every code type",
          "[pack][dense]") {
  check_widths<std::uint8_t>(std::make_integer_sequence<int, 8>{});
  check_widths<std::uint16_t>(std::make_integer_sequence<int, 16>{});
  check_widths<std::uint32_t>(std::make_integer_sequence<int, 32>{});
  check_widths<std::uint64_t>(std::make_integer_sequence<int, 64>{});
}

TEST_CASE("DenseWords: up to eight bits it is Dense, byte for byte", "[pack][dense]") {
  const auto same = []<int Bits>(std::integral_constant<int, Bits>) {
    std::vector<std::uint8_t> codes = any_codes<std::uint8_t>(61, 5);
    std::vector<std::uint8_t> a(pack::row_bytes<pack::Dense<Bits>>(61)), b(a.size());
    pack::pack_row<pack::Dense<Bits>>(std::span<const std::uint8_t>(codes), a);
    pack::pack_row<pack::DenseWords<Bits, std::uint8_t>>(std::span<const std::uint8_t>(codes), b);
    return a == b;
  };
  [&]<int... B>(std::integer_sequence<int, B...>) {
    CHECK((same(std::integral_constant<int, B + 1>{}) && ...));
  }(std::make_integer_sequence<int, 8>{});
}

TEST_CASE("DenseWords: nothing outside a row's bytes and codes is touched", "[pack][dense]") {
  CHECK(wrong_at_the_edges<9, std::uint16_t>() == 0);
  CHECK(wrong_at_the_edges<12, std::uint16_t>() == 0);
  CHECK(wrong_at_the_edges<16, std::uint16_t>() == 0);
  CHECK(wrong_at_the_edges<17, std::uint32_t>() == 0);
  CHECK(wrong_at_the_edges<24, std::uint32_t>() == 0);
  CHECK(wrong_at_the_edges<31, std::uint64_t>() == 0);
  CHECK(wrong_at_the_edges<40, std::uint64_t>() == 0);
  CHECK(wrong_at_the_edges<57, std::uint64_t>() == 0);
  CHECK(wrong_at_the_edges<58, std::uint64_t>() == 0);
  CHECK(wrong_at_the_edges<63, std::uint64_t>() == 0);
  CHECK(wrong_at_the_edges<64, std::uint64_t>() == 0);
}

TEST_CASE("DenseWords: ranges start anywhere", "[pack][dense]") {
  using L = pack::DenseWords<37, std::uint64_t>;
  std::vector<std::uint64_t> codes = any_codes<std::uint64_t>(40, 9);
  for (std::uint64_t& c : codes) c &= mask<37>;
  std::vector<std::uint8_t> bytes(pack::row_bytes<L>(codes.size()));
  pack::pack_row<L>(std::span<const std::uint64_t>(codes), bytes);
  std::size_t wrong = 0;
  for (std::size_t first = 0; first <= codes.size(); ++first)
    for (std::size_t size = 0; first + size <= codes.size(); ++size) {
      std::vector<std::uint64_t> part(size);
      pack::unpack_range<L>(bytes, first, std::span<std::uint64_t>(part));
      wrong += std::equal(part.begin(), part.end(), codes.begin() + static_cast<std::ptrdiff_t>(first)) ? 0 : 1;
    }
  CHECK(wrong == 0);
}

TEST_CASE("DenseWords: twelve-bit codes are two to three bytes, and whole words are little-endian", "[pack][dense]") {
  using L = pack::DenseWords<12, std::uint16_t>;
  STATIC_REQUIRE((L::codes_per_block == 2 && L::bytes_per_block == 3));
  const std::uint16_t codes[] = {0xabc, 0x123};
  std::array<std::uint8_t, 3> bytes{};
  L::pack(codes, bytes);
  CHECK((bytes[0] == 0xbc && bytes[1] == 0x3a && bytes[2] == 0x12));

  using W = pack::dense_words_for<Wide>;
  STATIC_REQUIRE((std::is_same_v<W, pack::DenseWords<64, std::uint64_t>> && LayoutFor<W, Wide>));
  const std::uint64_t word[] = {0x8877665544332211u};
  std::array<std::uint8_t, 8> eight{};
  W::pack(word, eight);
  CHECK((eight[0] == 0x11 && eight[7] == 0x88));
}

}  // namespace lowbit::test::dense_words_tests
