// SPDX-License-Identifier: MIT
#include "lowbit/kernel/panel/trits.hpp"

#include "lowbit/kernel/panel/trit_triples.hpp"

#include <bit>
#include <cmath>
#include <cstring>

#include "catch.hpp"
#include "lowbit/kernel/gemm_int8.hpp"
#include "lowbit/pack/gguf.hpp"
#include "support/guarded.hpp"
#include "support/layers.hpp"

namespace lowbit::test::panel_trits_tests {

namespace {

using kernel::PanelTriples;
using kernel::PanelTrits;
using Row = TernaryScaled<f16, per_row>;
using Grouped = TernaryScaled<f16, 100>;
using TwoBits = TernaryScaled<f16, per_row, pack::GgufTQ2_0>;

/// Codes of a block that operands do not give as `get` does; every byte but −128 comes up in every word.
template <class Codes, class V, std::size_t Lane>
std::size_t wrong_operands() {
  std::size_t wrong = 0;
  for (unsigned first = 0; first < 256; ++first) {
    std::uint8_t word[Codes::words * kernel::word_bytes];
    for (std::size_t i = 0; i < sizeof word; ++i) word[i] = static_cast<std::uint8_t>(first + i * (1 + 2 * (i / kernel::word_bytes)));
    for (std::uint8_t& b : word) b = b == 0x80 ? std::uint8_t{0x81} : b;
    const typename Codes::template Block<V, Lane> block(word + 4 * Lane);
    kernel::for_each_index<Codes::operands>([&](auto n) {
      std::uint8_t got[4 * V::rows];
      V::store(got, block.template operand<n>());
      for (std::size_t i = 0; i < sizeof got; ++i)
        wrong += got[i] != Codes::get(word, Lane + i / 4, 4 * n + i % 4) ? 1 : 0;
    });
  }
  return wrong;
}

template <class V>
void check_operands() {
  INFO(V::isa_tag::name);
  CHECK(wrong_operands<PanelTrits, V, 0>() == 0);
  CHECK(wrong_operands<PanelTrits, V, 16 - V::rows>() == 0);
  CHECK(wrong_operands<PanelTriples, V, 0>() == 0);
  CHECK(wrong_operands<PanelTriples, V, 16 - V::rows>() == 0);
}

template <class Q>
struct Problem {
  using quantizer = Q;
  Layer<Q> layer;
  Panels<Q> panels;
  Int8Activations a;
  std::size_t tokens;
  Problem(std::size_t rows, std::size_t cols, std::size_t count)
      : layer(random_layer<Q>(rows, cols, count)), panels(to_panels(layer.view()).value()),
        a(count, int8_shape(panels.view())), tokens(count) {
    quantize_activations<isa::scalar>(layer.x, a.view());
  }
  template <class Isa>
  std::vector<float> product() {
    std::vector<float> y(tokens * panels.rows(), -7.0f);
    gemm<Isa>(panels.view(), a.view(), y);
    return y;
  }
};

std::size_t differing(std::span<const float> a, std::span<const float> b) {
  std::size_t count = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    count += std::bit_cast<std::uint32_t>(a[i]) != std::bit_cast<std::uint32_t>(b[i]) ? 1 : 0;
  return count;
}

}  // namespace

TEST_CASE("panel trits: five trits survive their byte, whatever order they come in", "[kernel][panel]") {
  std::size_t wrong = 0;
  for (unsigned v = 0; v < 243; ++v) {
    unsigned trits[5], rest = v;
    for (unsigned& t : trits) {
      t = rest % 3;
      rest /= 3;
    }
    for (const bool backwards : {false, true}) {
      std::uint8_t word[kernel::word_bytes] = {};
      for (std::size_t i = 0; i < 5; ++i) {
        const std::size_t n = backwards ? 4 - i : i;
        PanelTrits::put(word, 7, 4 * n + 2, trits[n]);
      }
      for (std::size_t c = 0; c < PanelTrits::columns; ++c)
        wrong += PanelTrits::get(word, 7, c) != (c % 4 == 2 ? trits[c / 4] : 1u) ? 1 : 0;
      wrong += word[4 * 7 + 2] == 0x80 ? 1 : 0;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("panel trits: three trits survive their index, and touch no other", "[kernel][panel]") {
  Rng rng(7);
  std::uint8_t block[PanelTriples::words * kernel::word_bytes] = {};
  std::vector<unsigned> codes(kernel::panel_rows * PanelTriples::columns);
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const std::size_t at = i * 7 % codes.size();  // in no order
    codes[at] = rng.next_u32() % 3;
    PanelTriples::put(block, at / PanelTriples::columns, at % PanelTriples::columns, codes[at]);
  }
  std::size_t lost = 0;
  for (std::size_t i = 0; i < codes.size(); ++i)
    lost += PanelTriples::get(block, i / PanelTriples::columns, i % PanelTriples::columns) != codes[i] ? 1 : 0;
  CHECK(lost == 0);
}

TEST_CASE("panel trits: the trits of every byte are those of the recursion", "[kernel][panel]") {
  std::size_t wrong = 0;
  for (int byte = -127; byte < 128; ++byte) {
    std::uint8_t word[kernel::word_bytes] = {static_cast<std::uint8_t>(byte)};
    for (std::size_t n = 0, s = static_cast<std::size_t>(byte + 256); n < 5; ++n, s = 3 * s % 256) {
      const int turn = static_cast<std::int8_t>(s);
      wrong += static_cast<int>(PanelTrits::get(word, 0, 4 * n)) - 1 != (turn > 42) - (turn < -42) ? 1 : 0;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("panel trits: operands of every instruction set are those of the scalar code", "[kernel][panel]") {
#if LOWBIT_HAS_AVX2
  check_operands<kernel::BytesAvx2>();
#endif
#if LOWBIT_HAS_AVX512
  check_operands<kernel::BytesAvx512>();
#endif
#if LOWBIT_HAS_AVX512_VBMI
  check_operands<kernel::BytesAvx512Vbmi>();
#endif
  SUCCEED();
}

TEST_CASE("panel trits: which quantizers store trits densely, and at what size", "[kernel][panel]") {
  using kernel::PanelStorage;
  CHECK(std::is_same_v<PanelStorage<Row>::Codes, PanelTriples>);
  CHECK(std::is_same_v<PanelStorage<TernaryScaled<f16, per_tensor>>::Codes, PanelTriples>);
  CHECK(std::is_same_v<PanelStorage<TernaryScaled<f16, dynamic_group>>::Codes, PanelTrits>);
  CHECK(std::is_same_v<PanelStorage<GgufTq1_0>::Codes, PanelTrits>);
  CHECK(std::is_same_v<PanelStorage<TwoBits>::Codes, kernel::PanelCodes<2>>);
  CHECK(std::is_same_v<PanelStorage<TernaryScaled<f16, 64>>::Codes, kernel::PanelCodes<2>>);  // as many words
  CHECK(Problem<Row>(16, 960, 1).panels.bits_per_weight() == Approx(5.0 / 3 + 32.0 / 960));
  CHECK(Problem<GgufTq1_0>(16, 1024, 1).panels.bits_per_weight() == 1.6875);
  CHECK(Problem<TernaryScaled<>>(16, 1024, 1).panels.bits_per_weight() == 1.875);
}

TEST_CASE("panel trits: products have the bits of the definition, which are those of two bits a trit", "[kernel][int8]") {
  for (const auto [rows, cols] : {Shape{1, 1}, Shape{5, 19}, Shape{16, 20}, Shape{17, 21}, Shape{35, 333}, Shape{70, 2051}})
    for (const std::size_t tokens : {1, 2, 5, 7}) {
      INFO(rows << " x " << cols << ", " << tokens << " tokens");
      Problem<Row> dense(rows, cols, tokens);
      Problem<TwoBits> wide(rows, cols, tokens);
      Problem<Grouped> grouped(rows, cols, tokens);
      const auto want = dense.product<isa::scalar>();
      CHECK(differing(wide.product<isa::scalar>(), want) == 0);
      CHECK(differing(dense.product<isa::avx2>(), want) == 0);
      CHECK(differing(dense.product<isa::neon>(), want) == 0);
      CHECK(differing(dense.product<isa::native>(), want) == 0);
      const auto other = grouped.product<isa::scalar>();
      CHECK(differing(grouped.product<isa::native>(), other) == 0);
    }
}

TEST_CASE("panel trits: weights written out are those of the packed matrix", "[kernel][panel]") {
  Problem<GgufTq1_0> p(19, 700, 1);
  std::vector<float> got(19 * 700), want(got.size());
  dequantize(p.panels.view(), 0, 19, got);
  dequantize<isa::scalar>(p.layer.view(), 0, 19, want);
  CHECK(differing(got, want) == 0);
}

TEST_CASE("panel trits: panels are read to their last byte and no further", "[kernel][int8]") {
  const auto check = [](auto p) {
    using Q = typename decltype(p)::quantizer;
    const auto want = p.template product<isa::scalar>();
    for (const auto edge : {Guarded<std::uint8_t>::Edge::end, Guarded<std::uint8_t>::Edge::begin}) {
      const Guarded<std::uint8_t> bytes(p.panels.bytes(), edge);
      PanelView<Q> w = p.panels.view();
      w.bytes = bytes.span();
      std::vector<float> y(want.size());
      gemm(w, p.a.view(), y);
      CHECK(differing(y, want) == 0);
    }
  };
  check(Problem<Row>(1, 1, 3));
  check(Problem<Row>(17, 257, 3));
  check(Problem<Grouped>(17, 257, 3));
}

}  // namespace lowbit::test::panel_trits_tests
