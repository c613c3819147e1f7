// SPDX-License-Identifier: MIT
#include <type_traits>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "support/types.hpp"

namespace lowbit::test::isa_tests {

namespace {

template <class L>
constexpr bool has_isas = requires(std::span<const std::uint8_t> in, std::span<std::uint8_t> out) {
  L::template pack<isa::scalar>(in, out);
};

/// Blocks that differ between Isa and the definition: any bytes unpack alike, any codes pack alike.
template <class L, class Isa>
std::size_t disagreements(std::size_t cardinality) {
  Rng rng(3);
  std::size_t wrong = 0;
  for (std::size_t blocks = 0; blocks <= 40; blocks = blocks < 10 ? blocks + 1 : blocks + 15) {
    std::vector<std::uint8_t> bytes(blocks * L::bytes_per_block), codes(blocks * L::codes_per_block), other(codes);
    for (std::uint8_t& b : bytes) b = static_cast<std::uint8_t>(rng.below(256));
    L::template unpack<isa::scalar>(bytes, codes);
    L::template unpack<Isa>(bytes, other);
    wrong += codes == other ? 0 : 1;

    for (std::uint8_t& c : codes) c = static_cast<std::uint8_t>(rng.below(cardinality));
    std::vector<std::uint8_t> again(bytes);
    L::template pack<isa::scalar>(codes, bytes);
    L::template pack<Isa>(codes, again);
    wrong += bytes == again ? 0 : 1;
  }
  return wrong;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("layouts: every enabled ISA gives the definition's bytes and codes", "[pack]", test::layouts) {
  using L = typename TestType::layout;
  constexpr std::size_t cardinality = TestType::format::cardinality;
  if constexpr (has_isas<L>) {
    CHECK(disagreements<L, isa::native>(cardinality) == 0);
#if LOWBIT_HAS_AVX2
    CHECK(disagreements<L, isa::avx2>(cardinality) == 0);
#endif
    // All but base 3 cut codes to their width.
    if constexpr (cardinality != 3) CHECK(disagreements<L, isa::native>(256) == 0);
  } else {
    // One body for all: words, and nothing to compare.
    STATIC_REQUIRE((std::is_same_v<L, pack::Trits5> || std::is_same_v<L, pack::TritPairs>));
  }
}

}  // namespace lowbit::test::isa_tests
