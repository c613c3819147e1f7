// SPDX-License-Identifier: MIT
#include "lowbit/quantizer/scaled.hpp"

#include <cmath>
#include <tuple>

#include "catch.hpp"
#include "support/rate_table.hpp"

namespace lowbit::test::scaled_tests {

namespace {

/// Groups of 128, float scales, 81 clips.
template <class F>
double clipped(const std::vector<float>& w) {
  return test::clipped_distortion(Scaled<F, float, 128>{}, w, 128).nmse;
}

/// The share of weights that become zero.
template <class Q>
double zero_fraction(const Q& q, const std::vector<float>& w) {
  const auto m = quantize_nearest(q, w, 64, 4096).value();
  std::vector<float> back(w.size());
  dequantize(m.view(), 0, 64, back);
  std::size_t zeros = 0;
  for (const float x : back) zeros += x == 0.0f ? 1 : 0;
  return static_cast<double>(zeros) / static_cast<double>(w.size());
}

}  // namespace

#define CHECK_NEAR(got, want) CHECK((got) == test::Approx(want).epsilon(0.02))

TEST_CASE("Scaled: with a clip search the four-bit formats err as published", "[quantizer][scaled][published]") {
  const auto all = test::gaussian_weights(), heavy = test::laplacian_weights();
  const std::vector<float> g(all.begin(), all.begin() + (1 << 16)), l(heavy.begin(), heavy.begin() + (1 << 16));
  const double e1m2 = clipped<E1M2>(g), e2m1 = clipped<E2M1>(g), e3m0 = clipped<E3M0>(g);
  CHECK_NEAR(e1m2, 0.01117);
  CHECK_NEAR(e2m1, 0.01036);
  CHECK_NEAR(e3m0, 0.03151);
  CHECK(e2m1 < std::min(e1m2, e3m0));
  const double heavy_e1m2 = clipped<E1M2>(l), heavy_e2m1 = clipped<E2M1>(l), heavy_e3m0 = clipped<E3M0>(l);
  CHECK_NEAR(heavy_e1m2, 0.0210);
  CHECK_NEAR(heavy_e2m1, 0.01284);
  CHECK_NEAR(heavy_e3m0, 0.02915);
  CHECK(heavy_e2m1 < std::min(heavy_e1m2, heavy_e3m0));
  CHECK_NEAR(clipped<PowerOfTwo<4>>(g), 0.0315);
  CHECK_NEAR(clipped<PowerOfTwo<4>>(l), 0.0291);
  CHECK_NEAR(clipped<Post<4>>(g), 0.01073);
  CHECK_NEAR(clipped<Post<4>>(l), 0.01623);
  CHECK_NEAR(clipped<Apot<4>>(g), 0.00996);
  CHECK_NEAR(clipped<Apot<4>>(l), 0.01432);
}

TEST_CASE("Scaled: E1M2 is narrow int4 up to scale", "[quantizer][scaled]") {
  const auto w = test::gaussian_weights();
  auto narrow = Uniform<Int4, UniformOptions{.scale = ScaleStorage::f32}>{};
  narrow.rule = SymmetricRule::narrow;
  CHECK(test::distortion(Scaled<E1M2, float>{}, w).nmse == test::Approx(test::distortion(narrow, w).nmse).epsilon(1e-6));
}

TEST_CASE("dINT4: fewer weights vanish than with int4", "[quantizer][scaled][published]") {
  const auto g = test::gaussian_weights(), l = test::laplacian_weights();
  auto narrow = Uniform<Int4>{};
  narrow.rule = SymmetricRule::narrow;
  CHECK_NEAR(zero_fraction(narrow, g), 0.160);
  CHECK_NEAR(zero_fraction(narrow, l), 0.319);
  CHECK_NEAR(zero_fraction(Scaled<DInt<4>>{}, g), 0.093);
  CHECK_NEAR(zero_fraction(Scaled<DInt<4>>{}, l), 0.201);
}

TEST_CASE("NF4: multiples of its own levels come back exactly, zero is code 7", "[quantizer][scaled]") {
  using Q = Scaled<NF4, float, 64>;
  for (const float m : {1.0f, 0.37f, 1e-20f, 3e20f}) {
    std::vector<float> block;
    for (const float level : NF4::levels) block.push_back(level * m);
    const auto packed = quantize_nearest(Q{}, block, 1, block.size()).value();
    std::vector<float> back(block.size());
    dequantize(packed.view(), 0, 1, back);
    CHECK(back == block);
    CHECK(Q{}.quantize(0.0f, Q{}.fit(block)) == 7);
  }
}

TEST_CASE("double quantization: 4.127 bits for NF4 in blocks of 64, and next to no error", "[quantizer][scaled]") {
  const auto w = test::gaussian_weights();
  const auto plain = test::distortion(Scaled<NF4, float, 64>{}, w), twice = test::distortion(DoubleQuantized<NF4>{}, w);
  CHECK(twice.bits_per_weight == 4.0 + 8.0 / 64 + 32.0 / (64 * 256) + 32.0 / static_cast<double>(w.size()));
  CHECK(twice.nmse < 1.01 * plain.nmse);
}

TEST_CASE("double quantization: odd shapes, zero blocks and zero matrices", "[quantizer][scaled]") {
  using Q = DoubleQuantized<NF4, 8>;
  for (const auto& [rows, cols] : {std::pair<std::size_t, std::size_t>{1, 1}, {3, 7}, {5, 17}, {100, 33}, {0, 4}, {4, 0}}) {
    auto w = std::vector<float>(test::gaussian_weights());
    w.resize(rows * cols);
    for (std::size_t i = 0; i < std::min<std::size_t>(8, w.size()); ++i) w[i] = 0.0f;
    const auto m = quantize_nearest(Q{}, w, rows, cols).value();
    std::vector<float> back(w.size());
    dequantize(m.view(), 0, rows, back);
    for (std::size_t i = 0; i < std::min<std::size_t>({8, cols, w.size()}); ++i) CHECK(back[i] == 0.0f);
  }
  const std::vector<float> zeros(64, 0.0f);
  const auto m = quantize_nearest(Q{}, zeros, 2, 32).value();
  std::vector<float> back(64, 1.0f);
  dequantize(m.view(), 0, 2, back);
  CHECK(back == zeros);
}

namespace {

using quantizers = std::tuple<Scaled<NF4, f16, 64>, Scaled<E2M1, bf16>, Scaled<E4M3FN, float>, Scaled<Dynamic8, float, 256>,
                              Scaled<DInt<4>>, Scaled<Apot<4>>, Scaled<BnbFp4>, Scaled<E2M1, UE4M3, 16>,
                              Scaled<HalfOffset<2>>, Scaled<E3M4, float>>;

}  // namespace

TEMPLATE_LIST_TEST_CASE("Scaled: parameters survive storage, codes their own points, zero groups decode to zeros",
                        "[quantizer][scaled]", quantizers) {
  const TestType q;
  Rng rng(17);
  for (const double magnitude : {1e-6, 0.02, 1.0, 300.0}) {
    std::vector<float> group(40);
    for (float& x : group) x = static_cast<float>(magnitude * rng.normal());
    const auto p = q.fit(group);
    CHECK(q.load(q.store(p), 0) == p);
    if (p.scale == 0.0f) continue;
    for (std::size_t c = 0; c < TestType::format_type::cardinality; ++c) {
      const float x = q.dequantize(static_cast<std::uint8_t>(c), p);
      if (std::isfinite(x)) CHECK(q.dequantize(q.quantize(x, p), p) == x);
    }
  }
  const std::vector<float> zeros(7, 0.0f), tiny = {1e-42f, -2e-42f};
  CHECK(q.dequantize(q.quantize(0.0f, q.fit(zeros)), q.fit(zeros)) == 0.0f);
  CHECK(q.fit(tiny).scale == 0.0f);
}

TEST_CASE("Scaled: a scale past f16 is an error that names the place", "[quantizer][scaled]") {
  std::vector<float> w(256, 1.0f);
  w[200] = 1e6f;
  const auto m = quantize_nearest(Scaled<NF4>{}, w, 1, 256);
  REQUIRE_FALSE(m);
  CHECK(m.error().code == Errc::not_finite);
  CHECK(m.error().column == 128u);
  CHECK(quantize_nearest(Scaled<NF4, bf16>{}, w, 1, 256).has_value());
}

}  // namespace lowbit::test::scaled_tests
