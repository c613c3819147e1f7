// SPDX-License-Identifier: MIT
#include "lowbit/kernel/panel.hpp"

#include <bit>
#include <cstring>
#include <limits>

#include "catch.hpp"
#include "lowbit/kernel/dequantize.hpp"
#include "lowbit/kernel/simd/bytes_avx512.hpp"
#include "support/panels.hpp"

namespace lowbit::test::panel_tests {

namespace {

template <std::size_t... I, class F>
void each(std::index_sequence<I...>, const F& f) {
  (f(std::integral_constant<std::size_t, I>{}), ...);
}

/// Bytes of operands that are not the codes that `get` finds, over a block of noise.
template <class V, int Bits>
std::size_t wrong_operands() {
  using Codes = kernel::PanelCodes<Bits>;
  Rng rng(Bits);
  std::uint8_t block[Codes::words * kernel::word_bytes];
  for (std::uint8_t& b : block) b = static_cast<std::uint8_t>(rng.next_u32());
  std::size_t wrong = 0;
  each(std::make_index_sequence<Codes::operands>{}, [&](auto j) {
    for (std::size_t row = 0; row < kernel::panel_rows; row += V::rows) {
      std::uint8_t bytes[4 * V::rows];
      V::store(bytes, Codes::template operand<V, j>(block + 4 * row));
      for (std::size_t i = 0; i < sizeof bytes; ++i)
        wrong += bytes[i] != Codes::get(block, row + i / 4, 4 * j + i % 4) ? 1 : 0;
    }
  });
  return wrong;
}

template <class V>
std::size_t wrong_on() {
  return wrong_operands<V, 1>() + wrong_operands<V, 2>() + wrong_operands<V, 3>() + wrong_operands<V, 4>() +
         wrong_operands<V, 5>() + wrong_operands<V, 6>() + wrong_operands<V, 7>() + wrong_operands<V, 8>();
}

template <int Bits>
std::size_t lost_codes() {
  using Codes = kernel::PanelCodes<Bits>;
  Rng rng(Bits + 10);
  std::uint8_t block[Codes::words * kernel::word_bytes] = {};
  std::vector<unsigned> codes(kernel::panel_rows * Codes::columns);
  for (std::size_t i = 0; i < codes.size(); ++i) {
    codes[i] = rng.next_u32() % (1u << Bits);
    Codes::put(block, i / Codes::columns, i % Codes::columns, codes[i]);
  }
  std::size_t lost = 0;
  for (std::size_t i = 0; i < codes.size(); ++i)
    lost += Codes::get(block, i / Codes::columns, i % Codes::columns) != codes[i] ? 1 : 0;
  return lost;
}

/// Entry i of a table, looked up for each i.
template <class V, class Table>
std::size_t wrong_entries(std::size_t size) {
  std::uint8_t entries[64], index[4 * V::rows], got[4 * V::rows];
  for (std::size_t i = 0; i < 64; ++i) entries[i] = static_cast<std::uint8_t>(255 - 3 * i);
  std::size_t wrong = 0;
  const Table table(entries);
  for (std::size_t first = 0; first < size; ++first) {
    for (std::size_t i = 0; i < sizeof index; ++i) index[i] = static_cast<std::uint8_t>((first + 5 * i) % size);
    V::store(got, table(V::load(index)));
    for (std::size_t i = 0; i < sizeof index; ++i) wrong += got[i] != entries[index[i]] ? 1 : 0;
  }
  return wrong;
}

/// Sums of V's dot over the extremes of bytes that are not those of integers.
template <class V, int Most>
std::size_t wrong_dots() {
  std::size_t wrong = 0;
  for (const int w : {0, 1, 127, Most})
    for (const int x : {-127, -1, 0, 127}) {
      std::uint8_t bytes[4 * V::rows];
      for (std::size_t i = 0; i < sizeof bytes; ++i) bytes[i] = static_cast<std::uint8_t>(i % 4 == 3 ? Most : w);
      const std::int8_t four[4] = {static_cast<std::int8_t>(x), static_cast<std::int8_t>(x), 127, static_cast<std::int8_t>(x)};
      const auto sum = V::template dot<Most>(V::set(5), V::load(bytes), V::broadcast4(four));
      std::int32_t lanes[V::rows];
      std::memcpy(lanes, &sum, sizeof lanes);
      for (const std::int32_t lane : lanes) wrong += lane != 5 + w * (2 * x + 127) + Most * x ? 1 : 0;
    }
  return wrong;
}

/// Bytes of decoded operands that are not those of `get`, over a block of noise. Operands hold columns Dim apart.
template <class V, class Codes, std::size_t Dim>
std::size_t wrong_decoded() {
  Rng rng(Codes::words * Dim);
  std::uint8_t block[Codes::words * kernel::word_bytes];
  std::vector<std::uint8_t> table(256 * Dim);
  for (std::uint8_t& b : block) b = static_cast<std::uint8_t>(rng.next_u32());
  for (std::uint8_t& b : table) b = static_cast<std::uint8_t>(rng.next_u32());
  std::size_t wrong = 0;
  each(std::make_index_sequence<kernel::panel_rows / V::rows>{}, [&](auto part) {
    constexpr std::size_t lane = part * V::rows;
    using Block = typename Codes::template Block<V, lane>;
    const Block from = [&] {
      if constexpr (std::is_constructible_v<Block, const std::uint8_t*, const std::uint8_t*>)
        return Block(block + 4 * lane, table.data());
      else
        return Block(block + 4 * lane);
    }();
    each(std::make_index_sequence<Codes::operands>{}, [&](auto j) {
      std::uint8_t bytes[4 * V::rows];
      V::store(bytes, from.template operand<j>());
      for (std::size_t i = 0; i < sizeof bytes; ++i) {
        const std::size_t column = Dim == 1 ? 4 * j + i % 4 : j / Dim * (4 * Dim) + i % 4 * Dim + j % Dim;
        const unsigned got = Codes::get(block, lane + i / 4, column);
        constexpr bool looks_up = std::is_constructible_v<Block, const std::uint8_t*, const std::uint8_t*>;
        wrong += bytes[i] != (looks_up ? table[256 * (column % Dim) + got] : got) ? 1 : 0;
      }
    });
  });
  return wrong;
}

/// 32 floats as bytes that are not those of the definition.
template <class V>
std::size_t wrong_bytes() {
  constexpr Int8Shape one{.cols = 32, .run = 32, .run_stride = 32};
  std::size_t wrong = 0;
  for (const float scale : {1.0f, 0.0f, 1e-31f, 1e30f, INFINITY, NAN}) {
    std::vector<float> x = test::normals(32, 9);
    for (float& v : x) v *= 0.01f;
    x[7] = scale;
    x[8] = 0.5f / 127.0f * scale;  // a tie
    std::int8_t want[one.pitch()];
    std::int32_t sum;
    std::uint8_t got[32];
    const float a = kernel::quantize_token(isa::scalar{}, one, x.data(), want, &sum), b = V::to_bytes(x.data(), got);
    wrong += a == b || (std::isnan(a) && std::isnan(b)) ? 0 : 1;
    for (std::size_t i = 0; i < 32; ++i) wrong += got[i] != static_cast<std::uint8_t>(want[i] + 128) ? 1 : 0;
  }
  return wrong;
}

template <class V>
void check_lanes() {
  INFO(V::isa_tag::name);
  CHECK(wrong_on<V>() == 0);
  CHECK(wrong_entries<V, typename V::Table16>(16) == 0);
  CHECK(wrong_entries<V, typename V::Table64>(64) == 0);
  CHECK(wrong_dots<V, 127>() == 0);
  CHECK(wrong_dots<V, 255>() == 0);
  CHECK(wrong_decoded<V, kernel::PanelE8p, 8>() == 0);
  CHECK(wrong_decoded<V, kernel::PanelVectors<3>, 3>() == 0);
  CHECK(wrong_decoded<V, kernel::PanelVectors<8>, 8>() == 0);
  CHECK(wrong_decoded<V, kernel::PanelTrellis<12, 1>, 1>() == 0);
  CHECK(wrong_decoded<V, kernel::PanelTrellis<16, 2>, 1>() == 0);
  CHECK(wrong_decoded<V, kernel::PanelTrellis<12, 3>, 1>() == 0);
  CHECK(wrong_decoded<V, kernel::PanelTrellis<9, 4>, 1>() == 0);
  CHECK(wrong_bytes<V>() == 0);
}

}  // namespace

TEST_CASE("panels: a code that is put is the code that is got, and touches no other", "[kernel][panel]") {
  CHECK(lost_codes<1>() + lost_codes<2>() + lost_codes<3>() + lost_codes<4>() == 0);
  CHECK(lost_codes<5>() + lost_codes<6>() + lost_codes<7>() + lost_codes<8>() == 0);
}

TEST_CASE("panels: operands, tables and dot products of every instruction set are those of the scalar code",
          "[kernel][panel]") {
#if LOWBIT_HAS_AVX2
  check_lanes<kernel::BytesAvx2>();
#endif
#if LOWBIT_HAS_AVX2_VNNI
  check_lanes<kernel::BytesAvx2Vnni>();
#endif
#if LOWBIT_HAS_AVX512
  check_lanes<kernel::BytesAvx512>();
#endif
#if LOWBIT_HAS_AVX512_VNNI
  check_lanes<kernel::BytesAvx512Vnni>();
#endif
#if LOWBIT_HAS_AVX512_VBMI
  check_lanes<kernel::BytesAvx512Vbmi>();
#endif
#if LOWBIT_HAS_NEON
  check_lanes<kernel::BytesNeon>();
#endif
#if LOWBIT_HAS_NEON_DOTPROD
  check_lanes<kernel::BytesNeonDotprod>();
#endif
#if LOWBIT_HAS_NEON_I8MM
  check_lanes<kernel::BytesNeonI8mm>();
#endif
  SUCCEED();
}

TEMPLATE_LIST_TEST_CASE("panels: parameters decoded for sixteen rows are the quantizer's, bit by bit", "[kernel][panel]",
                        test::panel_quantizers) {
  using Q = TestType;
  using Levels = kernel::PanelLevels<Q>;
  for (const auto [rows, cols] : {test::Shape{1, 1}, test::Shape{17, 33}, test::Shape{33, 700}, test::Shape{5, 2051}}) {
    const auto layer = test::random_layer<Q>(rows, cols);
    const PackedView<Q> w = layer.view();
    const auto panels = to_panels(w).value();
    const kernel::PanelShape shape = panels.view().shape();
    std::size_t wrong = 0;
    for (std::size_t row = 0; row < rows; row += kernel::panel_rows)
      for (std::size_t chunk = 0; chunk < shape.chunks(); ++chunk) {
        kernel::PanelParams params;
        REQUIRE(shape.runs_of_chunk(chunk) <= kernel::PanelShape::most_runs);
        kernel::PanelDecoder<Q>::decode(
            {.facts = w, .shape = shape, .row = row, .chunk = chunk,
             .from = panels.bytes().data() + row / kernel::panel_rows * shape.panel_bytes() + shape.chunk_offset(chunk),
             .begin = 0, .end = shape.runs_of_chunk(chunk)},
            params);
        for (std::size_t i = 0; i < shape.runs_of_chunk(chunk); ++i)
          for (std::size_t r = row; r < std::min(rows, row + kernel::panel_rows); ++r) {
            const std::size_t column = (shape.first_run(chunk) + i) * shape.run, g = w.groups().of_column(column);
            const auto point = point_params(w.group_quantizer(r, g), w.group_params(r, g), column - w.groups().begin(g));
            const auto same = [](float a, float b) { return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b); };
            wrong += same(params.scale[i][r - row], Levels::scale(point)) ? 0 : 1;
            if constexpr (Levels::kind == kernel::PanelOffset::integer)
              wrong += params.integer[i][r - row] == Levels::integer_offset(point) ? 0 : 1;
            if constexpr (Levels::kind == kernel::PanelOffset::real)
              wrong += same(params.real[i][r - row], Levels::real_offset(point)) ? 0 : 1;
          }
      }
    INFO(Q::storage_name() << ", " << rows << " x " << cols);
    CHECK(wrong == 0);
  }
}

