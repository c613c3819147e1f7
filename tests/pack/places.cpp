// SPDX-License-Identifier: MIT
#include <cstdint>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/pack.hpp"

namespace lowbit::test::places_tests {

/// Second decoders, one code at a time, from the formulas in which the formats are published.

namespace {

using Bytes = std::vector<std::uint8_t>;

/// Codes that differ from code_of(block's bytes, i), and bytes that packing the codes again does not give back. With
/// unused, a mask of one block, the other bits are not read and written as zero.
template <class L, class Isa, class CodeOf>
std::size_t misplaced_on(const CodeOf& code_of, const Bytes& used) {
  Rng rng(5);
  const std::size_t blocks = 11;
  Bytes bytes(blocks * L::bytes_per_block), codes(blocks * L::codes_per_block), again(bytes.size(), 0xff);
  for (std::uint8_t& b : bytes) b = static_cast<std::uint8_t>(rng.below(256));
  L::template unpack<Isa>(bytes, codes);
  L::template pack<Isa>(codes, again);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < codes.size(); ++i)
    wrong +=
        codes[i] == code_of(bytes.data() + i / L::codes_per_block * L::bytes_per_block, i % L::codes_per_block) ? 0 : 1;
  for (std::size_t b = 0; b < bytes.size(); ++b)
    wrong += again[b] == (bytes[b] & (used.empty() ? 0xff : used[b % L::bytes_per_block])) ? 0 : 1;
  return wrong;
}

template <class L, class CodeOf>
std::size_t misplaced(const CodeOf& code_of, const Bytes& used = {}) {
  std::size_t wrong = misplaced_on<L, isa::scalar>(code_of, used) + misplaced_on<L, isa::native>(code_of, used);
#if LOWBIT_HAS_AVX2
  wrong += misplaced_on<L, isa::avx2>(code_of, used);
#endif
  return wrong;
}

template <int Bits>
void check_word_padded(const Bytes& used) {
  const auto code_of = [](const std::uint8_t* b, std::size_t i) {
    const std::uint32_t word = b[0] | b[1] << 8 | b[2] << 16 | static_cast<std::uint32_t>(b[3]) << 24;
    return word >> (i * Bits) & ((1u << Bits) - 1u);
  };
  INFO("bits " << Bits);
  CHECK(misplaced<pack::WordPadded<Bits>>(code_of, used) == 0);
}

template <int Bits, std::size_t Codes>
void check_planes() {
  const auto code_of = [](const std::uint8_t* b, std::size_t i) {
    unsigned code = 0;
    for (std::size_t k = 0; k < Bits; ++k) code |= (b[k * Codes / 8 + i / 8] >> (i % 8) & 1u) << k;
    return code;
  };
  INFO("bits " << Bits << " codes " << Codes);
  CHECK(misplaced<pack::BitPlanes<Bits, Codes>>(code_of) == 0);

  // Nested: without its first n planes a block holds the codes shifted right by n.
  if constexpr (Bits > 1) {
    Rng rng(Bits);
    Bytes codes(Codes), upper(Codes), bytes(pack::BitPlanes<Bits, Codes>::bytes_per_block);
    for (std::uint8_t& c : codes) c = static_cast<std::uint8_t>(rng.below(1u << Bits));
    pack::BitPlanes<Bits, Codes>::pack(codes, bytes);
    const auto dropped = [&]<int N>() {
      pack::BitPlanes<Bits - N, Codes>::unpack(std::span(bytes).subspan(N * Codes / 8), upper);
      std::size_t wrong = 0;
      for (std::size_t i = 0; i < Codes; ++i) wrong += upper[i] == codes[i] >> N ? 0 : 1;
      return wrong;
    };
    CHECK(dropped.template operator()<1>() == 0);
    CHECK(dropped.template operator()<Bits / 2>() == 0);
    CHECK(dropped.template operator()<Bits - 1>() == 0);
  }
}

}  // namespace

