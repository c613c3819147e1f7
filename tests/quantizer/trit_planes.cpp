// SPDX-License-Identifier: MIT
#include "lowbit/quantizer/trit_planes.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "support/rate_table.hpp"

namespace lowbit::test::trit_planes_tests {

namespace {

using Exact = TritPlanesScaled<float, 128>;

double squared_error(std::span<const double> w, std::span<const std::uint8_t> codes, Exact::Scales s) {
  double sum = 0.0;
  for (std::size_t i = 0; i < w.size(); ++i) {
    const double e = w[i] - s[0] * TritPlanes<2>::trit(codes[i], 0) - s[1] * TritPlanes<2>::trit(codes[i], 1);
    sum += e * e;
  }
  return sum;
}

}  // namespace

TEST_CASE("TritPlanesScaled: no half step of the alternation raises the error", "[quantizer][ternary][published]") {
  Rng rng(3);
  std::size_t raised = 0, steps = 0;
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<double> w(2 + rng.below(200));
    for (double& x : w) x = rng.normal() * (rng.below(20) == 0 ? 4.0 : 1.0);
    std::vector<std::uint8_t> codes(w.size());
    Exact::Scales s = {0.3 + 2.0 * rng.uniform(), 0.1 + rng.uniform()};
    double error = std::numeric_limits<double>::infinity();
    for (int i = 0; i < 20; ++i) {
      Exact::trits_for(w, s, codes);
      const double after_trits = squared_error(w, codes, s);
      s = Exact{}.scales_for(w, codes);
      const double after_scales = squared_error(w, codes, s);
      raised += after_trits <= error * (1.0 + 1e-12) ? 0 : 1;
      raised += after_scales <= after_trits * (1.0 + 1e-9) ? 0 : 1;
      error = after_scales;
      steps += 2;
    }
  }
  CHECK(raised == 0);
  CHECK(steps == 8000);
}

TEST_CASE("TritPlanesScaled: Gaussian weights in groups of 128 lose at most 0.035, less than three bits do",
          "[quantizer][ternary][published]") {
  const auto w = test::gaussian_weights();
  const double two = test::distortion(TritPlanesScaled<>{}, w).nmse;
  CHECK(two <= 0.035);
  TritPlanesScaled<> balanced;
  balanced.start = TritStart::balanced;
  const double published = test::distortion(balanced, w).nmse;
  CHECK(published == test::Approx(0.0285).epsilon(0.03));
  CHECK(two < published);
  CHECK(two < test::distortion(Uniform<Int3, UniformOptions{.zero_point = ZeroPoint::integer}>{}, w).nmse);
  CHECK(two < 0.2 * test::distortion(TernaryScaled<>{}, w).nmse);
  CHECK(test::distortion(TritPlanesScaled<>{}, w).bits_per_weight == test::Approx(3.45).epsilon(0.002));
  CHECK(test::distortion(TritPlanesScaled<f16, 128, pack::Dense<4>>{}, w).bits_per_weight == test::Approx(4.25));
}

TEST_CASE("TritPlanesScaled: of two starts the better one is kept", "[quantizer][ternary]") {
  Rng rng(8);
  bool differ = false;
  for (int trial = 0; trial < 100; ++trial) {
    std::vector<float> group(64);
    for (float& x : group) x = static_cast<float>(rng.normal());
    double errors[3];
    for (int k = 0; k < 3; ++k) {
      Exact q;
      q.start = static_cast<TritStart>(k);
      const auto p = q.fit(group);
      double sum = 0.0;
      for (const float x : group) {
        const double e = static_cast<double>(x) - static_cast<double>(q.dequantize(q.quantize(x, p), p));
        sum += e * e;
      }
      errors[k] = sum;
    }
    CHECK(errors[2] <= std::fmin(errors[0], errors[1]) * (1.0 + 1e-5));
    differ = differ || errors[0] != errors[1];
  }
  CHECK(differ);
  Exact q;
  CHECK((q.set_variant("signs") && q.start == TritStart::signs));
  CHECK_FALSE(q.set_variant("sign"));
}

