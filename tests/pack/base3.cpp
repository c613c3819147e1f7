// SPDX-License-Identifier: MIT
#include <cmath>
#include <cstdint>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/pack.hpp"

namespace lowbit::test::base3_tests {
using Bytes = std::vector<std::uint8_t>;

TEST_CASE("Trits5: v = sum of q_n 3^n for all 243 bytes, and every byte reads as trits", "[pack][base3]") {
  std::size_t wrong = 0;
  for (unsigned v = 0; v < 256; ++v) {
    // Four bytes: the last one's codes lie too near the end to be written as a whole word.
    Bytes bytes(4, static_cast<std::uint8_t>(v)), codes(20), again(4);
    pack::Trits5::unpack(bytes, codes);
    for (std::size_t i = 0; i < 20; ++i) wrong += codes[i] == v / static_cast<unsigned>(std::pow(3, i % 5)) % 3 ? 0 : 1;
    pack::Trits5::pack(codes, again);
    for (const std::uint8_t b : again) wrong += b == v % 243 ? 0 : 1;
  }
  CHECK(wrong == 0);
}

TEST_CASE("Trits5: the first code is the lowest digit", "[pack][base3]") {
  Bytes bytes(2);
  pack::pack_row<pack::Trits5>(std::span<const std::uint8_t>(Bytes{1, 2, 0, 1, 2, 2}), bytes);
  CHECK(bytes == Bytes{1 + 2 * 3 + 1 * 27 + 2 * 81, 2});
  CHECK(pack::row_bytes<pack::Trits5>(128) == 26);
}

namespace {

/// Code i of a TQ1_0 block, with the division that the fraction avoids: v is the largest number whose byte is not
/// above.
unsigned tq1_0_code(const Bytes& block, std::size_t i) {
  const std::size_t at = i < 160 ? i % 32 : i < 240 ? 32 + (i - 160) % 16 : 48 + (i - 240) % 4;
  const std::size_t digit = i < 160 ? i / 32 : i < 240 ? (i - 160) / 16 : (i - 240) / 4;
  unsigned v = 242;
  while (std::ceil(v * 256.0 / 243.0) > block[at]) --v;
  return v / static_cast<unsigned>(std::pow(3, 4 - digit)) % 3;
}

template <class Isa>
std::size_t wrong_in_tq1_0() {
  Rng rng(6);
  std::size_t wrong = 0;
  for (int round = 0; round < 50; ++round) {
    Bytes codes(256), block(52), back(256);
    for (std::uint8_t& c : codes) c = static_cast<std::uint8_t>(rng.below(3));
    pack::GgufTQ1_0::pack<Isa>(codes, block);
    pack::GgufTQ1_0::unpack<Isa>(block, back);
    for (std::size_t i = 0; i < 256; ++i)
      wrong += (tq1_0_code(block, i) == codes[i] ? 0 : 1) + (back[i] == codes[i] ? 0 : 1);
  }
  for (unsigned v = 0; v < 256; ++v) {
    Bytes block(52, static_cast<std::uint8_t>(v)), codes(256);
    pack::GgufTQ1_0::unpack<Isa>(block, codes);
    for (const std::uint8_t c : codes) wrong += c < 3 ? 0 : 1;
  }
  return wrong;
}

}  // namespace

TEST_CASE("GgufTQ1_0: digits of the number that the byte is a fraction of, and every byte reads as trits",
          "[pack][gguf]") {
  CHECK(wrong_in_tq1_0<isa::scalar>() == 0);
  CHECK(wrong_in_tq1_0<isa::native>() == 0);
}

}  // namespace lowbit::test::base3_tests
