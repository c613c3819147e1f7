// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/float16.hpp"
#include "lowbit/pack.hpp"

namespace lowbit::test::golden_tests {
using Bytes = std::vector<std::uint8_t>;

/// Blocks written by ggml's reference quantizers of x[j] = (((37j + 11) mod 101) − 50)/16 and of trits made alike. A
/// layout that puts one code in a wrong place decodes it to some other element of x.

namespace {

Bytes from_hex(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  Bytes out(hex.size() / 2);
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<std::uint8_t>(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
  return out;
}

unsigned step(std::size_t j) { return static_cast<unsigned>((37 * j + 11) % 101); }
double ramp(std::size_t j) { return (static_cast<int>(step(j)) - 50) / 16.0; }

double half(const Bytes& block, std::size_t at) {
  const auto bits = static_cast<std::uint16_t>(block[at] | block[at + 1] << 8);
  return static_cast<double>(static_cast<float>(f16::from_bits(bits)));
}

template <class L>
Bytes codes_at(const Bytes& block, std::size_t at, std::size_t n) {
  Bytes codes(n);
  pack::unpack_row<L>(std::span(block).subspan(at, pack::row_bytes<L>(n)), std::span(codes));
  Bytes again(pack::row_bytes<L>(n));
  pack::pack_row<L>(std::span<const std::uint8_t>(codes), again);
  CHECK(std::equal(again.begin(), again.end(), block.begin() + static_cast<std::ptrdiff_t>(at)));
  return codes;
}

constexpr std::string_view q4_0 = "4036f258be1379df359bf147ac0268ce248a";
constexpr std::string_view q8_0 = "4d269dfb59b61472d02e8be947a50361be1c7ad73593f14fac0a68c62481df3d9af8";
constexpr std::string_view nvfp4 = "2f303030ffa966ee0277dd3477dc35ffb956ee9156ee0267dc247fca347fba56fe9166ed";
constexpr std::string_view q4_k =
    "de1e802afffffffafff8fafaceafbfbcc2278dd3499e055ab1167cc2388de449af056bb1277cd3389ee45aa0166bc22748ad0469c0157bd1"
    "379cf358ae046ac0268be2379df359be157ad1268ce248ada0156bc1278cd3489e045ab0167bc2378de349ae056ab1267cd2389de459af15"
    "268ce248ad0459b0157bd1379ce348ae046ac0267bd2379df359be156ac1268c";
constexpr std::string_view q6_k =
    "45df28bc069f137cf08ad367f14ade285ed67df57c038b02aa22b931b85fd75e26ac058d037bf179d258d048ce27af2583fc741d960eb62f"
    "d840b961da53fb74d158bf37be25ad048b047bf37ad159d0c941ea63eb74fb741d951ea72fc841c9bf35ad169b048df26be069d147cf38bd"
    "1a922c840d85ed77ff57d038b04aa22b6cb11b6cc61b71c61cb1cb6cb21b6cc6e74d3ad04d37904ae7913ae44d3a904d18b1c66cb11b6c86"
    "1b71c61cb1c76cb22453f9248ef9138ef4538d2452f9248e8d81877c897a8677807f897a867a84877592";
constexpr std::string_view tq1_0 =
    "c1416e246bce61cb99de4ac1416e246bce61cb99de4ac1416e246b2361cb99de941093bba3bb31ba31e936941093bba3465cf15c0038";
constexpr std::string_view tq2_0 =
    "628861842186114619669862886184218611461966986288618421841146196684114619661862986188218411461966186298618821841146"
    "196618629861880038";

}  // namespace

TEST_CASE("golden Q4_0: codes step by d along the ramp", "[pack][gguf]") {
  const Bytes block = from_hex(q4_0), q = codes_at<pack::SplitNibbles<32>>(block, 2, 32);
  const double d = half(block, 0);
  for (std::size_t i = 0; i < 32; ++i) CHECK(std::fabs(d * (q[i] - 8) - ramp(i)) <= std::fabs(d) * 1.01);
}

TEST_CASE("golden Q8_0: codes step by d along the ramp", "[pack][gguf]") {
  const Bytes block = from_hex(q8_0), q = codes_at<pack::SignedBytes>(block, 2, 32);
  const double d = half(block, 0);
  for (std::size_t i = 0; i < 32; ++i) CHECK(std::fabs(d * (q[i] - 128) - ramp(i)) <= d * 0.55);
}

TEST_CASE("golden NVFP4: sub-blocks of 16 codes decode to the ramp", "[pack][gguf]") {
  const Bytes block = from_hex(nvfp4), q = codes_at<pack::SplitNibbles<16>>(block, 4, 64);
  const double magnitudes[] = {0, .5, 1, 1.5, 2, 3, 4, 6};
  for (std::size_t i = 0; i < 64; ++i) {
    const int e = block[i / 16];
    const double scale = std::ldexp(1.0 + (e & 7) / 8.0, (e >> 3) - 7);
    CHECK(std::fabs((q[i] < 8 ? 1 : -1) * scale * magnitudes[q[i] & 7] - ramp(i)) <= scale * 1.01);
  }
}

TEST_CASE("golden Q4_K: codes of four chunks of 64 decode to the ramp", "[pack][gguf]") {
  const Bytes block = from_hex(q4_k), q = codes_at<pack::SplitNibbles<64>>(block, 16, 256);
  const double d = half(block, 0), dmin = half(block, 2);
  const std::uint8_t* s = block.data() + 4;
  for (std::size_t i = 0; i < 256; ++i) {
    const std::size_t j = i / 32;
    const int scale = j < 4 ? s[j] & 63 : (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
    const int least = j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | (s[j] >> 6) << 4;
    CHECK(std::fabs(d * scale * q[i] - dmin * least - ramp(i)) <= d * scale);
  }
}

TEST_CASE("golden Q6_K: codes in low and high parts decode to the ramp", "[pack][gguf]") {
  const Bytes block = from_hex(q6_k), q = codes_at<pack::GgufQ6_K>(block, 0, 256);
  const double d = half(block, 208);
  for (std::size_t i = 0; i < 256; ++i) {
    const double scale = d * static_cast<std::int8_t>(block[192 + i / 16]);
    CHECK(std::fabs(scale * (q[i] - 32) - ramp(i)) <= std::fabs(scale) * 1.01);
  }
}

TEST_CASE("golden TQ1_0 and TQ2_0: byte for byte, from the trits", "[pack][gguf]") {
  Bytes trits(256);
  for (std::size_t j = 0; j < 256; ++j) trits[j] = static_cast<std::uint8_t>(step(j) % 3);
  CHECK(codes_at<pack::GgufTQ1_0>(from_hex(tq1_0), 0, 256) == trits);
  CHECK(codes_at<pack::GgufTQ2_0>(from_hex(tq2_0), 0, 256) == trits);
}

}  // namespace lowbit::test::golden_tests