TEST_CASE("TritPlanesScaled: sums of two scaled planes come back, also far from one", "[quantizer][ternary]") {
  Rng rng(12);
  for (const float unit : {1e-30f, 1.0f, 1e30f})
    for (int trial = 0; trial < 20; ++trial) {
      const float a = unit, b = unit * (0.25f + 0.25f * static_cast<float>(rng.uniform()));
      std::vector<float> group(128), back(128);
      for (float& x : group)  // magnitudes a + b, a, a - b, b
        x = a * static_cast<float>(static_cast<int>(rng.below(3)) - 1) + b * static_cast<float>(static_cast<int>(rng.below(3)) - 1);
      const auto m = quantize_nearest(Exact{}, group, 1, 128).value();
      dequantize(m.view(), 0, 1, back);
      double worst = 0.0;
      for (std::size_t i = 0; i < 128; ++i) worst = std::fmax(worst, static_cast<double>(std::fabs(back[i] - group[i])));
      CHECK(worst <= 1e-6 * static_cast<double>(unit));
    }
}

TEST_CASE("TritPlanesScaled: zero groups, one weight and equal weights", "[quantizer][ternary]") {
  const TritPlanesScaled<> q;
  const std::vector<float> zeros(7, 0.0f);
  CHECK(q.fit(zeros) == TritPlanesScaled<>::params_type{});
  CHECK(q.dequantize(q.quantize(0.0f, q.fit(zeros)), q.fit(zeros)) == 0.0f);
  for (const float x : {1.0f, -3.0f, 1e-3f}) {
    const std::vector<float> one = {x}, many(50, x);
    for (const auto& group : {one, many}) {
      const auto p = q.fit(group);
      CHECK(q.dequantize(q.quantize(x, p), p) == test::Approx(x).epsilon(0.002));
      CHECK(q.load(q.store(p), 0) == p);
    }
  }
  const std::vector<float> tiny(5, std::numeric_limits<float>::denorm_min());
  CHECK(q.dequantize(q.quantize(tiny[0], q.fit(tiny)), q.fit(tiny)) == 0.0f);
  const std::vector<float> nan = {1.0f, std::nanf("")};
  CHECK(q.quantize(nan[1], q.fit(nan)) < 9);
}

TEST_CASE("TritPairs: codes come back at every length, planes lie byte by byte, any bytes give codes below 9",
          "[quantizer][ternary][pack]") {
  for (std::size_t n = 0; n < 40; ++n) {
    std::vector<std::uint8_t> codes(n), back(n), bytes(pack::row_bytes<pack::TritPairs>(n));
    for (std::size_t i = 0; i < n; ++i) codes[i] = static_cast<std::uint8_t>((5 * i + n) % 9);
    pack::pack_row<pack::TritPairs>(std::span<const std::uint8_t>(codes), bytes);
    pack::unpack_row<pack::TritPairs>(bytes, std::span<std::uint8_t>(back));
    CHECK(back == codes);
    CHECK(bytes.size() == 2 * ((n + 4) / 5));
  }
  std::size_t above = 0;
  for (unsigned v = 0; v < 65536; ++v) {
    const std::uint8_t bytes[] = {static_cast<std::uint8_t>(v), static_cast<std::uint8_t>(v >> 8)};
    std::uint8_t codes[5];
    pack::TritPairs::unpack(bytes, codes);
    for (std::size_t i = 0; i < 5; ++i) {
      above += codes[i] < 9 ? 0 : 1;
      unsigned high = bytes[0], low = bytes[1];
      for (std::size_t k = 0; k < i; ++k) high /= 3, low /= 3;
      above += codes[i] == 3 * (high % 3) + low % 3 ? 0 : 1;
    }
  }
  CHECK(above == 0);
}

}  // namespace lowbit::test::trit_planes_tests
