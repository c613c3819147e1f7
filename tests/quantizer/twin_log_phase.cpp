// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>
#include <complex>

#include "catch.hpp"
#include "support/rate_presets.hpp"
#include "support/rate_table.hpp"

namespace lowbit::test::twin_log_phase_tests {

TEST_CASE("TwinLog: codes ascend with their points, and points come back", "[quantizer][twin_log]") {
  Rng rng(3);
  for (const std::size_t size : {1, 2, 7, 1024}) {
    std::vector<float> group(size);
    for (float& x : group) x = static_cast<float>(0.02 * rng.normal());
    const TwinLog<4> q;
    const auto p = q.fit(group);
    float before = -1e30f;
    for (int c = 0; c < 16; ++c) {
      const bool used = c >= 8 ? p.positive.step != 0.0f : p.negative.step != 0.0f;
      const float x = q.dequantize(static_cast<std::uint8_t>(c), p);
      CHECK(x >= before);
      if (used) CHECK(q.quantize(x, p) == c);
      before = x;
    }
  }
}

TEST_CASE("TwinLog: inside its range the relative error is at most 2^(s/2) − 1", "[quantizer][twin_log]") {
  const auto w = test::gaussian_weights();
  const TwinLog<4> q;
  const auto p = q.fit(std::span(w).first(1024));
  std::size_t wrong = 0, inside = 0;
  for (const float x : std::span(w).first(1024)) {
    const float first = q.dequantize(x > 0.0f ? 8 : 7, p), last = q.dequantize(x > 0.0f ? 15 : 0, p);
    if (std::fabs(x) < std::fabs(first) || std::fabs(x) > std::fabs(last)) continue;
    ++inside;
    const float step = x > 0.0f ? p.positive.step : p.negative.step;
    const float error = std::fabs(q.dequantize(q.quantize(x, p), p) - x) / std::fabs(x);
    wrong += error > std::exp2(step / 2.0f) - 1.0f + 1e-5f ? 1 : 0;
  }
  CHECK(inside > 500);
  CHECK(wrong == 0);
}

TEST_CASE("TwinLog: rounding is monotone on either sign", "[quantizer][twin_log][published]") {
  auto w = test::gaussian_weights();
  w.resize(1024);
  const TwinLog<4> q;
  const auto p = q.fit(w);
  std::sort(w.begin(), w.end());
  std::size_t falls = 0;
  for (std::size_t i = 0; i + 1 < w.size(); ++i)
    if ((w[i] > 0.0f) == (w[i + 1] > 0.0f))
      falls += q.dequantize(q.quantize(w[i], p), p) > q.dequantize(q.quantize(w[i + 1], p), p) ? 1 : 0;
  CHECK(falls == 0);
  CHECK(q.dequantize(q.quantize(w.front(), p), p) < q.dequantize(q.quantize(w.back(), p), p));
}

TEST_CASE("TwinLog: beats int4 on Laplacian weights in groups of 1024", "[quantizer][twin_log]") {
  auto w = test::laplacian_weights();
  w.resize(1 << 16);
  CHECK(test::distortion(TwinLog<4>{}, w).nmse <
        test::distortion(test::uniform<Int4, ZeroPoint::none, 1024>(), w).nmse);
}

TEST_CASE("TwinLog: with both ends searched it errs less than published, with integer zeros a twentieth more",
          "[quantizer][twin_log][published]") {
  auto g = test::gaussian_weights(), l = test::laplacian_weights();
  g.resize(1 << 16);
  l.resize(1 << 16);
  CHECK(test::distortion(TwinLog<4>{}, g).nmse < 0.0134);
  CHECK(test::distortion(TwinLog<4>{}, l).nmse < 0.0180);
  TwinLog<4> rounded;
  rounded.integer_zero = true;
  CHECK(test::distortion(rounded, g).nmse < 1.06 * 0.0134);
  CHECK(test::distortion(rounded, l).nmse < 1.06 * 0.0180);
}

TEST_CASE("TwinLog: zeros, one sign, and zero groups", "[quantizer][twin_log]") {
  const TwinLog<3> q;
  const std::vector<float> zeros(5, 0.0f), positive = {0.5f, 1.0f, 2.0f};
  CHECK(q.dequantize(q.quantize(0.0f, q.fit(zeros)), q.fit(zeros)) == 0.0f);
  const auto p = q.fit(positive);
  CHECK(q.dequantize(q.quantize(-1.0f, p), p) == 0.0f);  // no weight had that sign
  CHECK(q.quantize(0.0f, p) == 4);                       // the smallest positive point
}

namespace {

template <int Stages>
double phase_error(std::span<const float> group) {
  const PhaseScaled<Stages, float> q;
  const auto p = q.fit(group);
  double sum = 0.0;
  for (std::size_t i = 0; i < group.size(); i += 2) {
    float y[2];
    q.dequantize(q.quantize(std::span<const float, 2>(group.data() + i, 2), p), p, y);
    for (std::size_t k = 0; k < 2; ++k) sum += std::pow(static_cast<double>(group[i + k]) - static_cast<double>(y[k]), 2);
  }
  return sum;
}

}  // namespace

TEST_CASE("PhaseScaled: no stage raises the error", "[quantizer][phase]") {
  const auto w = test::gaussian_weights();
  for (std::size_t begin = 0; begin < 64 * 128; begin += 128) {
    const auto group = std::span(w).subspan(begin, 128);
    const double one = phase_error<1>(group), two = phase_error<2>(group), three = phase_error<3>(group);
    CHECK(two <= one);
    CHECK(three <= two);
  }
}

TEST_CASE("PhaseScaled: odd rows end in a real number, zero groups are zeros", "[quantizer][phase]") {
  const std::vector<float> row = {1.0f, 0.0f, 0.0f, -2.0f, -1.0f};
  const auto m = quantize_nearest(PhaseScaled<1, float>{}, row, 1, 5).value();
  std::vector<float> back(5);
  dequantize(m.view(), 0, 1, back);
  CHECK(back == row);
  const std::vector<float> zeros(6, 0.0f);
  const auto z = quantize_nearest(PhaseScaled<2>{}, zeros, 1, 6).value();
  back.assign(6, 1.0f);
  dequantize(z.view(), 0, 1, back);
  CHECK(back == zeros);
}

}  // namespace lowbit::test::twin_log_phase_tests
