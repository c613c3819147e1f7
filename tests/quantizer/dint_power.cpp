// SPDX-License-Identifier: MIT
#include <cmath>
#include <vector>

#include "catch.hpp"
#include "lowbit/quantizer/dint_scaled.hpp"
#include "lowbit/quantizer/power_scaled.hpp"
#include "support/rate_table.hpp"

namespace lowbit::test::dint_power_tests {
namespace {

template <class Q>
std::vector<float> round_trip(const Q& q, const std::vector<float>& w, std::size_t rows, std::size_t cols) {
  const auto m = quantize_nearest(q, w, rows, cols).value();
  std::vector<float> back(w.size(), 1e30f);
  dequantize(m.view(), 0, rows, back);
  return back;
}

TEST_CASE("DIntScaled: a group on its grid comes back, halves beside zero included", "[quantizer][dint]") {
  using Q = DIntScaled<4, float, 16>;
  for (const float scale : {1.0f, 0.375f, 0x1p-60f})
    for (int zero = 0; zero <= 13; ++zero) {
      std::vector<float> group{0.5f * scale, -0.5f * scale, 0.0f};
      for (int q = -zero; q <= 13 - zero; ++q)
        if (group.size() < 16) group.push_back(scale * static_cast<float>(q));
      if (zero == 0) group[1] = 0.0f;
      if (zero == 13) group[0] = 0.0f;
      if (group.size() < 16) group.push_back(scale * static_cast<float>(13 - zero));
      // Both ends are there, so the fit finds this scale and zero.
      CAPTURE(scale, zero);
      group.back() = scale * static_cast<float>(zero == 13 ? -13 : 13 - zero);
      group[3] = zero == 13 ? 0.0f : -scale * static_cast<float>(zero);
      CHECK(Q{}.fit(group) == Q::params_type{scale, static_cast<std::uint8_t>(zero)});
      CHECK(round_trip(Q{}, group, 1, 16) == group);
    }
}

TEST_CASE("DIntScaled: never farther than half a step inside its range, a quarter beside zero", "[quantizer][dint]") {
  const auto all = test::gaussian_weights();
  const std::vector<float> w(all.begin(), all.begin() + 64 * 1000);
  using Q = DIntScaled<4, f16, 64>;
  const auto m = quantize_nearest(Q{}, w, 64, 1000).value();
  std::vector<float> back(w.size());
  dequantize(m.view(), 0, 64, back);
  const Groups groups(64, 1000, 64);
  for (std::size_t r = 0; r < 64; ++r)
    for (std::size_t g = 0; g < groups.per_row_count(); ++g) {
      const std::vector<float> group(&w[r * 1000 + groups.begin(g)], &w[r * 1000] + groups.end(g));
      const auto p = Q{}.fit(group);
      REQUIRE(Q{}.load(Q{}.store(p), Q{}.store_zero(p)) == p);
      for (std::size_t c = groups.begin(g); c < groups.end(g); ++c) {
        const float x = w[r * 1000 + c], low = -p.scale * static_cast<float>(p.zero);
        const float high = p.scale * static_cast<float>(13 - p.zero);
        if (x < low || x > high) continue;
        REQUIRE(std::abs(back[r * 1000 + c] - x) <= p.scale * (std::abs(x) < 0.75f * p.scale ? 0.2501f : 0.5001f));
      }
    }
  CHECK(m.bits_per_weight() == Approx(4.0 + (16.0 + 4.0) * 16 / 1000).epsilon(1e-12));
}

TEST_CASE("DIntScaled: one-sided weights keep twice the steps of the symmetric form", "[quantizer][dint]") {
  std::vector<float> w = test::gaussian_weights();
  for (float& x : w) x = std::abs(x);
  CHECK(test::distortion(DIntScaled<4>{}, w).nmse < 0.4 * test::distortion(Scaled<DInt<4>>{}, w).nmse);
}

TEST_CASE("PowerScaled: exponent 1 is narrow uniform quantization", "[quantizer][power]") {
  const auto all = test::gaussian_weights();
  const std::vector<float> w(all.begin(), all.begin() + 4096);
  auto narrow = Uniform<Int4, UniformOptions{.scale = ScaleStorage::f32}>{};
  narrow.rule = SymmetricRule::narrow;
  const PowerScaled<4, float> q;  // its points are uniform until a matrix sets them
  const auto p = q.fit(std::span(w).first(128));
  const auto n = narrow.fit(std::span(w).first(128));
  for (std::size_t i = 0; i < 128; ++i)
    CHECK(q.dequantize(q.quantize(w[i], p), p) == Approx(narrow.dequantize(narrow.quantize(w[i], n), n)).epsilon(1e-6));
}

TEST_CASE("PowerScaled: the exponent is the best of its grid, below one for heavy tails, above for flat ones",
          "[quantizer][power]") {
  Rng rng(3);
  std::vector<float> flat(64 * 512);
  for (float& x : flat) x = static_cast<float>(2.0 * rng.uniform() - 1.0);
  const auto heavy = [&] {
    const auto all = test::laplacian_weights();
    return std::vector<float>(all.begin(), all.begin() + 64 * 512);
  }();
  const auto exponent = [](const std::vector<float>& w) {
    return quantize_nearest(PowerScaled<4>{}, w, 64, 512).value().view().shared[0];
  };
  CHECK(exponent(heavy) < 0.8f);
  CHECK(exponent(flat) > 0.95f);
  // Against every exponent of the coarse grid, set by hand.
  const auto error = [&](float a) {
    Power<4> points(a);
    double sum = 0.0;
    for (std::size_t g = 0; g < heavy.size(); g += 128) {
      float most = 0.0f;
      for (std::size_t i = g; i < g + 128; ++i) most = std::max(most, std::abs(heavy[i]));
      for (std::size_t i = g; i < g + 128; ++i) {
        const double d = static_cast<double>(heavy[i]) - static_cast<double>(most * points.decode(points.encode(heavy[i] / most)));
        sum += d * d;
      }
    }
    return sum;
  };
  const double chosen = error(exponent(heavy));
  for (int a = 25; a <= 125; a += 5) CHECK(chosen <= error(static_cast<float>(a) / 100.0f) * (1.0 + 1e-6));
}

TEST_CASE("PowerScaled: codes are those of the format Power, and of its points", "[quantizer][power]") {
  const auto all = test::laplacian_weights();
  const std::vector<float> w(all.begin(), all.begin() + 8 * 256);
  const auto m = quantize_nearest(PowerScaled<4, float>{}, w, 8, 256).value();
  const Power<4> format(m.view().shared[0]);
  const auto back = round_trip(PowerScaled<4, float>{}, w, 8, 256);
  for (std::size_t g = 0; g < w.size(); g += 128) {
    float most = 0.0f;
    for (std::size_t i = g; i < g + 128; ++i) most = std::max(most, std::abs(w[i]));
    for (std::size_t i = g; i < g + 128; ++i)
      CHECK(back[i] == Approx(most * format.decode(format.encode(w[i] / most))).epsilon(1e-6));
  }
  CHECK(m.bits_per_weight() == Approx(4.0 + 32.0 / 128 + 32.0 * 8 / (8 * 256)).epsilon(1e-12));
}

TEMPLATE_TEST_CASE("DIntScaled and PowerScaled: every shape; zeros stay zeros", "[quantizer][dint][power]",
                   (DIntScaled<4, f16, 8>), (DIntScaled<3, bf16, per_tensor>), (DIntScaled<8, float, per_row>),
                   (PowerScaled<2, f16, 8>), (PowerScaled<4, bf16, per_row>), (PowerScaled<8, float, per_tensor>)) {
  for (const auto& [rows, cols] : {std::pair<std::size_t, std::size_t>{1, 1}, {3, 7}, {5, 17}, {100, 33}, {0, 4}, {4, 0}}) {
    auto w = std::vector<float>(test::gaussian_weights());
    w.resize(rows * cols);
    for (std::size_t i = 0; i < w.size(); i += 3) w[i] = 0.0f;
    const auto back = round_trip(TestType{}, w, rows, cols);
    for (std::size_t i = 0; i < w.size(); ++i) {
      if (i % 3 == 0) CHECK(back[i] == 0.0f);
      CHECK(std::isfinite(back[i]));
    }
  }
  const std::vector<float> zeros(64, 0.0f);
  CHECK(round_trip(TestType{}, zeros, 2, 32) == zeros);
}

}  // namespace
}  // namespace lowbit::test::dint_power_tests
