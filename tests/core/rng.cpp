// SPDX-License-Identifier: MIT
#include "lowbit/core/rng.hpp"

#include <cmath>
#include <vector>

#include "catch.hpp"

namespace lowbit::test::rng_tests {
using Block = std::array<std::uint32_t, 4>;

TEST_CASE("philox4x32: the known answers of Random123", "[core][rng]") {
  CHECK(philox4x32({0, 0, 0, 0}, {0, 0}) == Block{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u});
  CHECK(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}) == Block{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu});
  CHECK(philox4x32({0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}, {0xa4093822u, 0x299f31d0u}) ==
        Block{0xd16cfe09u, 0x94fdcceb, 0x5001e420u, 0x24126ea1u});
}

TEST_CASE("Rng: equal seeds and streams agree, others do not", "[core][rng]") {
  Rng a(5, 2), b(5, 2), other_stream(5, 3), other_seed(6, 2);
  int equal_stream = 0, equal_seed = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::uint32_t draw = a.next_u32();
    CHECK(draw == b.next_u32());
    equal_stream += draw == other_stream.next_u32() ? 1 : 0;
    equal_seed += draw == other_seed.next_u32() ? 1 : 0;
  }
  CHECK(equal_stream == 0);
  CHECK(equal_seed == 0);
}

TEST_CASE("Rng: the moments of its normal and uniform draws", "[core][rng]") {
  // n draws: the standard error of the k-th moment of N(0, 1) is sqrt((2k − 1)!!/n); limits are five of them.
  const int n = 1 << 18;
  Rng rng(11);
  double m1 = 0, m2 = 0, m3 = 0, m4 = 0, u1 = 0, u2 = 0, lowest = 1, highest = 0;
  for (int i = 0; i < n; ++i) {
    const double x = rng.normal();
    m1 += x, m2 += x * x, m3 += x * x * x, m4 += x * x * x * x;
  }
  for (int i = 0; i < n; ++i) {
    const double u = rng.uniform();
    u1 += u, u2 += u * u;
    lowest = std::min(lowest, u);
    highest = std::max(highest, u);
  }
  const double se = 1.0 / std::sqrt(static_cast<double>(n));
  CHECK(std::fabs(m1 / n) < 5 * se);
  CHECK(std::fabs(m2 / n - 1) < 5 * std::sqrt(2.0) * se);
  CHECK(std::fabs(m3 / n) < 5 * std::sqrt(15.0) * se);
  CHECK(std::fabs(m4 / n - 3) < 5 * std::sqrt(96.0) * se);
  CHECK(std::fabs(u1 / n - 0.5) < 5 * std::sqrt(1.0 / 12) * se);
  CHECK(std::fabs(u2 / n - 1.0 / 3) < 5 * std::sqrt(4.0 / 45) * se);
  CHECK(lowest >= 0.0);
  CHECK(highest < 1.0);
}

TEST_CASE("Rng: below(bound) is uniform and stays below", "[core][rng]") {
  Rng rng(3);
  for (const std::uint64_t bound : {1ull, 2ull, 7ull, 1000ull}) {
    std::vector<double> seen(bound);
    const int n = 40000;
    for (int i = 0; i < n; ++i) {
      const std::uint64_t draw = rng.below(bound);
      REQUIRE(draw < bound);
      seen[draw] += 1;
    }
    double chi2 = 0;
    const double mean = static_cast<double>(n) / static_cast<double>(bound);
    for (const double s : seen) chi2 += (s - mean) * (s - mean) / mean;
    const double dof = static_cast<double>(bound - 1);
    CHECK(chi2 <= dof + 5 * std::sqrt(2 * dof));
  }
  Rng huge(4);
  CHECK(huge.below(~0ull) < ~0ull);
}

}  // namespace lowbit::test::rng_tests