TEST_CASE("WordPadded: code i takes bits i·b to (i+1)·b of a word, the top bits stay unused", "[pack][word_padded]") {
  check_word_padded<1>({});
  check_word_padded<2>({});
  check_word_padded<3>({0xff, 0xff, 0xff, 0x3f});
  check_word_padded<4>({});
  check_word_padded<5>({0xff, 0xff, 0xff, 0x3f});
  check_word_padded<6>({0xff, 0xff, 0xff, 0x3f});
  check_word_padded<7>({0xff, 0xff, 0xff, 0x0f});
  check_word_padded<8>({});
}

TEST_CASE("WordPadded: the same bytes as Dense for 1, 2, 4 and 8 bits, others for 3, 5, 6 and 7",
          "[pack][word_padded]") {
  const auto same = []<int Bits>() {
    Bytes codes(840, 1), padded(pack::row_bytes<pack::WordPadded<Bits>>(840)),
        dense(pack::row_bytes<pack::Dense<Bits>>(840));
    pack::pack_row<pack::WordPadded<Bits>>(std::span<const std::uint8_t>(codes), padded);
    pack::pack_row<pack::Dense<Bits>>(std::span<const std::uint8_t>(codes), dense);
    padded.resize(dense.size());
    return padded == dense;
  };
  CHECK(same.operator()<1>());
  CHECK(same.operator()<2>());
  CHECK_FALSE(same.operator()<3>());
  CHECK(same.operator()<4>());
  CHECK_FALSE(same.operator()<5>());
  CHECK_FALSE(same.operator()<6>());
  CHECK_FALSE(same.operator()<7>());
  CHECK(same.operator()<8>());
}

TEST_CASE("BitPlanes: plane k is bit k of every code, and planes are nested", "[pack][bit_planes]") {
  check_planes<1, 64>();
  check_planes<2, 64>();
  check_planes<3, 64>();
  check_planes<4, 64>();
  check_planes<5, 64>();
  check_planes<6, 64>();
  check_planes<7, 64>();
  check_planes<8, 64>();
  check_planes<1, 32>();
  check_planes<4, 32>();
  check_planes<7, 32>();
  check_planes<8, 32>();
}

TEST_CASE("HighNibbleFirst: the first of two codes is in the high nibble", "[pack][high_nibble_first]") {
  CHECK(misplaced<pack::HighNibbleFirst>(
            [](const std::uint8_t* b, std::size_t i) { return i == 0 ? b[0] >> 4 : b[0] & 15; }) == 0);
  Bytes bytes(2);
  pack::pack_row<pack::HighNibbleFirst>(std::span<const std::uint8_t>(Bytes{0x7, 0xa, 0xf}), bytes);
  CHECK(bytes == Bytes{0x7a, 0xf0});
}

TEST_CASE("SignedBytes: a code less 128 is the byte in two's complement", "[pack][signed_bytes]") {
  const auto code_of = [](const std::uint8_t* b, std::size_t) { return static_cast<std::int8_t>(*b) + 128; };
  CHECK(misplaced<pack::SignedBytes>(code_of) == 0);
  Bytes bytes(4);
  pack::SignedBytes::pack(Bytes{0, 127, 128, 255}, bytes);
  CHECK(bytes == Bytes{0x80, 0xff, 0x00, 0x7f});
}

TEST_CASE("SplitNibbles: byte j of a block holds code j low and code j + half high", "[pack][split_nibbles]") {
  const auto halves = []<std::size_t N>() {
    return misplaced<pack::SplitNibbles<N>>(
        [](const std::uint8_t* b, std::size_t i) { return i < N / 2 ? b[i] & 15 : b[i - N / 2] >> 4; });
  };
  CHECK(halves.operator()<2>() == 0);
  CHECK(halves.operator()<6>() == 0);
  CHECK(halves.operator()<16>() == 0);
  CHECK(halves.operator()<32>() == 0);
  CHECK(halves.operator()<64>() == 0);
  CHECK(halves.operator()<128>() == 0);
}

