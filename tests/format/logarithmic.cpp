// SPDX-License-Identifier: MIT
#include <bit>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/format/apot.hpp"
#include "lowbit/format/log2.hpp"
#include "lowbit/format/post.hpp"
#include "lowbit/format/power_of_two.hpp"

namespace lowbit::test::logarithmic_tests {

namespace {

template <class F>
std::vector<float> magnitudes() {
  return {F::levels.begin(), F::levels.begin() + F::cardinality / 2};
}

template <class F>
std::size_t signs_differ() {
  std::size_t wrong = 0;
  for (std::size_t c = 0; c < F::cardinality / 2; ++c) {
    wrong += F::levels[c + F::cardinality / 2] == -F::levels[c] ? 0 : 1;
    wrong += F::encode(-F::levels[c]) == c + F::cardinality / 2 ? 0 : 1;
    wrong += F::encode(F::levels[c]) == c ? 0 : 1;
  }
  return wrong;
}

}  // namespace

TEST_CASE("PowerOfTwo: magnitudes are 0 and 2^-(2^(b-1) - 2) to 1", "[format][pot]") {
  CHECK(magnitudes<PowerOfTwo<2>>() == std::vector<float>{0, 1});
  CHECK(magnitudes<PowerOfTwo<3>>() == std::vector<float>{0, .25f, .5f, 1});
  CHECK(magnitudes<PowerOfTwo<4>>() == std::vector<float>{0, 0x1p-6f, 0x1p-5f, 0x1p-4f, .125f, .25f, .5f, 1});
  CHECK(PowerOfTwo<7>::levels[1] == 0x1p-62f);
  CHECK(PowerOfTwo<4>::encode(0.75f) == 6);  // ties to the smaller magnitude
  CHECK(PowerOfTwo<4>::encode(-0.76f) == 15);
  CHECK(signs_differ<PowerOfTwo<2>>() + signs_differ<PowerOfTwo<4>>() + signs_differ<PowerOfTwo<7>>() == 0);
}

TEST_CASE("Apot: magnitudes are all sums of the published terms over the largest", "[format][apot]") {
  CHECK(magnitudes<Apot<2>>() == std::vector<float>{0, 1});
  CHECK(magnitudes<Apot<3>>() == std::vector<float>{0, .25f, .5f, 1});
  CHECK(magnitudes<Apot<4>>() == std::vector<float>{0, .1f, .2f, .3f, .4f, .6f, .8f, 1});
  std::set<float> sums;
  for (const double a : {0.0, 0x1p-1, 0x1p-3, 0x1p-5})
    for (const double b : {0.0, 0x1p-2, 0x1p-4, 0x1p-6}) sums.insert(static_cast<float>((a + b) / 0.75));
  CHECK(magnitudes<Apot<5>>() == std::vector<float>(sums.begin(), sums.end()));
  CHECK(signs_differ<Apot<2>>() + signs_differ<Apot<3>>() + signs_differ<Apot<4>>() + signs_differ<Apot<5>>() == 0);
}

TEST_CASE("Post: magnitudes are 0 and the powers of the root of 1/2, to float", "[format][post]") {
  std::size_t wrong = 0;
  const auto look = [&](const std::vector<float>& got) {
    wrong += got[0] == 0.0f ? 0 : 1;
    for (std::size_t k = 0; k + 1 < got.size(); ++k) {
      const float want = static_cast<float>(std::pow(0.5, static_cast<double>(k) / 2.0));
      wrong += got[got.size() - 1 - k] == want ? 0 : 1;
    }
  };
  look(magnitudes<Post<2>>());
  look(magnitudes<Post<3>>());
  look(magnitudes<Post<4>>());
  look(magnitudes<Post<8>>());
  CHECK(wrong == 0);
  CHECK(signs_differ<Post<3>>() + signs_differ<Post<4>>() + signs_differ<Post<8>>() == 0);
}

namespace {

/// round(−per_octave · log2 x) by way of double, zero's code from 2^b − 1 on.
template <class F>
int log_code(float x, double per_octave) {
  if (!(x > 0.0f)) return F::zero_code;
  const double q = std::floor(-per_octave * std::log2(static_cast<double>(x)) + 0.5);
  return q <= 0.0 ? 0 : q >= F::zero_code ? F::zero_code : static_cast<int>(q);
}

template <class F>
std::size_t wrong_log_codes(double per_octave) {
  std::size_t wrong = 0;
  Rng rng(8);
  for (int i = 0; i < 200000; ++i) {  // every positive float, zero and subnormals among them
    const float x = std::bit_cast<float>(static_cast<std::uint32_t>(rng.below(0x7f800001u)));
    wrong += F::encode(x) == log_code<F>(x, per_octave) ? 0 : 1;
  }
  for (double k = -4.0; k < 80.0; k += 0.25) {  // steps and points; double tells the floats beside a step apart
    const auto centre = static_cast<float>(std::exp2(-k));
    for (const float x : {centre, std::nextafterf(centre, 2e9f), std::nextafterf(centre, 0.0f)})
      wrong += F::encode(x) == log_code<F>(x, per_octave) ? 0 : 1;
  }
  return wrong;
}

template <class F>
double worst_relative_error() {
  double worst = 0.0;
  Rng rng(12);
  // Inside the range: from the smallest point to 1.
  const double octaves = -std::log2(static_cast<double>(F::levels[F::zero_code - 1u]));
  for (int i = 0; i < 100000; ++i) {
    const auto x = static_cast<float>(std::exp2(-octaves * static_cast<double>(rng.below(1 << 24)) * 0x1p-24));
    const auto y = static_cast<double>(F::decode(F::encode(x)));
    worst = std::max(worst, std::fabs(y / static_cast<double>(x) - 1.0));
  }
  return worst;
}

}  // namespace

TEST_CASE("Log2: code q is 2^-q, chosen by rounding -log2 x; the last code is 0", "[format][log2]") {
  CHECK(wrong_log_codes<Log2<2>>(1.0) == 0);
  CHECK(wrong_log_codes<Log2<4>>(1.0) == 0);
  CHECK(wrong_log_codes<Log2<6>>(1.0) == 0);
  for (int q = 0; q < 15; ++q) CHECK(Log2<4>::levels[static_cast<std::size_t>(q)] == std::ldexp(1.0f, -q));
  CHECK(Log2<4>::levels[15] == 0.0f);
  CHECK(Log2<4>::encode(0.0f) == 15);
  CHECK(Log2<4>::encode(-0.3f) == 15);
  CHECK(Log2<4>::encode(1.0f) == 0);
  CHECK(Log2<4>::encode(3.0f) == 0);
  CHECK(Log2<4>::encode(std::numeric_limits<float>::infinity()) == 0);
  CHECK(Log2<4>::encode(std::numeric_limits<float>::denorm_min()) == 15);
}

TEST_CASE("LogSqrt2: code q is 2^(-q/2), chosen by rounding -2 log2 x; the last code is 0", "[format][log2]") {
  CHECK(wrong_log_codes<LogSqrt2<2>>(2.0) == 0);
  CHECK(wrong_log_codes<LogSqrt2<4>>(2.0) == 0);
  CHECK(wrong_log_codes<LogSqrt2<6>>(2.0) == 0);
  for (int q = 0; q < 15; ++q)
    CHECK(LogSqrt2<4>::levels[static_cast<std::size_t>(q)] == static_cast<float>(std::exp2(-0.5 * q)));
  CHECK(LogSqrt2<4>::levels[15] == 0.0f);
  CHECK(LogSqrt2<4>::encode(0.0f) == 15);
  CHECK(LogSqrt2<4>::encode(-1.0f) == 15);
  CHECK(LogSqrt2<4>::encode(7.0f) == 0);
}

TEST_CASE("Log2 and LogSqrt2: the relative error stays below 41.4 % and 18.9 %, and comes near", "[format][log2]") {
  const double log2_bound = std::sqrt(2.0) - 1.0, sqrt2_bound = std::pow(2.0, 0.25) - 1.0;
  CHECK(worst_relative_error<Log2<4>>() <= log2_bound + 1e-6);
  CHECK(worst_relative_error<Log2<4>>() >= 0.99 * log2_bound);
  CHECK(worst_relative_error<LogSqrt2<4>>() <= sqrt2_bound + 1e-6);
  CHECK(worst_relative_error<LogSqrt2<4>>() >= 0.99 * sqrt2_bound);
  CHECK(worst_relative_error<LogSqrt2<6>>() <= sqrt2_bound + 1e-6);
}

}  // namespace lowbit::test::logarithmic_tests