TEMPLATE_LIST_TEST_CASE("panels: levels as bytes are the points, exactly or within half a step", "[kernel][panel]",
                        test::panel_quantizers) {
  using Levels = kernel::PanelLevels<TestType>;
  if constexpr (LevelQuantizer<TestType>) {
    for (std::size_t c = 0; c < Levels::count; ++c) {
      const double level = static_cast<double>(TestType::levels[c]);
      if (!std::isfinite(level)) continue;
      const double byte = static_cast<double>(Levels::step) * (static_cast<double>(Levels::bytes[c]) - Levels::offset);
      const double allowed = Levels::exact ? 0.0 : 0.5 * (1.0 + 0x1p-15) * static_cast<double>(Levels::step);
      INFO(TestType::storage_name() << ", code " << c);
      CHECK(std::fabs(byte - level) <= allowed);
    }
  }
  SUCCEED();
}

TEMPLATE_LIST_TEST_CASE("panels: dequantized they are the packed matrix, exactly or within half a step", "[kernel][panel]",
                        test::panel_quantizers) {
  using Q = TestType;
  using Levels = kernel::PanelLevels<Q>;
  for (const auto [rows, cols] : {test::Shape{1, 1}, test::Shape{17, 33}, test::Shape{35, 700}, test::Shape{3, 2051}}) {
    const auto layer = test::random_layer<Q>(rows, cols);
    const PackedView<Q> w = layer.view();
    const auto panels = to_panels(w).value();
    const std::size_t first = rows / 3;
    std::vector<float> got((rows - first) * cols), want(got.size());
    dequantize(panels.view(), first, rows, got);
    dequantize<isa::scalar>(w, first, rows, want);
    constexpr bool same_steps = Levels::exact && (LevelQuantizer<Q> || Levels::kind != kernel::PanelOffset::real);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      const test::PanelWeight weight = test::panel_weight(w, first + i / cols, i % cols);
      const double error = std::fabs(static_cast<double>(got[i]) - static_cast<double>(want[i]));
      wrong += same_steps ? got[i] != want[i] : error > weight.half_step + 0x1p-22 * weight.magnitude;
    }
    INFO(Q::storage_name() << ", " << rows << " x " << cols);
    CHECK(wrong == 0);
  }
}

