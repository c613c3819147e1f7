// SPDX-License-Identifier: MIT
#include "lowbit/format/minifloat.hpp"

#include <bit>
#include <cfenv>
#include <cmath>
#include <limits>
#include <tuple>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/float16.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/format/int.hpp"

namespace lowbit::test::minifloat_tests {

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

/// x rounded to M mantissa bits with exponents from 1 − bias on and no upper end: an independent definition, in double.
double round_to(double x, int mantissa_bits, int bias, Ties ties) {
  if (x == 0.0) return x;
  const double a = std::fabs(x);
  int e = 0;
  std::frexp(a, &e);  // a = m·2^e, m in [1/2, 1)
  const double step = std::ldexp(1.0, std::max(e - 1, 1 - bias) - mantissa_bits);
  const double q = a / step;  // exact
  double n = std::floor(q);
  const double rest = q - n;
  if (rest > 0.5 || (rest == 0.5 && (ties == Ties::away || std::fmod(n, 2.0) == 1.0))) n += 1.0;
  return std::copysign(n * step, x);
}

template <class F>
double oracle(float x, Ties ties, Overflow overflow) {
  const double none = std::numeric_limits<double>::quiet_NaN();
  const double beyond = F::has_infinity ? static_cast<double>(std::copysign(infinity, x)) : none;
  const double largest = static_cast<double>(F::largest);
  const double saturated = std::copysign(largest, static_cast<double>(x));
  if (std::isnan(x)) return F::has_nan ? none : saturated;
  if (std::isinf(x)) return F::has_infinity ? beyond : overflow == Overflow::special ? none : saturated;
  const double r = round_to(static_cast<double>(x), F::mantissa_bits, F::bias, ties);
  if (std::fabs(r) > largest) return overflow == Overflow::special ? beyond : saturated;
  return F::specials == Specials::fnuz && r == 0.0 ? 0.0 : r;
}

template <class F>
bool agrees(std::uint8_t code, double want) {
  const auto got = static_cast<double>(F::decode(code));
  if (std::isnan(want)) return std::isnan(got);
  return got == want && std::signbit(got) == std::signbit(want);
}

template <class F>
std::size_t wrong_at(float x) {
  const auto saturate = Overflow::saturate;
  std::size_t wrong = agrees<F>(F::encode(x), oracle<F>(x, Ties::even, saturate)) ? 0 : 1;
  wrong += agrees<F>(F::template encode<Ties::away>(x), oracle<F>(x, Ties::away, saturate)) ? 0 : 1;
  if constexpr (F::has_nan) {
    constexpr auto special = Overflow::special;
    wrong += agrees<F>(F::template encode<Ties::even, special>(x), oracle<F>(x, Ties::even, special)) ? 0 : 1;
    wrong += agrees<F>(F::template encode<Ties::away, special>(x), oracle<F>(x, Ties::away, special)) ? 0 : 1;
  }
  return wrong;
}

using presets = std::tuple<E2M1, E1M2, E3M0, E2M3, E3M2, E3M4, E4M3FN, E5M2, E4M3FNUZ, E5M2FNUZ>;
/// Presets, and what they leave out: other biases, no mantissa under `fn`, ieee and finite of other widths.
using minifloats =
    std::tuple<E2M1, E1M2, E3M0, E2M3, E3M2, E3M4, E4M3FN, E5M2, E4M3FNUZ, E5M2FNUZ, Minifloat<4, 3>,
               Minifloat<4, 3, 7, Specials::ieee>, Minifloat<3, 0, 3, Specials::fn>, Minifloat<1, 1, 0, Specials::fnuz>,
               Minifloat<2, 1, -3>, Minifloat<7, 0>, Minifloat<5, 2, 40>, Minifloat<1, 6>, Minifloat<1, 0>>;

template <class F>
std::vector<float> non_negative_levels() {
  std::vector<float> all;
  for (std::uint32_t c = 0; c <= F::largest_code; ++c) all.push_back(F::levels[c]);
  return all;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("Minifloat: all 65536 halves, and ties and neighbours at every step, round as defined",
                        "[format][minifloat]", minifloats) {
  using F = TestType;
  std::size_t wrong = 0;
  for (std::uint32_t bits = 0; bits < 65536; ++bits)
    wrong += wrong_at<F>(static_cast<float>(f16::from_bits(static_cast<std::uint16_t>(bits))));
  CHECK(wrong == 0);

  std::vector<float> levels = non_negative_levels<F>();
  levels.push_back(2.0f * levels.back() - levels[levels.size() - 2]);  // what would follow: overflow lies in between
  wrong = 0;
  for (std::size_t i = 0; i + 1 < levels.size(); ++i)
    for (const float centre : {levels[i], 0.5f * (levels[i] + levels[i + 1]), levels[i + 1]})
      for (const float x : {centre, std::nextafterf(centre, infinity), std::nextafterf(centre, -infinity)})
        wrong += wrong_at<F>(x) + wrong_at<F>(-x);
  CHECK(wrong == 0);
}

TEMPLATE_LIST_TEST_CASE("Minifloat: half a million random bit patterns round as defined", "[format][minifloat]",
                        presets) {
  Rng rng(11);
  std::size_t wrong = 0;
  for (int i = 0; i < 1 << 18; ++i) {
    const std::uint32_t bits = rng.next_u32();
    // Any float, then the same mantissa near the format's range.
    wrong += wrong_at<TestType>(std::bit_cast<float>(bits));
    wrong += wrong_at<TestType>(std::bit_cast<float>((bits & 0x80ffffffu) + ((119u + (bits >> 28)) << 23)));
  }
  CHECK(wrong == 0);
}

TEMPLATE_LIST_TEST_CASE("Minifloat: every code comes back, but NaNs as the one NaN of their sign",
                        "[format][minifloat]", minifloats) {
  using F = TestType;
  std::size_t wrong = 0;
  for (std::uint32_t c = 0; c < F::cardinality; ++c) {
    const auto code = static_cast<std::uint8_t>(c);
    const std::uint8_t nan = F::specials == Specials::fnuz ? F::nan_code : (code & F::sign_bit) | F::nan_code;
    wrong += F::encode(F::decode(code)) == (F::is_nan(code) ? nan : code) ? 0 : 1;
    wrong += std::isnan(F::decode(code)) == F::is_nan(code) ? 0 : 1;
    wrong += std::isinf(F::decode(code)) == F::is_infinity(code) ? 0 : 1;
  }
  CHECK(wrong == 0);
}

TEST_CASE("Minifloat: the four-bit presets are their published values", "[format][minifloat]") {
  CHECK(non_negative_levels<E2M1>() == std::vector<float>{0, .5f, 1, 1.5f, 2, 3, 4, 6});
  CHECK(non_negative_levels<E1M2>() == std::vector<float>{0, .5f, 1, 1.5f, 2, 2.5f, 3, 3.5f});
  CHECK(non_negative_levels<E3M0>() == std::vector<float>{0, .25f, .5f, 1, 2, 4, 8, 16});
}

namespace {

/// value = (−1)^s · 2^(e − bias) · 1.m, or 0.m · 2^(1 − bias), from the fields of the code.
template <class F>
std::size_t fields_differ(int e_bits, int m_bits, int bias) {
  std::size_t wrong = 0;
  for (int c = 0; c < static_cast<int>(F::cardinality); ++c) {
    const auto code = static_cast<std::uint8_t>(c);
    if (F::is_nan(code) || F::is_infinity(code)) continue;
    const int s = c >> (e_bits + m_bits), e = (c >> m_bits) & ((1 << e_bits) - 1), m = c & ((1 << m_bits) - 1);
    const double value = e == 0 ? std::ldexp(m, 1 - bias - m_bits) : std::ldexp((1 << m_bits) + m, e - bias - m_bits);
    wrong += static_cast<double>(F::levels[static_cast<std::size_t>(c)]) == (s != 0 ? -value : value) ? 0 : 1;
  }
  return wrong;
}

template <class F>
std::vector<int> nan_codes() {
  std::vector<int> all;
  for (int c = 0; c < static_cast<int>(F::cardinality); ++c)
    if (std::isnan(F::levels[static_cast<std::size_t>(c)])) all.push_back(c);
  return all;
}

template <class F>
void check_range(float largest, float min_normal, float min_positive) {
  INFO(F::name);
  CHECK(F::largest == largest);
  CHECK(F::min_normal == min_normal);
  CHECK(F::min_positive == min_positive);
}

}  // namespace

TEST_CASE(
    "Minifloat: every code of the presets has the value of its fields; ranges and specials are the published ones",
    "[format][minifloat]") {
  CHECK(fields_differ<E2M1>(2, 1, 1) == 0);
  CHECK(fields_differ<E1M2>(1, 2, 0) == 0);
  CHECK(fields_differ<E3M0>(3, 0, 3) == 0);
  CHECK(fields_differ<E2M3>(2, 3, 1) == 0);
  CHECK(fields_differ<E3M2>(3, 2, 3) == 0);
  CHECK(fields_differ<E3M4>(3, 4, 3) == 0);
  CHECK(fields_differ<E4M3FN>(4, 3, 7) == 0);
  CHECK(fields_differ<E5M2>(5, 2, 15) == 0);
  CHECK(fields_differ<E4M3FNUZ>(4, 3, 8) == 0);
  CHECK(fields_differ<E5M2FNUZ>(5, 2, 16) == 0);

  check_range<E2M1>(6.0f, 1.0f, 0.5f);
  check_range<E2M3>(7.5f, 1.0f, 0.125f);
  check_range<E3M2>(28.0f, 0.25f, 0.0625f);
  check_range<E3M4>(15.5f, 0.25f, 0x1p-6f);
  check_range<E4M3FN>(448.0f, 0x1p-6f, 0x1p-9f);
  check_range<E5M2>(57344.0f, 0x1p-14f, 0x1p-16f);
  check_range<E4M3FNUZ>(240.0f, 0x1p-7f, 0x1p-10f);
  check_range<E5M2FNUZ>(57344.0f, 0x1p-15f, 0x1p-17f);

  CHECK(nan_codes<E2M1>().empty());
  CHECK(nan_codes<E3M2>().empty());
  CHECK(nan_codes<E4M3FN>() == std::vector<int>{0x7f, 0xff});
  CHECK(nan_codes<E5M2>() == std::vector<int>{0x7d, 0x7e, 0x7f, 0xfd, 0xfe, 0xff});
  CHECK(nan_codes<E3M4>().size() == 30);
  CHECK(nan_codes<E4M3FNUZ>() == std::vector<int>{0x80});
  CHECK(nan_codes<E5M2FNUZ>() == std::vector<int>{0x80});
  CHECK(E5M2::decode(0x7c) == infinity);
  CHECK(E5M2::decode(0xfc) == -infinity);
  CHECK(E3M4::decode(0x70) == infinity);
  CHECK(E4M3FN::decode(0x7e) == 448.0f);
}

TEST_CASE("Minifloat: ties at binade edges go to even mantissas, or away on request", "[format][minifloat]") {
  const auto even = [](float x) { return E2M1::decode(E2M1::encode(x)); };
  const auto away = [](float x) { return E2M1::decode(E2M1::encode<Ties::away>(x)); };
  CHECK(even(0.25f) == 0.0f);
  CHECK(even(0.75f) == 1.0f);
  CHECK(even(1.25f) == 1.0f);
  CHECK(even(1.75f) == 2.0f);
  CHECK(even(2.5f) == 2.0f);
  CHECK(even(3.5f) == 4.0f);
  CHECK(even(5.0f) == 4.0f);
  CHECK(even(-5.0f) == -4.0f);
  CHECK(away(0.25f) == 0.5f);
  CHECK(away(1.25f) == 1.5f);
  CHECK(away(2.5f) == 3.0f);
  CHECK(away(5.0f) == 6.0f);
  CHECK(away(-5.0f) == -6.0f);
}

TEST_CASE("Minifloat: overflow saturates, or on request becomes infinity or NaN from the rounded value on",
          "[format][minifloat]") {
  constexpr auto special = Overflow::special;
  CHECK(E5M2::encode(1e6f) == 0x7b);
  CHECK(E5M2::encode(-1e6f) == 0xfb);
  CHECK(E5M2::encode<Ties::even, special>(61439.996f) == 0x7b);
  CHECK(E5M2::encode<Ties::even, special>(61440.0f) == 0x7c);  // halfway, and 57344 is odd
  CHECK(E5M2::encode<Ties::even, special>(-1e30f) == 0xfc);
  CHECK(E4M3FN::encode(1e6f) == 0x7e);
  CHECK(E4M3FN::encode(infinity) == 0x7e);
  CHECK(E4M3FN::encode<Ties::even, special>(464.0f) == 0x7e);  // halfway, and 448 is even
  CHECK(E4M3FN::encode<Ties::away, special>(464.0f) == 0x7f);
  CHECK(E4M3FN::encode<Ties::even, special>(464.00003f) == 0x7f);
  CHECK(E4M3FN::encode<Ties::even, special>(-infinity) == 0xff);
  CHECK(E4M3FNUZ::encode<Ties::even, special>(247.99998f) == 0x7f);
  CHECK(E4M3FNUZ::encode<Ties::even, special>(248.0f) == 0x80);
  CHECK(E4M3FNUZ::encode<Ties::even, special>(-1e30f) == 0x80);
  CHECK(E4M3FNUZ::encode(-1e30f) == 0xff);
}

TEST_CASE("Minifloat: NaN, infinities and signed zeros", "[format][minifloat]") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(E4M3FN::encode(nan) == 0x7f);
  CHECK(E4M3FN::encode(-nan) == 0xff);
  CHECK(E5M2::encode(nan) == 0x7e);
  CHECK(E5M2::encode(infinity) == 0x7c);
  CHECK(E5M2::encode(-infinity) == 0xfc);
  CHECK(E4M3FNUZ::encode(nan) == 0x80);
  CHECK(E2M1::encode(nan) == 0x7);
  CHECK(E2M1::encode(infinity) == 0x7);
  CHECK(E2M1::encode(-0.0f) == 0x8);
  CHECK(E2M1::encode(-0.1f) == 0x8);
  CHECK(E4M3FNUZ::encode(-0.0f) == 0);
  CHECK(E4M3FNUZ::encode(-1e-9f) == 0);
}

TEST_CASE("Minifloat: codes do not depend on the ambient rounding mode", "[format][minifloat]") {
  Rng rng(3);
  std::vector<float> xs(4096);
  for (float& x : xs) x = 4.0f * static_cast<float>(rng.normal());
  for (std::size_t i = 0; i < 64; ++i) xs[i] = 0.125f * static_cast<float>(i);  // ties among them
  const auto codes = [&] {
    std::vector<std::uint8_t> all;
    for (const float x : xs) all.insert(all.end(), {E2M1::encode(x), E4M3FN::encode(x), E5M2::encode(x)});
    return all;
  };
  const auto usual = codes();
  const int former = std::fegetround();
  std::vector<std::vector<std::uint8_t>> others;
  for (const int mode : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
    std::fesetround(mode);
    others.push_back(codes());
  }
  std::fesetround(former);
  for (const auto& other : others) CHECK(other == usual);
}

TEST_CASE("Minifloat: E1M2 is the integers -7 to 7 at half their size", "[format][minifloat]") {
  // So at amax over largest it commits the very errors of narrow INT4 at amax over 7.
  const Int4 integers;
  Rng rng(5);
  std::size_t wrong = 0;
  for (int i = 0; i < 10000; ++i) {
    const float x = 4.0f * static_cast<float>(rng.normal());
    const float clamped = x > 7.0f ? 7.0f : x < -7.0f ? -7.0f : x;
    wrong += 2.0f * E1M2::decode(E1M2::encode(0.5f * x)) == integers.decode(integers.encode(clamped)) ? 0 : 1;
  }
  for (float x = -8.0f; x <= 8.0f; x += 0.5f) {
    const float clamped = x > 7.0f ? 7.0f : x < -7.0f ? -7.0f : x;
    wrong += 2.0f * E1M2::decode(E1M2::encode(0.5f * x)) == integers.decode(integers.encode(clamped)) ? 0 : 1;
  }
  CHECK(wrong == 0);
}

TEST_CASE("Minifloat: names say fields, specials and an unusual bias", "[format][minifloat]") {
  CHECK(E2M1::name == "e2m1");
  CHECK(E3M4::name == "e3m4");
  CHECK(E4M3FN::name == "e4m3fn");
  CHECK(E5M2::name == "e5m2");
  CHECK(E5M2FNUZ::name == "e5m2fnuz");
  CHECK(Minifloat<4, 3>::name == "e4m3finite");
  CHECK(Minifloat<3, 2, 3, Specials::ieee>::name == "e3m2ieee");
  CHECK(Minifloat<2, 1, -13>::name == "e2m1_bias-13");
  static_assert(E2M1::encode(2.6f) == 5 && E2M1::decode(5) == 3.0f);
}

}  // namespace lowbit::test::minifloat_tests
