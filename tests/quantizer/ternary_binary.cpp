// SPDX-License-Identifier: MIT
#include <cmath>

#include "catch.hpp"
#include "support/rate_table.hpp"

namespace lowbit::test::ternary_binary_tests {

namespace {

constexpr TernaryRule ternary_rules[] = {TernaryRule::optimal, TernaryRule::absmean, TernaryRule::absmedian,
                                 TernaryRule::threshold};

using Exact = TernaryScaled<float, 128>;

Exact with(TernaryRule rule, bool least_squares) {
  Exact q;
  q.rule = rule;
  q.least_squares = least_squares;
  return q;
}

template <class Q>
double squared_error(const Q& q, const typename Q::params_type& p, std::span<const float> group) {
  double sum = 0.0;
  for (const float x : group) {
    const double e = static_cast<double>(q.dequantize(q.quantize(x, p), p)) - static_cast<double>(x);
    sum += e * e;
  }
  return sum;
}

}  // namespace

TEST_CASE("TernaryScaled: absmean leaves 31 % of Gaussian weights zero, absmedian 26 %", "[quantizer][ternary]") {
  const auto w = test::gaussian_weights();
  for (const auto& [rule, want] : {std::pair{TernaryRule::absmean, 0.311}, {TernaryRule::absmedian, 0.264}}) {
    std::size_t zeros = 0;
    const Exact q = with(rule, true);
    for (std::size_t begin = 0; begin < w.size(); begin += 128) {
      const auto p = q.fit(std::span(w).subspan(begin, 128));
      for (std::size_t i = begin; i < begin + 128; ++i) zeros += q.quantize(w[i], p) == 1 ? 1 : 0;
    }
    CHECK(static_cast<double>(zeros) / static_cast<double>(w.size()) == test::Approx(want).epsilon(0.02));
  }
}

TEST_CASE("TernaryScaled: the threshold 0.77·mean|w| with a least-squares scale loses 0.1901 of Gaussian weights",
          "[quantizer][ternary][published]") {
  const auto w = test::gaussian_weights();
  TernaryScaled<float, per_tensor> q;
  q.rule = TernaryRule::threshold;
  const auto lost = [&](float threshold) {
    q.threshold = threshold;
    return test::distortion(q, w).nmse;
  };
  CHECK(lost(0.77f) == test::Approx(0.1901).epsilon(0.02));
  CHECK(lost(0.77f) < lost(0.7f));
  CHECK(lost(0.77f) < lost(0.85f));
}

TEST_CASE("TernaryScaled: the least-squares scale never errs more, and the optimal rule never more than any",
          "[quantizer][ternary]") {
  Rng rng(31);
  for (int trial = 0; trial < 400; ++trial) {
    std::vector<float> group(1 + rng.below(128));
    for (float& x : group) x = static_cast<float>(rng.normal() * (rng.below(10) == 0 ? 5.0 : 1.0));
    const double best = squared_error(with(TernaryRule::optimal, true), with(TernaryRule::optimal, true).fit(group), group);
    for (const TernaryRule rule : ternary_rules) {
      const Exact plain = with(rule, false), fitted = with(rule, true);
      CHECK(squared_error(fitted, fitted.fit(group), group) <= squared_error(plain, plain.fit(group), group) * (1 + 1e-5));
      CHECK(best <= squared_error(fitted, fitted.fit(group), group) * (1 + 1e-5));
    }
  }
}

TEST_CASE("TernaryScaled: the optimal rule is the best of all codes, by exhaustion", "[quantizer][ternary]") {
  Rng rng(8);
  for (int trial = 0; trial < 100; ++trial) {
    std::vector<float> group(6);
    double power = 0.0;
    for (float& x : group) {
      x = static_cast<float>(rng.normal());
      power += static_cast<double>(x) * static_cast<double>(x);
    }
    double most = 0.0;  // (Σwq)²/Σq² over all 3^6 codes
    for (int code = 0; code < 729; ++code) {
      double dot = 0.0, count = 0.0;
      for (int i = 0, rest = code; i < 6; ++i, rest /= 3) {
        dot += static_cast<double>(group[static_cast<std::size_t>(i)]) * (rest % 3 - 1);
        count += rest % 3 != 1 ? 1.0 : 0.0;
      }
      if (count > 0.0) most = std::max(most, dot * dot / count);
    }
    const Exact q = with(TernaryRule::optimal, true);
    CHECK(squared_error(q, q.fit(group), group) == test::Approx(power - most).epsilon(1e-5).margin(1e-9));
  }
}

TEST_CASE("TernaryScaled: ternary groups come back, zeros stay, five trits share a byte", "[quantizer][ternary]") {
  for (const TernaryRule rule : ternary_rules) {
    const Exact q = with(rule, true);
    const std::vector<float> own = {0.5f, -0.5f, 0.0f, 0.5f, 0.5f, 0.5f, -0.5f}, zeros(9, 0.0f), tiny = {1e-42f};
    const auto p = q.fit(own);
    for (const float x : own) CHECK(q.dequantize(q.quantize(x, p), p) == x);
    CHECK(q.load(q.store(p), 0) == p);
    CHECK(q.fit(zeros).scale == 0.0f);
    CHECK(q.dequantize(q.quantize(0.0f, q.fit(zeros)), q.fit(zeros)) == 0.0f);
    CHECK(q.fit(tiny).scale == 0.0f);
  }
  const auto w = test::gaussian_weights();
  CHECK(quantize_nearest(TernaryScaled<>{}, w, 64, 4096).value().bits_per_weight() ==
        test::Approx(1.6 + 16.0 / 128).epsilon(2e-3));
}

TEST_CASE("BinaryScaled: mean |w| is the best scale for signs", "[quantizer][binary]") {
  const auto w = test::gaussian_weights();
  const BinaryScaled<1, float> q;
  for (std::size_t begin = 0; begin < 100 * 128; begin += 128) {
    const auto group = std::span(w).subspan(begin, 128);
    auto p = q.fit(group);
    const double best = squared_error(q, p, group);
    for (const float factor : {0.99f, 1.01f}) {
      auto moved = p;
      moved.scale[0] *= factor;
      CHECK(squared_error(q, moved, group) >= best);
    }
  }
}

TEST_CASE("BinaryScaled: every further plane lowers the error; centering moves the signs' threshold", "[quantizer][binary]") {
  const auto w = test::gaussian_weights();
  const double one = test::distortion(BinaryScaled<1>{}, w).nmse, two = test::distortion(BinaryScaled<2>{}, w).nmse,
               three = test::distortion(BinaryScaled<3>{}, w).nmse;
  CHECK(two < 0.5 * one);
  CHECK(three < 0.5 * two);
  BinaryScaled<1, float> q;
  q.centered = true;
  const std::vector<float> shifted = {1.0f, 2.0f, 3.0f, 4.0f};
  const auto p = q.fit(shifted);
  CHECK(p.scale[0] == 2.5f);
  CHECK(q.quantize(2.0f, p) == 0);
  CHECK(q.quantize(3.0f, p) == 1);
  const std::vector<float> zeros(3, 0.0f);
  CHECK(q.dequantize(q.quantize(0.0f, q.fit(zeros)), q.fit(zeros)) == 0.0f);
}

}  // namespace lowbit::test::ternary_binary_tests