TEST_CASE("panels: which formats are exact in bytes", "[kernel][panel]") {
  CHECK(kernel::PanelLevels<Mxfp4>::exact);
  CHECK(kernel::PanelLevels<Mxfp6E2M3>::exact);
  CHECK(kernel::PanelLevels<GgufIq4Nl>::exact);
  CHECK(kernel::PanelLevels<GgufQ8_0>::exact);
  CHECK_FALSE(kernel::PanelLevels<Mxfp6E3M2>::exact);
  CHECK_FALSE(kernel::PanelLevels<Mxfp8E4M3>::exact);
  CHECK_FALSE(kernel::PanelLevels<Scaled<NF4>>::exact);
}

TEST_CASE("panels: stored bits are those of the packed matrix where nothing is padded", "[kernel][panel]") {
  const auto layer = test::random_layer<Uniform<Int4>>(32, 1024);
  CHECK(to_panels(layer.view()).value().bits_per_weight() == layer.weights.bits_per_weight());
  const auto blocks = test::random_layer<GgufQ3K>(32, 1024);
  CHECK(to_panels(blocks.view()).value().bits_per_weight() == blocks.weights.bits_per_weight());
}

TEST_CASE("panels: a scale or a code that is no number is refused by name", "[kernel][panel]") {
  auto layer = test::random_layer<Uniform<Int4>>(3, 300);
  layer.weights.params()[4] = f16::from_bits(0x7c00);
  const auto bad = to_panels(layer.view());
  REQUIRE_FALSE(bad);
  CHECK(bad.error().code == Errc::not_finite);
  CHECK(bad.error().row == 1u);
  CHECK(bad.error().column == 128u);

  auto bytes = test::random_layer<Mxfp8E4M3>(2, 40);
  bytes.weights.codes()[40 + 37] = 0x7f;
  const auto nan = to_panels(bytes.view());
  REQUIRE_FALSE(nan);
  CHECK(nan.error().row == 1u);
  CHECK(nan.error().column == 37u);

  PackedView<Uniform<Int4>> torn = layer.view();
  torn.codes = torn.codes.first(torn.codes.size() - 1);
  CHECK_THROWS_AS(to_panels(torn), ContractViolation);
}

}  // namespace lowbit::test::panel_tests
