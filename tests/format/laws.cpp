// SPDX-License-Identifier: MIT
#include <array>
#include <cmath>
#include <limits>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "support/types.hpp"

using namespace lowbit;

namespace {

template <class F>
using Point = std::array<float, F::dim>;

template <class F>
Point<F> point(std::size_t code) {
  Point<F> y;
  F{}.decode(static_cast<typename F::code_type>(code), std::span<float, F::dim>(y));
  return y;
}

template <class F>
double distance(const Point<F>& a, const Point<F>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < F::dim; ++i) {
    const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sum += d * d;
  }
  return sum;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("formats: encode(decode(c)) names the same point as c, for every code", "[format]",
                        test::formats) {
  std::size_t wrong = 0;
  for (std::size_t c = 0; c < TestType::cardinality; ++c) {
    const auto p = point<TestType>(c);
    wrong += point<TestType>(TestType{}.encode(std::span<const float, TestType::dim>(p))) == p ? 0 : 1;
  }
  CHECK(wrong == 0);
}

TEMPLATE_LIST_TEST_CASE("formats: encode gives a nearest point, inside and outside the range", "[format]",
                        test::formats) {
  Rng rng(TestType::cardinality);
  std::size_t wrong = 0;
  for (int i = 0; i < 4000; ++i) {
    Point<TestType> x;
    const double spread = i % 2 == 0 ? 1.0 : 0.01;
    for (float& v : x) v = static_cast<float>(spread * static_cast<double>(TestType::cardinality) * rng.normal());
    const auto code = TestType{}.encode(std::span<const float, TestType::dim>(x));
    REQUIRE(code < TestType::cardinality);
    const double got = distance<TestType>(x, point<TestType>(code));
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t c = 0; c < TestType::cardinality; ++c)
      least = std::min(least, distance<TestType>(x, point<TestType>(c)));
    wrong += got > least ? 1 : 0;
  }
  CHECK(wrong == 0);
}

TEMPLATE_LIST_TEST_CASE("Int: codes are offset binary, ties go to even integers, the ends clamp", "[format][int]",
                        test::formats) {
  using F = TestType;
  const F f;
  for (int v = F::min; v <= F::max; ++v) {
    CHECK(f.encode(static_cast<float>(v)) == v + F::offset);
    CHECK(f.decode(static_cast<std::uint8_t>(v + F::offset)) == static_cast<float>(v));
    if (v < F::max) {
      const int even = v % 2 == 0 ? v : v + 1;
      CHECK(f.encode(static_cast<float>(v) + 0.5f) == even + F::offset);
    }
  }
  CHECK(f.encode(1e30f) == F::cardinality - 1);
  CHECK(f.encode(-1e30f) == 0);
  CHECK(f.encode(std::numeric_limits<float>::infinity()) == F::cardinality - 1);
  CHECK(f.encode(-std::numeric_limits<float>::infinity()) == 0);
  CHECK(f.encode(-0.0f) == F::offset);
  CHECK(F::name == "int" + std::to_string(F::bits));
}
