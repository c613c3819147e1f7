// SPDX-License-Identifier: MIT
#include "lowbit/core/dyadic.hpp"

#include <cmath>
#include <limits>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"

namespace lowbit::test::dyadic_tests {

TEST_CASE("Dyadic: the nearest m/2^e to a scale is within 2^-31 of it", "[core][dyadic]") {
  Rng rng(4);
  for (int i = 0; i < 20000; ++i) {
    const double scale = std::ldexp(0.5 + 0.5 * rng.uniform(), static_cast<int>(rng.below(62)) - 31);
    const auto d = to_dyadic(scale);
    REQUIRE(d.has_value());
    CHECK(std::fabs(d->value() - scale) <= scale * 0x1p-31);
    CHECK(d->multiplier >= 1 << 30);
  }
  CHECK(to_dyadic(1.0)->value() == 1.0);
  CHECK(to_dyadic(0.0)->apply(12345) == 0);
  CHECK(to_dyadic(1.0 - 0x1p-40)->value() == 1.0);  // rounds up into the next binade
  CHECK(to_dyadic(1e-300)->apply(std::numeric_limits<std::int32_t>::max()) == 0);
  for (const double bad : {-1.0, 0x1p31, 1e300, std::nan(""), std::numeric_limits<double>::infinity()})
    CHECK_FALSE(to_dyadic(bad).has_value());
}

TEST_CASE("Dyadic: apply is the exact product, rounded once, ties away from zero", "[core][dyadic]") {
  Rng rng(6);
  for (int i = 0; i < 200000; ++i) {
    const Dyadic d{static_cast<std::int32_t>((1u << 30) + rng.below(1u << 30)), static_cast<int>(rng.below(63))};
    const auto x = static_cast<std::int32_t>(rng.next_u32()) >> rng.below(31);
    // long double holds the 62-bit product exactly.
    const long double exact = static_cast<long double>(x) * d.multiplier / std::ldexp(1.0L, d.shift);
    const long double rounded = std::round(exact);
    const long double want = std::fmin(std::fmax(rounded, -2147483648.0L), 2147483647.0L);
    CHECK(static_cast<long double>(d.apply(x)) == want);
  }
  const Dyadic half{1 << 30, 31};
  CHECK(half.apply(1) == 1);
  CHECK(half.apply(-1) == -1);
  CHECK(half.apply(3) == 2);
  CHECK(half.apply(-3) == -2);
  CHECK(half.requantize(1000, 10, -128, 127) == 127);
  CHECK(half.requantize(-1000, 10, -128, 127) == -128);
  CHECK(half.requantize(20, 10, -128, 127) == 20);
  CHECK(Dyadic{0x7fffffff, 0}.apply(std::numeric_limits<std::int32_t>::min()) == std::numeric_limits<std::int32_t>::min());
}

}  // namespace lowbit::test::dyadic_tests
