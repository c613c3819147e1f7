// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/format/bnb_fp4.hpp"
#include "lowbit/format/dynamic8.hpp"
#include "lowbit/format/nf4.hpp"
#include "lowbit/format/normal_float.hpp"

namespace lowbit::test::tables_tests {

namespace {

double normal_distribution(double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); }

template <class F>
bool strictly_ascending() {
  return std::adjacent_find(F::levels.begin(), F::levels.end(), std::greater_equal<>()) == F::levels.end();
}

}  // namespace

TEST_CASE("NF4: sixteen ascending codes, zero is code 7, ties go down", "[format][nf4]") {
  CHECK(strictly_ascending<NF4>());
  CHECK(NF4::encode(0.0f) == 7);
  CHECK(NF4::encode(-0.0f) == 7);
  CHECK(NF4::decode(7) == 0.0f);
  CHECK(NF4::encode(-1.0f) == 0);
  CHECK(NF4::encode(1.0f) == 15);
  CHECK(NF4::encode(-1e30f) == 0);
  CHECK(NF4::encode(std::numeric_limits<float>::infinity()) == 15);
  CHECK(NF4::encode(std::numeric_limits<float>::quiet_NaN()) == 0);
  // Halfway between 0 and code 8, exact in float: the sum of a float and zero, halved.
  const float middle = 0.5f * NF4::levels[8];
  CHECK(NF4::encode(middle) == 7);
  CHECK(NF4::encode(std::nextafterf(middle, 1.0f)) == 8);
  const float below = 0.5f * NF4::levels[6];
  CHECK(NF4::encode(below) == 6);
  CHECK(NF4::encode(std::nextafterf(below, 0.0f)) == 7);
  static_assert(NF4::encode(0.3f) == 11);
}

TEST_CASE("NF4: a block of scaled levels comes back exactly", "[format][nf4]") {
  for (const float most : {1.0f, 0.37f, 1e-20f, 12345.678f})
    for (std::size_t c = 0; c < 16; ++c) CHECK(NF4::encode(most * NF4::levels[c] / most) == c);
}

TEST_CASE("NormalFloat: levels are quantiles of the normal distribution; four bits are the table of NF4",
          "[format][nf4]") {
  double far = 0.0;
  for (std::size_t c = 0; c < 16; ++c)
    far =
        std::max(far, std::fabs(static_cast<double>(NormalFloat<4>::levels[c]) - static_cast<double>(NF4::levels[c])));
  CHECK(far <= 2e-7);  // the table was made in float

  const auto wrong_quantiles = [](const auto& levels) {
    // Φ(level · end), end the quantile of 0.9677083, is evenly spaced on either side of zero.
    const auto size = static_cast<int>(levels.size());
    const double outermost = 0.9677083;
    double end = 0.0;  // by bisection
    for (double step = 4.0; step > 1e-16; step *= 0.5) end += normal_distribution(end + step) <= outermost ? step : 0.0;
    int wrong = 0;
    for (int c = 0; c < size; ++c) {
      const int zero = size / 2 - 1;
      const double share =
          c >= zero ? static_cast<double>(c - zero) / (size / 2) : -static_cast<double>(zero - c) / (size / 2 - 1);
      const double want = 0.5 + (outermost - 0.5) * share;
      const double got = normal_distribution(end * static_cast<double>(levels[static_cast<std::size_t>(c)]));
      wrong += std::fabs(got - want) < 1e-7 ? 0 : 1;
    }
    return wrong;
  };
  CHECK(wrong_quantiles(NormalFloat<2>::levels) == 0);
  CHECK(wrong_quantiles(NormalFloat<3>::levels) == 0);
  CHECK(wrong_quantiles(NormalFloat<4>::levels) == 0);
  CHECK(wrong_quantiles(NormalFloat<8>::levels) == 0);
  CHECK(strictly_ascending<NormalFloat<8>>());
  CHECK((NormalFloat<2>::levels[0] == -1.0f && NormalFloat<2>::levels[1] == 0.0f && NormalFloat<2>::levels[3] == 1.0f));
  CHECK(NormalFloat<8>::levels[127] == 0.0f);
  CHECK((NormalFloat<8>::levels[0] == -1.0f && NormalFloat<8>::levels[255] == 1.0f));
  CHECK(NormalFloat<3>::name == "normalfloat3");
}

