// SPDX-License-Identifier: MIT
#include "lowbit/pack/bitshift.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/format/trellis/one_mad.hpp"
#include "lowbit/format/trellis/trellis_format.hpp"
#include "support/guarded.hpp"

namespace lowbit::test::bitshift_tests {

namespace {

/// A layout without its type, so that the checks compile once.
struct Functions {
  std::size_t state_bits, shift, steps, block_bytes;
  void (*pack)(std::span<const std::uint16_t>, std::span<std::uint8_t>) noexcept;
  void (*unpack_range)(std::span<const std::uint8_t>, std::size_t, std::span<std::uint16_t>) noexcept;
  std::uint16_t (*state)(const std::uint8_t*, std::size_t);
};

template <int L, int K, int V, std::size_t Steps, class Isa>
Functions functions() {
  using Layout = pack::Bitshift<L, K, V, Steps>;
  return {L,
          Layout::shift,
          Steps,
          Layout::bytes_per_block,
          &Layout::pack,
          &Layout::template unpack_range<Isa>,
          [](const std::uint8_t* bytes, std::size_t t) { return Layout::state(bytes, t); }};
}

/// A path that bites its tail: any circular string of bits, through windows of a state's size.
std::vector<std::uint16_t> any_path(const Functions& f, std::uint64_t seed) {
  Rng rng(seed);
  const std::size_t bits = f.steps * f.shift;
  std::vector<std::uint8_t> bit(bits);
  for (std::uint8_t& b : bit) b = static_cast<std::uint8_t>(rng.below(2));
  std::vector<std::uint16_t> states(f.steps);
  for (std::size_t t = 0; t < f.steps; ++t)
    for (std::size_t i = 0; i < f.state_bits; ++i)
      states[t] = static_cast<std::uint16_t>(states[t] << 1 | bit[(t * f.shift + i) % bits]);
  return states;
}

/// Rows of two sequences that do not come back, whole or in any part.
std::size_t wrong_sequences(const Functions& f) {
  std::vector<std::uint16_t> states;
  for (std::size_t b = 0; b < 2; ++b) {
    const std::vector<std::uint16_t> path = any_path(f, 100 * f.state_bits + 10 * f.shift + b);
    states.insert(states.end(), path.begin(), path.end());
  }
  std::vector<std::uint8_t> bytes(2 * f.block_bytes, 0xff);
  f.pack(states, bytes);
  std::size_t wrong = 0;
  for (std::size_t t = 0; t < f.steps; ++t) wrong += f.state(bytes.data(), t) == states[t] ? 0 : 1;
  for (std::size_t first = 0; first < states.size(); first += first < 40 ? 1 : 37)
    for (const std::size_t size : {std::size_t{1}, std::size_t{7}, std::size_t{16}, std::size_t{33}, states.size()}) {
      std::vector<std::uint16_t> part(std::min(size, states.size() - first));
      f.unpack_range(bytes, first, part);
      wrong += std::equal(part.begin(), part.end(), states.begin() + static_cast<std::ptrdiff_t>(first)) ? 0 : 1;
    }
  return wrong;
}

/// Of Isa, every state of 1 … 16 bits, 1 … 4 bits a weight and 1 or 2 weights a state.
template <class Isa>
std::size_t wrong_layouts() {
  std::size_t wrong = wrong_sequences(functions<16, 2, 1, 16, Isa>()) + wrong_sequences(functions<5, 3, 1, 8, Isa>());
  const auto every = [&]<int L, int K>(std::integral_constant<int, L>, std::integral_constant<int, K>) {
    if constexpr (K <= L) wrong += wrong_sequences(functions<L, K, 1, 256, Isa>());
    if constexpr (2 * K <= L) wrong += wrong_sequences(functions<L, K, 2, 128, Isa>());
  };
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (every(std::integral_constant<int, I / 4 + 1>{}, std::integral_constant<int, I % 4 + 1>{}), ...);
  }
  (std::make_integer_sequence<int, 64>{});
  return wrong;
}

}  // namespace

TEST_CASE("Bitshift: paths that bite their tail come back, whole and from any state on, for every width",
          "[pack][trellis]") {
  CHECK(wrong_layouts<isa::scalar>() == 0);
#if LOWBIT_HAS_AVX2
  CHECK(wrong_layouts<isa::avx2>() == 0);
#endif
#if LOWBIT_HAS_AVX512
  CHECK(wrong_layouts<isa::avx512>() == 0);
#endif
}

TEST_CASE("Bitshift: a tile of 256 weights is 32 bytes a bit", "[pack][trellis]") {
  STATIC_REQUIRE((pack::Bitshift<16, 2>::bytes_per_block == 64 && pack::Bitshift<12, 3>::bytes_per_block == 96));
  STATIC_REQUIRE((pack::Bitshift<16, 2, 2>::bytes_per_block == 64 && pack::Bitshift<16, 2, 2>::codes_per_block == 128));
  STATIC_REQUIRE((LayoutFor<pack::Bitshift<12, 2>, TrellisFormat<trellis::OneMad, 12>>));
}

TEST_CASE("Bitshift: the first state is the first bits of the stream, from the top of its first byte",
          "[pack][trellis]") {
  using Layout = pack::Bitshift<12, 2, 1, 8>;
  const std::array<std::uint8_t, 2> bytes = {0xab, 0xcd};
  const std::array<std::uint16_t, 8> want = {0xabc, 0xaf3, 0xbcd, 0xf36, 0xcda, 0x36a, 0xdab, 0x6af};
  std::array<std::uint16_t, 8> states{};
  Layout::unpack(bytes, states);
  CHECK(states == want);
  std::array<std::uint8_t, 2> back{};
  Layout::pack(states, back);
  CHECK(back == bytes);
}

TEST_CASE("Bitshift: nothing outside a row's bytes and states is touched", "[pack][trellis]") {
  using Layout = pack::Bitshift<16, 1, 1, 256>;
  using Bytes = test::Guarded<std::uint8_t>;
  using States = test::Guarded<std::uint16_t>;
  const std::vector<std::uint16_t> path = any_path(functions<16, 1, 1, 256, isa::native>(), 5);
  for (const bool end : {false, true}) {
    const Bytes bytes(std::vector<std::uint8_t>(Layout::bytes_per_block), end ? Bytes::Edge::end : Bytes::Edge::begin);
    const States in(path, end ? States::Edge::end : States::Edge::begin);
    const States out(std::vector<std::uint16_t>(256), end ? States::Edge::end : States::Edge::begin);
    Layout::pack(in.span(), bytes.span());
    Layout::unpack(bytes.span(), out.span());
    CHECK(std::equal(path.begin(), path.end(), out.span().begin()));
  }
}

}  // namespace lowbit::test::bitshift_tests
