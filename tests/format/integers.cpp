// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/core/round.hpp"
#include "lowbit/format/binary.hpp"
#include "lowbit/format/dint.hpp"
#include "lowbit/format/half_offset.hpp"
#include "lowbit/format/mx_int8.hpp"
#include "lowbit/format/nested_code.hpp"
#include "lowbit/format/ternary.hpp"

namespace lowbit::test::integers_tests {

namespace {

constexpr float beyond_all = std::numeric_limits<float>::infinity();

}  // namespace

TEST_CASE("DInt: four bits are -6 to 6 in two's complement, halves at 7 and 9, code 8 unused", "[format][dint]") {
  using F = DInt<4>;
  CHECK(F::levels == std::array<float, 16>{0, 1, 2, 3, 4, 5, 6, .5f, 0, -.5f, -6, -5, -4, -3, -2, -1});
  CHECK(std::set<float>(F::levels.begin(), F::levels.end()).size() == 15);
  CHECK(DInt<3>::levels == std::array<float, 8>{0, 1, 2, .5f, 0, -.5f, -2, -1});
  CHECK(DInt<8>::largest == 126.0f);

  const auto rounded = [](float x) { return F::decode(F::encode(x)); };
  CHECK(rounded(0.25f) == 0.0f);
  CHECK(rounded(0.26f) == 0.5f);
  CHECK(rounded(0.74f) == 0.5f);
  CHECK(rounded(0.75f) == 1.0f);
  CHECK(rounded(1.5f) == 2.0f);
  CHECK(rounded(2.5f) == 2.0f);
  CHECK(rounded(99.0f) == 6.0f);
  CHECK(rounded(-beyond_all) == -6.0f);
  Rng rng(1);
  std::size_t given = 0, asymmetric = 0;
  for (int i = 0; i < 10000; ++i) {
    const float x = 3.0f * static_cast<float>(rng.normal());
    given += F::encode(x) == F::unused_code ? 1 : 0;
    asymmetric += rounded(-x) == -rounded(x) ? 0 : 1;
  }
  CHECK(given == 0);
  CHECK(F::encode(-0.0f) == 0);
  CHECK(asymmetric == 0);
}

TEST_CASE("DInt: fewer Gaussian weights become zero than on the integers", "[format][dint]") {
  // P(|w| ≤ s/4) against P(|w| ≤ s'/2): about half, whatever s; here with the usual 3σ range.
  Rng rng(2);
  int dint = 0, integer = 0;
  for (int i = 0; i < 100000; ++i) {
    const float w = static_cast<float>(rng.normal());
    dint += DInt<4>::decode(DInt<4>::encode(w / (3.0f / 6.0f))) == 0.0f ? 1 : 0;
    integer += round_half_even(w / (3.0f / 7.0f)) == 0.0f ? 1 : 0;
  }
  CHECK(std::fabs(dint / 1e5 - std::erf(0.125 / std::sqrt(2.0))) < 0.005);
  CHECK(std::fabs(integer / 1e5 - std::erf(3.0 / 14.0 / std::sqrt(2.0))) < 0.005);
}

TEST_CASE("DIntAsymmetric: for every zero point, encode is nearest and every code comes back", "[format][dint]") {
  for (int zero = 0; zero <= DIntAsymmetric<4>::top; ++zero) {
    const DIntAsymmetric<4> f{.zero = static_cast<std::uint8_t>(zero)};
    INFO(zero);
    CHECK(f.decode(f.zero) == 0.0f);
    CHECK(f.encode(0.0f) == f.zero);
    CHECK(f.decode(0) == static_cast<float>(-zero));
    CHECK(f.decode(15) == 0.5f);
    CHECK(f.decode(14) == -0.5f);
    std::size_t wrong = 0;
    for (int c = 0; c < 16; ++c) wrong += f.encode(f.decode(static_cast<std::uint8_t>(c))) == c ? 0 : 1;
    for (float x = -20.0f; x <= 20.0f; x += 0.0625f) {
      float least = beyond_all;
      for (int c = 0; c < 16; ++c) least = std::min(least, std::fabs(f.decode(static_cast<std::uint8_t>(c)) - x));
      wrong += std::fabs(f.decode(f.encode(x)) - x) == least ? 0 : 1;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("HalfOffset: codes ascend from -(2^b - 1)/2 in steps of one, ties go to even k", "[format][half_offset]") {
  CHECK(HalfOffset<2>::levels == std::array<float, 4>{-1.5f, -.5f, .5f, 1.5f});
  CHECK(HalfOffset<1>::levels == std::array<float, 2>{-.5f, .5f});
  CHECK(HalfOffset<8>::largest == 127.5f);
  const HalfOffset<3> f;
  CHECK(f.encode(0.0f) == 4);  // k = 0: +1/2
  CHECK(f.encode(-0.0f) == 4);
  CHECK(f.encode(1.0f) == 4);   // k = 0, not 1
  CHECK(f.encode(2.0f) == 6);   // k = 2
  CHECK(f.encode(-1.0f) == 2);  // k = −2: −1.5
  CHECK(f.encode(-1e-30f) == 3);
  CHECK(f.encode(1e30f) == 7);
  CHECK(f.encode(-beyond_all) == 0);
  CHECK(f.encode(std::numeric_limits<float>::quiet_NaN()) == 7);
}

namespace {

/// The published rule, for x = w/α: (round(clip(x, −.99, .99)·n − shift) + shift) / n.
double stretched(float x, double n, double shift) {
  const double clipped = std::clamp(static_cast<double>(x), -0.99, 0.99);
  return (round_half_even(clipped * n - shift) + shift) / n;
}

}  // namespace

TEST_CASE("HalfOffset and Ternary: the stretched grids are the published rule", "[format][half_offset][ternary]") {
  Rng rng(3);
  std::vector<float> xs;
  for (int i = 0; i < 20000; ++i) xs.push_back(static_cast<float>(rng.normal()));
  for (int i = -32; i <= 32; ++i) xs.push_back(static_cast<float>(i) / 16.0f);
  std::size_t wrong = 0;
  const auto differ = [&](float got, double want) {
    wrong += std::fabs(static_cast<double>(got) - want) < 1e-6 ? 0 : 1;
  };
  for (const float x : xs) {
    differ(HalfOffset<2>::decode_stretched(HalfOffset<2>::encode_stretched(x)), stretched(x, 2.0, 0.5));
    differ(HalfOffset<3>::decode_stretched(HalfOffset<3>::encode_stretched(x)), stretched(x, 4.0, 0.5));
    differ(HalfOffset<4>::decode_stretched(HalfOffset<4>::encode_stretched(x)), stretched(x, 8.0, 0.5));
    differ(Ternary::decode_stretched(Ternary::encode_stretched(x)), stretched(x, 1.5, 0.0));
  }
  CHECK(wrong == 0);
}

TEST_CASE("Ternary: codes 0, 1, 2 are -1, 0, +1; a half is zero", "[format][ternary]") {
  CHECK(Ternary::levels == std::array<float, 3>{-1, 0, 1});
  CHECK(Ternary::encode(0.5f) == 1);
  CHECK(Ternary::encode(-0.5f) == 1);
  CHECK(Ternary::encode(std::nextafterf(0.5f, 1.0f)) == 2);
  CHECK(Ternary::encode(std::nextafterf(-0.5f, -1.0f)) == 0);
  CHECK(Ternary::encode(-beyond_all) == 0);
  CHECK(Ternary::encode(std::numeric_limits<float>::quiet_NaN()) == 1);
}

TEST_CASE("Ternary: after absmean scaling of Gaussian weights 31.1 % are zero, after absmedian 26.4 %",
          "[format][ternary]") {
  // E|w| = √(2/π), median|w| = 0.67449: P(|w| ≤ half of it).
  Rng rng(4);
  int mean = 0, median = 0;
  constexpr int n = 1 << 18;
  for (int i = 0; i < n; ++i) {
    const auto w = static_cast<float>(rng.normal());
    mean += Ternary::encode(w / 0.7978846f) == 1 ? 1 : 0;
    median += Ternary::encode(w / 0.6744898f) == 1 ? 1 : 0;
  }
  CHECK(std::fabs(mean / static_cast<double>(n) - 0.311) < 0.004);
  CHECK(std::fabs(median / static_cast<double>(n) - 0.264) < 0.004);
}

TEST_CASE("Binary: signs, zero is positive", "[format][binary]") {
  CHECK(Binary::levels == std::array<float, 2>{-1, 1});
  CHECK(Binary::encode(0.0f) == 1);
  CHECK(Binary::encode(-0.0f) == 1);
  CHECK(Binary::encode(std::numeric_limits<float>::denorm_min()) == 1);
  CHECK(Binary::encode(-std::numeric_limits<float>::denorm_min()) == 0);
  CHECK(Binary::encode(std::numeric_limits<float>::quiet_NaN()) == 0);
}

TEST_CASE("nested_code: the highest bits, rounded half up and clamped", "[format][nested]") {
  std::size_t wrong = 0;
  for (int bits = 1; bits <= 8; ++bits)
    for (int kept = 1; kept <= bits; ++kept)
      for (std::uint32_t q = 0; q < (1u << bits); ++q) {
        const double step = std::ldexp(1.0, bits - kept);
        const double want = std::clamp(std::floor(q / step + 0.5), 0.0, std::ldexp(1.0, kept) - 1.0);
        wrong += nested_code(q, bits, kept) == static_cast<std::uint32_t>(want) ? 0 : 1;
      }
  CHECK(wrong == 0);
  static_assert(nested_code(255, 8, 2) == 3 && nested_code(32, 8, 2) == 1 && nested_code(31, 8, 2) == 0);
}

TEST_CASE("MxInt8: every code is q/64, ties go to even q, and −2 decodes but is never given", "[format][int]") {
  const MxInt8 f;
  for (int c = 0; c < 256; ++c) {
    const auto code = static_cast<std::uint8_t>(c);
    CHECK(f.decode(code) == static_cast<float>(c - 128) / 64.0f);
    CHECK(MxInt8::levels[code] == f.decode(code));
    CHECK(f.encode(f.decode(code)) == (c == 0 ? 1 : code));
  }
  std::size_t wrong = 0;
  for (int half = -300; half <= 300; ++half) {  // halves of a step, and the floats about them
    const float x = static_cast<float>(half) / 128.0f;
    const int even = half % 2 == 0 ? half / 2 : (half - 1) / 2 % 2 == 0 ? (half - 1) / 2 : (half + 1) / 2;
    const auto clamped = [](int q) { return static_cast<std::uint8_t>(std::min(std::max(q, -127), 127) + 128); };
    wrong += f.encode(x) == clamped(even) ? 0 : 1;
    if (half % 2 == 0) continue;
    wrong += f.encode(std::nextafter(x, INFINITY)) == clamped((half + 1) / 2) ? 0 : 1;
    wrong += f.encode(std::nextafter(x, -INFINITY)) == clamped((half - 1) / 2) ? 0 : 1;
  }
  CHECK(wrong == 0);
  CHECK(f.encode(std::numeric_limits<float>::max()) == 255);
  CHECK(f.encode(-std::numeric_limits<float>::max()) == 1);
}

}  // namespace lowbit::test::integers_tests