TEST_CASE("BnbFp4: the code order of bitsandbytes, both signs", "[format][bnb]") {
  const std::array<double, 8> published = {0.0, 0.0052083333, 0.66666667, 1.0, 0.33333333, 0.5, 0.16666667, 0.25};
  for (std::size_t c = 0; c < 8; ++c) {
    CHECK(std::fabs(static_cast<double>(BnbFp4::levels[c]) - published[c]) < 1e-8 + 1e-7 * published[c]);
    CHECK(BnbFp4::levels[c + 8] == -BnbFp4::levels[c]);
    CHECK(BnbFp4::encode(BnbFp4::levels[c]) == c);
    CHECK(BnbFp4::encode(-BnbFp4::levels[c]) == c + 8);
  }
  CHECK(BnbFp4::encode(0.375f) == 4);   // 1/3
  CHECK(BnbFp4::encode(0.003f) == 1);   // 1/192
  CHECK(BnbFp4::encode(0.0026f) == 0);  // below 1/384
  CHECK(BnbFp4::encode(0.8f) == 2);
  CHECK(BnbFp4::encode(-0.9f) == 11);
  CHECK(BnbFp4::encode(1e30f) == 3);
}

TEST_CASE("Dynamic8: 256 distinct ascending points, 0 and 1 among them, midpoints in every decade",
          "[format][dynamic8]") {
  CHECK(strictly_ascending<Dynamic8>());
  CHECK(strictly_ascending<Dynamic8Unsigned>());
  CHECK(Dynamic8::levels[127] == 0.0f);
  CHECK(Dynamic8::levels[255] == 1.0f);
  CHECK(Dynamic8Unsigned::levels[0] == 0.0f);
  CHECK(Dynamic8Unsigned::levels[255] == 1.0f);
  // Named values: the single midpoint of the lowest decade, the ends of the highest, the asymmetry of the ends.
  CHECK(Dynamic8::levels[128] == 0.55e-6f);
  CHECK(Dynamic8::levels[126] == -0.55e-6f);
  CHECK(Dynamic8::levels[129] == 3.25e-6f);
  CHECK(Dynamic8::levels[130] == 7.75e-6f);
  CHECK(Dynamic8::levels[254] == 0.99296875f);
  CHECK(Dynamic8::levels[0] == -0.99296875f);
  CHECK(Dynamic8Unsigned::levels[1] == 3.25e-7f);
  CHECK(Dynamic8Unsigned::levels[254] == 0.996484375f);
  for (std::size_t c = 0; c < 127; ++c) CHECK(Dynamic8::levels[c] == -Dynamic8::levels[254 - c]);
  for (int i = 0; i < 7; ++i) {  // 2^i positive points between 10^(i − 7) and 10^(i − 6)
    const double low = std::pow(10.0, i - 7), high = std::pow(10.0, i - 6);
    const auto inside = [&](float v) {
      return static_cast<double>(v) > low && static_cast<double>(v) < high * 0.9999999;
    };
    CHECK(std::count_if(Dynamic8::levels.begin(), Dynamic8::levels.end(), inside) == (1 << i));
    CHECK(std::count_if(Dynamic8Unsigned::levels.begin(), Dynamic8Unsigned::levels.end(), inside) == (2 << i));
  }
}

TEST_CASE("Dynamic8: in decade i the error is at most 0.45 · 2^-i · 10^(i - 6)", "[format][dynamic8]") {
  Rng rng(6);
  for (int i = 0; i < 7; ++i) {
    const double high = std::pow(10.0, i - 6), low = 0.1 * high;
    double worst = 0.0, worst_unsigned = 0.0, worst_relative = 0.0;
    for (int k = 0; k < 20000; ++k) {
      const double share = k < 2 ? k : static_cast<double>(rng.below(1 << 24)) * 0x1p-24;
      const auto x = static_cast<float>(low + (high - low) * share);
      const double error =
          std::fabs(static_cast<double>(Dynamic8::decode(Dynamic8::encode(x))) - static_cast<double>(x));
      worst = std::max(worst, error);
      worst_relative = std::max(worst_relative, error / static_cast<double>(x));
      worst_unsigned = std::max(worst_unsigned,
                                std::fabs(static_cast<double>(Dynamic8Unsigned::decode(Dynamic8Unsigned::encode(x))) -
                                          static_cast<double>(x)));
    }
    const double bound = 0.45 * std::ldexp(1.0, -i) * high;
    const double ulp = high * 0x1p-23;  // of the points and of x
    INFO(i);
    CHECK(worst <= bound + ulp);
    CHECK(worst >= 0.9 * bound);  // and is reached
    CHECK(worst_unsigned <= 0.5 * bound + ulp);
    if (i == 6) CHECK(worst_relative <= 0.0704);
    if (i == 5) CHECK(worst_relative <= 0.1407);
  }
}

}  // namespace lowbit::test::tables_tests
