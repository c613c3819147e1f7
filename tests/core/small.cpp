// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cfenv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>

#include "catch.hpp"
#include "lowbit/core.hpp"

namespace lowbit::test::small_tests {

namespace {

int breaches = 0;
struct FromHandler {};
void counting_handler(const ContractBreach& breach) {
  ++breaches;
  CHECK(std::string(breach.message) == "the sky is up");
  CHECK(std::string(breach.condition) == "1 + 1 == 3");
  CHECK(breach.line > 0);
  throw FromHandler{};
}

double oracle_half_even(double x) {
  const double down = std::floor(x), rest = x - down;
  if (rest != 0.5) return rest > 0.5 ? down + 1 : down;
  return std::fmod(down, 2.0) == 0.0 ? down : down + 1;
}

}  // namespace

TEST_CASE("contracts: a replaced handler sees the breach, and can be put back", "[core][contract]") {
  breaches = 0;
  const ContractHandler former = set_contract_handler(&counting_handler);
  CHECK_THROWS_AS(LOWBIT_EXPECTS(1 + 1 == 3, "the sky is up"), FromHandler);
  CHECK(breaches == 1);
  CHECK(set_contract_handler(former) == &counting_handler);
  CHECK_THROWS_AS(LOWBIT_EXPECTS(1 + 1 == 3, "the sky is up"), ContractViolation);
  CHECK_NOTHROW(LOWBIT_EXPECTS(1 + 1 == 2, "the sky is up"));
}

TEST_CASE("round_half_even: nearest with ties to even, under every ambient rounding mode", "[core][round]") {
  const int former = std::fegetround();
  std::size_t wrong = 0;
  for (const int mode : {FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO}) {
    for (int i = -4000; i <= 4000; ++i) {
      volatile float x = static_cast<float>(i) * 0.125f;
      const double want = oracle_half_even(static_cast<double>(x));
      std::fesetround(mode);
      volatile float got = round_half_even(static_cast<float>(x));
      volatile double got_double = round_half_even(static_cast<double>(x));
      std::fesetround(former);
      wrong += static_cast<double>(got) != want ? 1 : 0;
      wrong += got_double != want ? 1 : 0;
    }
  }
  CHECK(wrong == 0);
  CHECK(round_half_even(0.49999997f) == 0.0f);
  CHECK(round_half_even(8388607.5f) == 8388608.0f);
  CHECK(round_half_even(8388609.0f) == 8388609.0f);
  CHECK(round_half_even(-3e38f) == -3e38f);
  CHECK(std::isnan(round_half_even(std::nanf(""))));
  CHECK(round_half_even(std::numeric_limits<float>::infinity()) == std::numeric_limits<float>::infinity());
  CHECK(std::signbit(round_half_even(-0.3f)));
}

TEST_CASE("f16 and bf16: conversion ignores the ambient rounding mode", "[core][round]") {
  const int former = std::fegetround();
  for (const int mode : {FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO}) {
    std::fesetround(mode);
    volatile float x = 1.00049f, y = 1.004f;
    const std::uint16_t h = f16(x).bits, b = bf16(y).bits;
    std::fesetround(former);
    CHECK(h == 0x3c01);
    CHECK(b == 0x3f81);
  }
}

TEST_CASE("round_half_away: ties leave zero", "[core][round]") {
  CHECK(round_half_away(0.5f) == 1.0f);
  CHECK(round_half_away(-2.5f) == -3.0f);
  CHECK(round_half_away(2.4999998f) == 2.0f);
}

TEST_CASE("checked arithmetic: the result, or nothing when it would wrap", "[core][checked]") {
  const std::uint64_t top = ~std::uint64_t{0};
  CHECK(checked_mul(1ull << 32, (1ull << 32) - 1) == ((1ull << 32) - 1) << 32);
  CHECK_FALSE(checked_mul(1ull << 32, 1ull << 32).has_value());
  CHECK(checked_mul(0, top) == 0u);
  CHECK(checked_mul(top, 1) == top);
  CHECK(checked_add(top - 1, 1) == top);
  CHECK_FALSE(checked_add(top, 1).has_value());
  CHECK(checked_round_up(65, 64) == 128u);
  CHECK(checked_round_up(64, 64) == 64u);
  CHECK_FALSE(checked_round_up(top - 3, 64).has_value());
  CHECK(ceil_div(0, 7) == 0u);
  CHECK(ceil_div(8, 7) == 2u);
  CHECK(ceil_div(std::numeric_limits<std::size_t>::max(), 2) == std::numeric_limits<std::size_t>::max() / 2 + 1);
}

TEST_CASE("AlignedBuffer: starts zeroed on a cache line, copies deeply, moves to empty", "[core][buffer]") {
  AlignedBuffer<float> a(100);
  CHECK(reinterpret_cast<std::uintptr_t>(a.data()) % 64 == 0);
  for (const float x : a) CHECK(x == 0.0f);
  a[3] = 5.0f;
  AlignedBuffer<float> b = a;
  CHECK(b == a);
  b[3] = 6.0f;
  CHECK(a[3] == 5.0f);
  const AlignedBuffer<float> c = std::move(a);
  CHECK(a.empty());  // NOLINT(bugprone-use-after-move)
  CHECK(c[3] == 5.0f);
  b = c;
  CHECK(b == c);
  CHECK(AlignedBuffer<float>() == AlignedBuffer<float>(0));
  CHECK(std::span<const float>(c).size() == 100);
}

TEST_CASE("AlignedBuffer: one that is large enough for huge pages keeps every promise of a small one", "[core][buffer]") {
  for (const std::size_t size : {(2u << 20) - 1, 2u << 20, (2u << 20) + 1, (6u << 20) + 5}) {
    INFO(size);
    const auto all = [](const AlignedBuffer<std::uint8_t>& b, std::uint8_t value) {
      return std::all_of(b.begin(), b.end(), [=](std::uint8_t x) { return x == value; });
    };
    for (int again = 0; again < 2; ++again) {  // the second one may be given the memory of the first
      AlignedBuffer<std::uint8_t> a(size);
      CHECK(reinterpret_cast<std::uintptr_t>(a.data()) % 64 == 0);
      CHECK(all(a, 0));
      std::fill(a.begin(), a.end(), std::uint8_t{7});
      AlignedBuffer<std::uint8_t> b = a;
      CHECK(all(b, 7));
      b[size - 1] = 8;
      CHECK(a[size - 1] == 7);
      const AlignedBuffer<std::uint8_t> c = std::move(b);
      CHECK(c[size - 1] == 8);
      a = AlignedBuffer<std::uint8_t>(3);
      CHECK(all(a, 0));
    }
  }
}

}  // namespace lowbit::test::small_tests