TEST_CASE("Joined: parts come in any order, the later ones add their bits", "[pack][joined]") {
  const auto nibble = [](const std::uint8_t* b, std::size_t i, std::size_t n) {
    return i < n / 2 ? b[i] & 15u : static_cast<unsigned>(b[i - n / 2] >> 4);
  };
  const auto bit = [](const std::uint8_t* plane, std::size_t i) { return plane[i / 8] >> (i % 8) & 1u; };
  using Wide = pack::Joined<64, pack::Part<pack::SplitNibbles<64>, 0>, pack::Part<pack::BitPlanes<2, 64>, 4>>;
  CHECK(misplaced<Wide>([&](const std::uint8_t* b, std::size_t i) {
          return nibble(b, i, 64) | bit(b + 32, i) << 4 | bit(b + 40, i) << 5;
        }) == 0);
  using Narrow = pack::Joined<64, pack::Part<pack::SplitNibbles<32>, 3>, pack::Part<pack::BitPlanes<3, 32>, 0>>;
  CHECK(misplaced<Narrow>([&](const std::uint8_t* b, std::size_t i) {
          const std::uint8_t* planes = b + 32 + i / 32 * 12;
          const std::size_t n = i % 32;
          return nibble(b + i / 32 * 16, n, 32) << 3 | bit(planes, n) | bit(planes + 4, n) << 1 |
                 bit(planes + 8, n) << 2;
        }) == 0);
}

TEST_CASE("GgufQ5: qh holds the fifth bits of 32 codes, qs split nibbles", "[pack][gguf]") {
  CHECK(misplaced<pack::GgufQ5>([](const std::uint8_t* b, std::size_t i) {
          const unsigned low = i < 16 ? b[4 + i] & 15u : b[4 + i - 16] >> 4;
          return low | (b[i / 8] >> (i % 8) & 1u) << 4;
        }) == 0);
}

TEST_CASE("GgufQ2_K: byte 32h + l holds four codes 32 apart, and TQ2_0 is the same", "[pack][gguf]") {
  const auto code_of = [](const std::uint8_t* qs, std::size_t i) {
    const std::size_t j = i / 32, l = i % 32;
    return qs[l] >> (2 * j) & 3;
  };
  CHECK(misplaced<pack::GgufQ2_K>(code_of) == 0);
  CHECK(misplaced<pack::GgufTQ2_0>(code_of) == 0);
  CHECK(pack::row_bytes<pack::GgufTQ2_0>(256) == 64);
}

TEST_CASE("GgufQ3_K: hmask holds the third bit of a code, set for values from 0 up", "[pack][gguf]") {
  CHECK(misplaced<pack::GgufQ3_K>([](const std::uint8_t* hmask, std::size_t i) {
          const std::uint8_t* qs = hmask + 32;
          const std::size_t h = i / 128, j = i % 128 / 32, l = i % 32;
          const int low = qs[32 * h + l] >> (2 * j) & 3;
          const int value = low - ((hmask[l] >> (4 * h + j) & 1) != 0 ? 0 : 4);
          return value + 4;
        }) == 0);
}

TEST_CASE("GgufQ5_K: qh holds the fifth bit, qs four chunks of 64 split nibbles", "[pack][gguf]") {
  CHECK(misplaced<pack::GgufQ5_K>([](const std::uint8_t* qh, std::size_t i) {
          const std::uint8_t* qs = qh + 32;
          const std::size_t j = i / 64, l = i % 32;
          const bool high = i % 64 >= 32;
          const unsigned low = high ? qs[32 * j + l] >> 4 : qs[32 * j + l] & 15u;
          return low + ((qh[l] >> (high ? 2 * j + 1 : 2 * j) & 1u) != 0 ? 16u : 0u);
        }) == 0);
}

TEST_CASE("GgufQ6_K: ql holds four low bits, qh two high ones, per half of 128 codes", "[pack][gguf]") {
  CHECK(misplaced<pack::GgufQ6_K>([](const std::uint8_t* block, std::size_t i) {
          const std::size_t h = i / 128, l = i % 32;
          const std::uint8_t *ql = block + 64 * h, *qh = block + 128 + 32 * h;
          switch (i % 128 / 32) {
            case 0: return (ql[l] & 15) | (qh[l] & 3) << 4;
            case 1: return (ql[l + 32] & 15) | (qh[l] >> 2 & 3) << 4;
            case 2: return ql[l] >> 4 | (qh[l] >> 4 & 3) << 4;
            default: return ql[l + 32] >> 4 | (qh[l] >> 6 & 3) << 4;
          }
        }) == 0);
}

}  // namespace lowbit::test::places_tests
