// SPDX-License-Identifier: MIT
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/float16.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/format/e8m0.hpp"
#include "lowbit/format/minifloat.hpp"
#include "lowbit/format/ue4m3.hpp"
#include "lowbit/format/ue5m3.hpp"

namespace lowbit::test::scale_types_tests {

namespace {

constexpr float infinite = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

float value(E8M0 s) { return static_cast<float>(s); }

}  // namespace

TEST_CASE("E8M0: code c is 2^(c - 127), 255 is NaN, half() is half of it", "[format][e8m0]") {
  for (int c = 0; c < 255; ++c) {
    const E8M0 s = E8M0::from_bits(static_cast<std::uint8_t>(c));
    INFO(c);
    CHECK(value(s) == std::ldexp(1.0f, c - 127));
    CHECK(s.half() == std::ldexp(1.0f, c - 128));
    CHECK(E8M0(value(s)) == s);
    CHECK(E8M0::floor(value(s)) == s);
    CHECK(E8M0::ceil(value(s)) == s);
  }
  CHECK(std::isnan(value(E8M0::from_bits(255))));
  CHECK(std::isnan(E8M0::from_bits(255).half()));
  CHECK(value(E8M0{}) == 0x1p-127f);
  CHECK(E8M0::max == 0x1p127f);
  CHECK(E8M0::min_positive == std::ldexp(1.0f, -127));
  static_assert(E8M0(3.0f).bits == 128 && E8M0::ceil(3.0f).bits == 129 && static_cast<float>(E8M0(1.0f)) == 1.0f);
}

TEST_CASE("E8M0: floor and ceil are the powers of two around a value, at every binade and for random floats",
          "[format][e8m0]") {
  std::size_t wrong = 0;
  const auto look = [&](float x) {
    if (!(x > 0.0f)) return;
    // ilogb and ldexp in double, where no power in question is subnormal.
    const int down = std::ilogb(static_cast<double>(x));
    const int up = std::ldexp(1.0, down) < static_cast<double>(x) ? down + 1 : down;
    const int floor_code = std::max(down, -127) + 127, ceil_code = std::max(up, -127) + 127;
    wrong += E8M0::floor(x).bits == floor_code ? 0 : 1;
    wrong += E8M0::ceil(x).bits == ceil_code ? 0 : 1;  // 255, NaN, above 2^127
  };
  for (int e = -149; e <= 127; ++e)
    for (const float m : {1.0f, 1.0000001f, 1.5f, 1.9999999f}) look(std::ldexp(m, e));
  Rng rng(2);
  for (int i = 0; i < 100000; ++i) {
    const float x = std::bit_cast<float>(rng.next_u32() & 0x7fffffffu);
    if (std::isfinite(x)) look(x);
  }
  look(std::numeric_limits<float>::max());
  CHECK(wrong == 0);
}

TEST_CASE("E8M0: zero becomes the smallest scale, what is no scale becomes NaN", "[format][e8m0]") {
  for (const float zero : {0.0f, -0.0f, std::numeric_limits<float>::denorm_min()}) {
    CHECK(E8M0::floor(zero).bits == 0);
    CHECK(E8M0::ceil(zero).bits == 0);
  }
  for (const float bad :
       {not_a_number, -not_a_number, infinite, -infinite, -1.0f, -std::numeric_limits<float>::denorm_min()}) {
    CHECK(E8M0::floor(bad).bits == 255);
    CHECK(E8M0::ceil(bad).bits == 255);
  }
  CHECK(E8M0::floor(std::numeric_limits<float>::max()).bits == 254);
  CHECK(E8M0::ceil(std::numeric_limits<float>::max()).bits == 255);
}

namespace {

/// The code of the value nearest to x, ties to even codes, by looking at all of them.
template <class S>
int nearest_code(float x, int last) {
  int best = 0;
  for (int c = 1; c <= last; ++c) {
    const auto distance = [&](int code) {
      return std::fabs(static_cast<double>(static_cast<float>(S::from_bits(static_cast<std::uint8_t>(code)))) -
                       static_cast<double>(x));
    };
    if (distance(c) < distance(best) || (distance(c) == distance(best) && c % 2 == 0)) best = c;
  }
  return best;
}

template <class S>
std::size_t wrong_unsigned(int last) {
  std::size_t wrong = 0;
  for (int c = 0; c <= last; ++c) {
    const float here = static_cast<float>(S::from_bits(static_cast<std::uint8_t>(c)));
    const float next = static_cast<float>(S::from_bits(static_cast<std::uint8_t>(c < last ? c + 1 : c)));
    wrong += S(here).bits == c ? 0 : 1;
    for (const float centre : {here, 0.5f * (here + next)})
      for (const float x : {centre, std::nextafterf(centre, infinite), std::nextafterf(centre, 0.0f)})
        wrong += S(x).bits == nearest_code<S>(x, last) ? 0 : 1;
  }
  // Every 31st half, signs and specials among them.
  for (std::uint32_t bits = 0; bits < 65536; bits += 31) {
    const auto x = static_cast<float>(f16::from_bits(static_cast<std::uint16_t>(bits)));
    const int want = std::isnan(x) ? S::nan_bits : x > 0.0f ? (std::isinf(x) ? last : nearest_code<S>(x, last)) : 0;
    wrong += S(x).bits == want ? 0 : 1;
  }
  return wrong;
}

}  // namespace

TEST_CASE("UE4M3: nearest with ties to even, saturating, never negative", "[format][ue4m3]") {
  CHECK(wrong_unsigned<UE4M3>(0x7e) == 0);
  CHECK(static_cast<float>(UE4M3::from_bits(0x7e)) == UE4M3::max);
  CHECK(static_cast<float>(UE4M3::from_bits(1)) == UE4M3::min_positive);
  for (int c = 0x7f; c < 256; ++c)
    CHECK(std::isnan(static_cast<float>(UE4M3::from_bits(static_cast<std::uint8_t>(c)))));
  CHECK(UE4M3(1e9f).bits == 0x7e);
  CHECK(UE4M3(infinite).bits == 0x7e);
  CHECK(UE4M3(-1.0f).bits == 0);
  CHECK(UE4M3(-infinite).bits == 0);
  CHECK(UE4M3(not_a_number).bits == 0x7f);
  static_assert(UE4M3(448.0f).bits == 0x7e && static_cast<float>(UE4M3(0.3f)) == 0.3125f);
}

TEST_CASE("UE4M3: all halves from 0 on get the byte of E4M3FN", "[format][ue4m3]") {
  std::size_t wrong = 0;
  for (std::uint32_t bits = 0; bits <= 0x7c00; ++bits) {
    const auto x = static_cast<float>(f16::from_bits(static_cast<std::uint16_t>(bits)));
    wrong += UE4M3(x).bits == E4M3FN::encode(x) ? 0 : 1;
    wrong += static_cast<float>(UE4M3(x)) == E4M3FN::decode(UE4M3(x).bits) ? 0 : 1;
  }
  CHECK(wrong == 0);
}

TEST_CASE("UE5M3: 2^-17 to 114688, nearest with ties to even, 0xff is NaN", "[format][ue5m3]") {
  CHECK(wrong_unsigned<UE5M3>(0xfe) == 0);
  CHECK(UE5M3::max == 114688.0f);
  CHECK(static_cast<float>(UE5M3::from_bits(0xfe)) == UE5M3::max);
  CHECK(static_cast<float>(UE5M3::from_bits(1)) == UE5M3::min_positive);
  CHECK(static_cast<float>(UE5M3::from_bits(8)) == 0x1p-14f);
  CHECK(static_cast<float>(UE5M3::from_bits(0x78)) == 1.0f);
  CHECK(std::isnan(static_cast<float>(UE5M3::from_bits(0xff))));
  CHECK(UE5M3(1e30f).bits == 0xfe);
  CHECK(UE5M3(infinite).bits == 0xfe);
  CHECK(UE5M3(-1.0f).bits == 0);
  CHECK(UE5M3(not_a_number).bits == 0xff);
  CHECK(UE5M3(0x1p-18f).bits == 0);  // halfway to the smallest subnormal
  CHECK(UE5M3(std::nextafterf(0x1p-18f, 1.0f)).bits == 1);
}

TEST_CASE("UE5M3: within the range of UE4M3's normal numbers both round alike", "[format][ue5m3]") {
  // So block scales lose nothing by the wider type.
  Rng rng(4);
  std::size_t wrong = 0;
  for (int i = 0; i < 100000; ++i) {
    const float x = std::exp2(static_cast<float>(rng.normal()) * 2.0f);
    if (x < 0x1p-6f || x > 448.0f) continue;
    wrong += static_cast<float>(UE5M3(x)) == static_cast<float>(UE4M3(x)) ? 0 : 1;
  }
  CHECK(wrong == 0);
}

}  // namespace lowbit::test::scale_types_tests
