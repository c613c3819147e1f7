// SPDX-License-Identifier: MIT
#include "lowbit/format/bsq.hpp"

#include <array>
#include <cmath>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/pack/dense_words.hpp"
#include "lowbit/quantizer/nearest.hpp"
#include "lowbit/quantizer/vector_scaled.hpp"

namespace lowbit::test::bsq_tests {

namespace {

template <std::size_t N>
std::array<float, N> direction(Rng& rng) {
  std::array<float, N> x;
  double square = 0.0;
  for (float& v : x) {
    v = static_cast<float>(rng.normal());
    square += static_cast<double>(v) * static_cast<double>(v);
  }
  for (float& v : x) v = static_cast<float>(static_cast<double>(v) / std::sqrt(square));
  return x;
}

template <std::size_t N>
double squared_error(const std::array<float, N>& x, typename Bsq<N>::code_type code, double gain = 1.0) {
  std::array<float, N> y;
  Bsq<N>{}.decode(code, y);
  double sum = 0.0;
  for (std::size_t i = 0; i < N; ++i)
    sum += std::pow(gain * static_cast<double>(y[i]) - static_cast<double>(x[i]), 2);
  return sum;
}

}  // namespace

TEST_CASE("Bsq: the signs are the nearest of all 2^12 points, and every code comes back", "[format][bsq][published]") {
  Rng rng(1);
  for (int t = 0; t < 60; ++t) {
    auto x = direction<12>(rng);
    if (t % 4 == 0)
      for (float& v : x) v *= 100.0f;
    const double own = squared_error<12>(x, Bsq<12>{}.encode(x));
    for (unsigned c = 0; c < 4096; ++c) REQUIRE(own <= squared_error<12>(x, static_cast<std::uint16_t>(c)) * (1 + 1e-12));
  }
  std::array<float, 12> y;
  for (unsigned c = 0; c < 4096; ++c) {
    Bsq<12>{}.decode(static_cast<std::uint16_t>(c), y);
    REQUIRE(Bsq<12>{}.encode(y) == c);
  }
}

TEST_CASE("Bsq: the first coordinate is the most significant bit, zero and NaN are negative", "[format][bsq][published]") {
  const std::array<float, 4> x = {1.0f, 0.0f, -0.0f, 2.0f}, bad = {NAN, 1.0f, -1.0f, -INFINITY};
  CHECK(Bsq<4>{}.encode(x) == 0b1001);
  CHECK(Bsq<4>{}.encode(bad) == 0b0100);
  std::array<float, 4> y;
  Bsq<4>{}.decode(0b1000, y);
  CHECK(y == std::array<float, 4>{0.5f, -0.5f, -0.5f, -0.5f});
  std::array<float, 64> last{};
  last[63] = 1.0f;
  CHECK(Bsq<64>{}.encode(last) == 1);
  last[0] = 1.0f;
  CHECK(Bsq<64>{}.encode(last) == (std::uint64_t{1} << 63 | 1));
  CHECK(Bsq<64>::cardinality == ~std::size_t{0});
  CHECK(Bsq<18>::name == "bsq18");
}

TEST_CASE("Bsq: a unit vector errs by 2 − 2·|x|/√d, at most 2 − 2/√d", "[format][bsq][published]") {
  Rng rng(2);
  // The identity in exact coordinates ±1/√d: those of Bsq<16> are ±1/4, and vectors of small integers have exact sums.
  for (int t = 0; t < 200; ++t) {
    std::array<double, 16> v{};
    double square = 0.0, sum = 0.0, error = 0.0;
    std::array<float, 16> x;
    for (std::size_t i = 0; i < 16; ++i) {
      v[i] = static_cast<double>(rng.below(17)) - 8.0;
      square += v[i] * v[i];
      x[i] = static_cast<float>(v[i]);
    }
    if (square == 0.0) continue;
    std::array<float, 16> y;
    Bsq<16>{}.decode(Bsq<16>{}.encode(x), y);
    for (std::size_t i = 0; i < 16; ++i) {
      const double u = v[i] / std::sqrt(square);
      sum += std::fabs(u);
      error += (u - static_cast<double>(y[i])) * (u - static_cast<double>(y[i]));
    }
    CHECK(std::fabs(error - (2.0 - 2.0 * sum / 4.0)) <= 1e-12);
    CHECK(error <= 2.0 - 2.0 / 4.0 + 1e-12);
  }
}

TEST_CASE("Bsq: random directions err by 2 − 2·√(2/π), and the gain is that of least squares", "[format][bsq][published]") {
  Rng rng(3);
  double sum = 0.0;
  for (int t = 0; t < 3000; ++t) {
    const auto x = direction<64>(rng);
    sum += squared_error<64>(x, Bsq<64>{}.encode(x));
    const double gain = Bsq<64>::gain(x);
    const auto code = Bsq<64>{}.encode(x);
    CHECK(squared_error<64>(x, code, gain) <= squared_error<64>(x, code, gain * 1.01));
    CHECK(squared_error<64>(x, code, gain) <= squared_error<64>(x, code, gain * 0.99));
  }
  CHECK(sum / 3000.0 == test::Approx(0.404).epsilon(0.02));
}

TEST_CASE("Bsq: a group of one code under VectorScaled stores its gain", "[format][bsq]") {
  using Q = VectorScaled<Bsq<16>, float, 16>;
  Rng rng(4);
  std::vector<float> w(3 * 40);
  for (float& v : w) v = static_cast<float>(rng.normal());
  const auto m = quantize_nearest(Q{}, w, 3, 40).value();
  CHECK(m.view().consistent());
  for (std::size_t r = 0; r < 3; ++r) {
    CHECK(m.group_params(r, 0).scale ==
          test::Approx(Bsq<16>::gain(std::span<const float, 16>(w.data() + r * 40, 16))).epsilon(1e-5));
  }
}

}  // namespace lowbit::test::bsq_tests
