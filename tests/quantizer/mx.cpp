// SPDX-License-Identifier: MIT
#include "lowbit/quantizer/mx.hpp"

#include <cmath>
#include <limits>
#include <tuple>

#include "catch.hpp"
#include "support/rate_table.hpp"

namespace lowbit::test::mx_tests {

namespace {

using blocks = std::tuple<Mxfp4, Mxfp6E2M3, Mxfp6E3M2, Mxfp8E4M3, Mxfp8E5M2, Mxint8>;

constexpr MxScaleRule mx_rules[] = {MxScaleRule::floor, MxScaleRule::even, MxScaleRule::ceil, MxScaleRule::rceil};

template <class Q>
Q with(MxScaleRule rule) {
  Q q;
  q.rule = rule;
  return q;
}

int exponent(float scale) { return std::ilogb(scale); }

}  // namespace

TEST_CASE("MXFP4: 6·2^k is exact under floor, 7·2^k saturates there and moves the other scales", "[quantizer][mx]") {
  for (int k = -100; k <= 100; ++k) {
    const float six = std::ldexp(6.0f, k), seven = std::ldexp(7.0f, k);
    const Mxfp4 floor = with<Mxfp4>(MxScaleRule::floor);
    const std::vector<float> exact = {six, -six / 6}, high = {seven, seven / 7};
    CHECK(exponent(floor.fit(exact).scale) == k);
    CHECK(floor.quantize(six, floor.fit(exact)) == 7);
    CHECK(floor.dequantize(7, floor.fit(exact)) == six);
    CHECK(exponent(floor.fit(high).scale) == k);
    CHECK(floor.dequantize(floor.quantize(seven, floor.fit(high)), floor.fit(high)) == six);
    for (const MxScaleRule rule : {MxScaleRule::rceil, MxScaleRule::even, MxScaleRule::ceil})
      CHECK(exponent(with<Mxfp4>(rule).fit(high).scale) == k + 1);
    CHECK(exponent(with<Mxfp4>(MxScaleRule::rceil).fit(exact).scale) == k);
  }
}

TEMPLATE_LIST_TEST_CASE("MX: rceil never saturates, and the scale below it would", "[quantizer][mx]", blocks) {
  Rng rng(9);
  const auto q = with<TestType>(MxScaleRule::rceil);
  for (int i = 0; i < 2000; ++i) {
    const std::vector<float> one = {static_cast<float>(std::ldexp(1.0 + rng.uniform(), static_cast<int>(rng.below(80)) - 40))};
    const double reach = static_cast<double>(q.fit(one).scale) * static_cast<double>(TestType::format_type::largest);
    CHECK(static_cast<double>(one[0]) <= reach);
    CHECK(static_cast<double>(one[0]) > reach / 2);
  }
}

TEMPLATE_LIST_TEST_CASE("MX: a power of two on the input shifts the scale codes alone", "[quantizer][mx]", blocks) {
  const auto w = test::gaussian_weights();
  for (const MxScaleRule rule : mx_rules) {
    const auto q = with<TestType>(rule);
    const std::span<const float> rows(w.data(), 4 * 96);
    const auto plain = quantize_nearest(q, rows, 4, 96).value();
    for (const int shift : {-60, -3, 1, 40}) {
      std::vector<float> moved(rows.begin(), rows.end());
      for (float& x : moved) x = std::ldexp(x, shift);
      const auto other = quantize_nearest(q, moved, 4, 96).value();
      CHECK(std::equal(plain.codes().begin(), plain.codes().end(), other.codes().begin()));
      for (std::size_t g = 0; g < plain.params().size(); ++g)
        CHECK(static_cast<int>(other.params()[g].bits) == static_cast<int>(plain.params()[g].bits) + shift);
    }
  }
}

TEMPLATE_LIST_TEST_CASE("MX: a block with NaN or infinity has code 255 and decodes to NaN; a matrix refuses it",
                        "[quantizer][mx]", blocks) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    std::vector<float> block(32, 1.0f);
    block[17] = bad;
    const TestType q;
    const auto p = q.fit(block);
    CHECK(q.store(p).bits == 255);
    CHECK(q.load(q.store(p), 0) == p);
    for (int c = 0; c < static_cast<int>(TestType::format_type::cardinality); ++c)
      CHECK(std::isnan(q.dequantize(static_cast<std::uint8_t>(c), p)));
    const auto refused = quantize_nearest(q, block, 1, 32);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::not_finite);
    CHECK(refused.error().column == 17u);
  }
}

TEMPLATE_LIST_TEST_CASE("MX: zero blocks, subnormals and the largest floats stay finite and in place", "[quantizer][mx]",
                        blocks) {
  for (const MxScaleRule rule : mx_rules) {
    const auto q = with<TestType>(rule);
    const std::vector<float> zeros(32, 0.0f);
    CHECK(q.store(q.fit(zeros)).bits == 0);
    CHECK(q.dequantize(q.quantize(0.0f, q.fit(zeros)), q.fit(zeros)) == 0.0f);
    for (const float a : {std::numeric_limits<float>::denorm_min(), 1e-40f, 0x1p-127f, 0x1p-126f, 1e-20f, 1e30f,
                          std::numeric_limits<float>::max()}) {
      const std::vector<float> one = {a, -a};
      const auto p = q.fit(one);
      CHECK(std::isfinite(p.scale));
      CHECK(p.scale >= 0x1p-127f);
      CHECK(q.load(q.store(p), 0) == p);
      const float back = q.dequantize(q.quantize(a, p), p);
      CHECK(back >= 0.0f);
      CHECK(q.dequantize(q.quantize(-a, p), p) == -back);
      if (a >= 0x1p-120f && a < 1e30f) CHECK(std::fabs(back - a) <= 0.34f * a);
    }
  }
}

}  // namespace lowbit::test::mx_tests
