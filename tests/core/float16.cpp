// SPDX-License-Identifier: MIT
#include "lowbit/core/float16.hpp"

#include <cmath>
#include <cstring>
#include <limits>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"

namespace lowbit::test::float16_tests {

namespace {

/// Rounds to `fraction` bits with exponents from `min_exponent` on, in double: an independent definition of f16 and bf16.
double round_to(double x, int fraction, int min_exponent, double overflow_from) {
  if (x == 0.0 || std::isnan(x) || std::isinf(x)) return x;
  const double a = std::fabs(x);
  if (a >= overflow_from) return std::copysign(INFINITY, x);
  int e = 0;
  std::frexp(a, &e);  // a = m·2^e, m in [1/2, 1)
  const double step = std::ldexp(1.0, std::max(e - 1, min_exponent) - fraction);
  const double q = a / step;  // exact
  double n = std::floor(q);
  const double rest = q - n;
  if (rest > 0.5 || (rest == 0.5 && std::fmod(n, 2.0) == 1.0)) n += 1.0;
  return std::copysign(n * step, x);
}

double f16_oracle(double x) { return round_to(x, 10, -14, 65520.0); }
double bf16_oracle(double x) { return round_to(x, 7, -126, 0x1.ffp127); }

template <class H>
bool same_number(H h, double want) {
  const auto got = static_cast<double>(static_cast<float>(h));
  return got == want && std::signbit(got) == std::signbit(want);
}

/// The float between two neighbours, and the floats around it; likewise around each of the two.
template <class H, class Oracle>
std::size_t wrong_around_every_value(std::uint16_t last_finite, Oracle oracle) {
  std::size_t wrong = 0;
  for (std::uint32_t bits = 0; bits <= last_finite; ++bits) {
    const auto low = static_cast<double>(static_cast<float>(H::from_bits(static_cast<std::uint16_t>(bits))));
    const auto high = bits == last_finite
                          ? low + (low - static_cast<double>(static_cast<float>(H::from_bits(static_cast<std::uint16_t>(bits - 1)))))
                          : static_cast<double>(static_cast<float>(H::from_bits(static_cast<std::uint16_t>(bits + 1))));
    for (const double centre : {low, 0.5 * (low + high)})
      for (const float sign : {1.0f, -1.0f}) {
        const float x = sign * static_cast<float>(centre);
        for (const float y : {x, std::nextafterf(x, INFINITY), std::nextafterf(x, -INFINITY)})
          wrong += same_number(H(y), oracle(static_cast<double>(y))) ? 0 : 1;
      }
  }
  return wrong;
}

template <class H>
std::size_t wrong_round_trips() {
  std::size_t wrong = 0;
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const auto h = H::from_bits(static_cast<std::uint16_t>(bits));
    const auto x = static_cast<float>(h);
    if (std::isnan(x))
      wrong += std::isnan(static_cast<float>(H(x))) && std::signbit(x) == (bits >= 0x8000u) ? 0 : 1;
    else
      wrong += H(x).bits == bits ? 0 : 1;
  }
  return wrong;
}

template <class H, class Oracle>
std::size_t wrong_on_random_bits(Oracle oracle) {
  Rng rng(7);
  std::size_t wrong = 0;
  for (int i = 0; i < 1 << 20; ++i) {
    const std::uint32_t bits = rng.next_u32();
    float x;
    std::memcpy(&x, &bits, 4);
    if (std::isnan(x))
      wrong += std::isnan(static_cast<float>(H(x))) ? 0 : 1;
    else
      wrong += same_number(H(x), oracle(static_cast<double>(x))) ? 0 : 1;
  }
  return wrong;
}

}  // namespace

TEST_CASE("f16: all 65536 patterns come back from float", "[core][f16]") { CHECK(wrong_round_trips<f16>() == 0); }

TEST_CASE("f16: every value is what the IEEE fields say", "[core][f16]") {
  std::size_t wrong = 0;
  for (std::uint32_t bits = 0; bits < 0x7c00; ++bits) {
    const int exponent = static_cast<int>(bits >> 10), fraction = static_cast<int>(bits & 0x3ff);
    const double want = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
    wrong += same_number(f16::from_bits(static_cast<std::uint16_t>(bits)), want) ? 0 : 1;
    wrong += same_number(f16::from_bits(static_cast<std::uint16_t>(bits | 0x8000)), -want) ? 0 : 1;
  }
  CHECK(wrong == 0);
  CHECK(std::isinf(static_cast<float>(f16::from_bits(0x7c00))));
  CHECK(static_cast<float>(f16::from_bits(0x7bff)) == f16::max);
  CHECK(static_cast<float>(f16::from_bits(1)) == f16::min_positive);
}

TEST_CASE("f16: rounding is to nearest, ties to even, around every value and every midpoint", "[core][f16]") {
  CHECK(wrong_around_every_value<f16>(0x7bff, f16_oracle) == 0);
  CHECK(wrong_on_random_bits<f16>(f16_oracle) == 0);
}

TEST_CASE("f16: the edges of the range", "[core][f16]") {
  CHECK(f16(65519.996f).bits == 0x7bff);
  CHECK(f16(65520.0f).bits == 0x7c00);  // the midpoint to 65536 goes to even, which is infinity
  CHECK(f16(0x1p-25f).bits == 0);
  CHECK(f16(0x1.000002p-25f).bits == 1);
  CHECK(f16(-0.0f).bits == 0x8000);
  CHECK(f16(std::numeric_limits<float>::infinity()).bits == 0x7c00);
  CHECK(f16(std::numeric_limits<float>::denorm_min()).bits == 0);
  static_assert(f16(1.0f).bits == 0x3c00);
}

TEST_CASE("bf16: all 65536 patterns come back from float", "[core][bf16]") { CHECK(wrong_round_trips<bf16>() == 0); }

TEST_CASE("bf16: rounding is to nearest, ties to even, around every value and every midpoint", "[core][bf16]") {
  CHECK(wrong_around_every_value<bf16>(0x7f7e, bf16_oracle) == 0);
  CHECK(wrong_on_random_bits<bf16>(bf16_oracle) == 0);
  CHECK(bf16(std::numeric_limits<float>::max()).bits == 0x7f80);
  CHECK(static_cast<float>(bf16::from_bits(0x7f7f)) == bf16::max);
  CHECK(static_cast<float>(bf16::from_bits(1)) == bf16::min_positive);
}

TEST_CASE("16-bit floats: a NaN stays a quiet NaN of its sign, even one whose payload lies in the dropped bits",
          "[core][f16][bf16]") {
  for (const std::uint32_t bits : {0x7f800001u, 0xff800001u, 0x7fc00000u, 0x7fffffffu, 0xffffffffu}) {
    float x;
    std::memcpy(&x, &bits, 4);
    CHECK(std::isnan(static_cast<float>(f16(x))));
    CHECK(std::isnan(static_cast<float>(bf16(x))));
    CHECK((f16(x).bits >> 15) == (bits >> 31));
    CHECK((bf16(x).bits >> 15) == (bits >> 31));
    CHECK((f16(x).bits & 0x200) != 0);
    CHECK((bf16(x).bits & 0x40) != 0);
  }
}

}  // namespace lowbit::test::float16_tests
