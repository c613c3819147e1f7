// SPDX-License-Identifier: MIT
#include <bit>
#include <cmath>
#include <limits>
#include <tuple>
#include <vector>

#include "catch.hpp"
#include "lowbit/format/bnb_fp4.hpp"
#include "lowbit/format/minifloat.hpp"
#include "lowbit/format/nf4.hpp"
#include "lowbit/quantizer/group_passes.hpp"
#include "lowbit/quantizer/mx.hpp"
#include "lowbit/quantizer/nvfp4.hpp"
#include "lowbit/quantizer/scaled.hpp"
#include "lowbit/quantizer/scale_search.hpp"
#include "support/layers.hpp"
#include "support/types.hpp"

namespace lowbit::test::lanes_tests {

namespace {

/// Every quantizer with lanes, over every zero point and storage, one-register groups and longer ones.
using with_lanes = std::tuple<
    test::Grid<Int2, 128, ZeroPoint::none, ScaleStorage::f16>, test::Grid<Int3, 32, ZeroPoint::integer, ScaleStorage::f32>,
    test::Grid<Int4, 128, ZeroPoint::none, ScaleStorage::f32>, test::Grid<Int4, 32, ZeroPoint::integer, ScaleStorage::bf16>,
    test::Grid<Int4, 64, ZeroPoint::real, ScaleStorage::f16>, test::Grid<Int8, 128, ZeroPoint::none, ScaleStorage::f32>,
    test::Grid<Int8, 128, ZeroPoint::integer, ScaleStorage::f32>, test::Grid<Int8, 64, ZeroPoint::real, ScaleStorage::bf16>,
    Scaled<NF4, float, 64>, Scaled<E2M1, f16, 32>, Scaled<E1M2, bf16, 32>, Scaled<E3M0, float, 32>,
    Scaled<BnbFp4, float, 64>, Mx<E2M1>, Nvfp4>;

/// Sizes around registers and blocks of sums; ordinary, tiny, huge, constant, one-sided values; zeros of both signs; ties.
std::vector<std::vector<float>> groups() {
  constexpr float largest = std::numeric_limits<float>::max(), tiny = std::numeric_limits<float>::denorm_min();
  std::vector<std::vector<float>> all;
  Rng rng(77);
  for (const std::size_t size : {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 127, 128, 129, 255, 256, 257, 300, 517}) {
    const auto add = [&](auto&& value) {
      std::vector<float> group(size);
      for (std::size_t i = 0; i < size; ++i) group[i] = value(i);
      all.push_back(group);
    };
    for (const double scale : {1e-41, 1e-38, 1e-20, 0.02, 1.0, 1e4, 1e20, 1e37})
      add([&](std::size_t) { return static_cast<float>(scale * rng.normal()); });
    add([&](std::size_t) { return static_cast<float>(std::fabs(rng.normal())); });
    add([&](std::size_t) { return static_cast<float>(-3.0 - std::fabs(rng.normal())); });
    add([&](std::size_t i) { return i % 2 == 0 ? 0.0f : -0.0f; });
    add([&](std::size_t i) { return i % 3 == 0 ? -0.0f : static_cast<float>(rng.normal()); });
    add([&](std::size_t i) { return static_cast<float>(static_cast<int>(i % 61) - 30) * 0.25f; });  // ties of many grids
    add([&](std::size_t i) { return i % 2 == 0 ? largest : -largest; });
    add([&](std::size_t i) { return i == size / 2 ? -largest : tiny * static_cast<float>(i); });
    add([&](std::size_t) { return 1.0f; });
  }
  return all;
}

template <class Q>
std::vector<typename Q::params_type> params_of(const Q& q, const std::vector<float>& group) {
  const Extremes range = lowbit::detail::extremes_scalar(group);
  return {q.fit(group), q.fit_range(0.7f * range.lo, 0.7f * range.hi), q.fit_range(0.01f * range.lo, 0.01f * range.hi)};
}

bool same(double a, double b) { return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b); }

}  // namespace

#if LOWBIT_HAS_LANES

TEMPLATE_LIST_TEST_CASE("lanes: codes of a register at a time are those of one weight at a time", "[quantizer][lanes]",
                        with_lanes) {
  STATIC_REQUIRE(lowbit::detail::HasLanes<TestType>);
  TestType q{};
  const auto check = [&] {
    std::size_t wrong = 0, seen = 0;
    for (const auto& group : groups())
      for (const auto& p : params_of(q, group)) {
        if (!params_finite<TestType>(p)) continue;
        std::vector<std::uint8_t> want(group.size() + 1, 0xee), got = want;
        lowbit::detail::quantize_group_scalar(q, group, p, std::span(want).first(group.size()));
        lowbit::detail::quantize_group(q, group, p, std::span(got).first(group.size()));
        wrong += want != got ? 1 : 0;
        ++seen;
      }
    CHECK(wrong == 0);
    CHECK(seen > 300);
  };
  check();
  if constexpr (requires { q.rule = SymmetricRule::narrow; }) {
    q.rule = SymmetricRule::narrow;
    check();
    q.rule = SymmetricRule::signed_max;
    check();
  }
}

TEMPLATE_LIST_TEST_CASE("lanes: a fit by registers is the quantizer's own", "[quantizer][lanes]", with_lanes) {
  TestType q{};
  const auto check = [&] {
    std::size_t wrong = 0;
    for (const auto& group : groups()) {
      const auto want = q.fit(group), got = lowbit::detail::fit_extremes(q, group);
      wrong += params_finite<TestType>(want) == params_finite<TestType>(got) && (!params_finite<TestType>(want) || want == got) ? 0 : 1;
    }
    CHECK(wrong == 0);
  };
  check();
  if constexpr (requires { q.rule = SymmetricRule::gptq; })
    for (const SymmetricRule rule : {SymmetricRule::full_range, SymmetricRule::narrow, SymmetricRule::signed_max}) {
      q.rule = rule;
      check();
    }
  if constexpr (requires { q.rule = Nvfp4Rule::six; })
    for (const Nvfp4Rule rule : {Nvfp4Rule::four, Nvfp4Rule::four_over_six}) {
      q.rule = rule;
      check();
    }
}

TEMPLATE_LIST_TEST_CASE("lanes: sums of errors have the bits of the scalar definition", "[quantizer][lanes]", with_lanes) {
  const TestType q{};
  Rng rng(5);
  std::size_t wrong = 0, above = 0;
  for (const auto& group : groups()) {
    std::vector<float> h(group.size());
    for (float& v : h) v = static_cast<float>(rng.uniform());
    const float unit = lowbit::detail::unit_of(lowbit::detail::extremes_scalar(group).magnitude());
    for (const auto& p : params_of(q, group)) {
      if (!params_finite<TestType>(p)) continue;
      for (const float exponent : {1.0f, 2.0f, 2.4f, 3.1f})
        for (const std::span<const float> weights : {std::span<const float>{}, std::span<const float>(h)}) {
          const double none = std::numeric_limits<double>::infinity();
          const double want = lowbit::detail::error_sum_scalar(q, p, group, weights, exponent, unit, none);
          const double got = lowbit::detail::error_sum(q, p, group, weights, exponent, unit, none);
          if (!std::isfinite(want)) continue;  // x̂ beyond the largest float
          wrong += same(want, got) ? 0 : 1;
          // A limit stops the sum only where the whole is not below it.
          for (const double limit : {0.5 * want, want, 1.5 * want}) {
            const double stopped = lowbit::detail::error_sum(q, p, group, weights, exponent, unit, limit);
            wrong += (stopped >= limit) != (want >= limit) || (want < limit && !same(stopped, want)) ? 1 : 0;
          }
          const double bound = lowbit::detail::Outliers(group, weights).sum(q, p, exponent, unit);
          wrong += bound <= want ? 0 : 1;
          above += bound > 0.25 * want ? 1 : 0;
        }
    }
  }
  CHECK(wrong == 0);
  CHECK(above > 100);  // the bound is of use
}

TEST_CASE("lanes: extremes of a group, zero among them", "[quantizer][lanes]") {
  std::size_t wrong = 0;
  for (const auto& group : groups()) {
    const Extremes want = lowbit::detail::extremes_scalar(group), got = lowbit::detail::extremes(group);
    wrong += std::bit_cast<std::uint32_t>(want.lo) != std::bit_cast<std::uint32_t>(got.lo) ||
                     std::bit_cast<std::uint32_t>(want.hi) != std::bit_cast<std::uint32_t>(got.hi)
                 ? 1
                 : 0;
  }
  CHECK(wrong == 0);
  CHECK(lowbit::detail::extremes({}).magnitude() == 0.0f);
}

TEST_CASE("lanes: one value that is not finite is seen wherever it stands", "[quantizer][lanes]") {
  for (const std::size_t size : {1, 5, 16, 33, 64, 100}) {
    std::vector<float> x(size, std::numeric_limits<float>::max());
    CHECK(lowbit::detail::all_finite(x));
    for (std::size_t at = 0; at < size; ++at)
      for (const float bad : {INFINITY, -INFINITY, std::nanf("")}) {
        x[at] = bad;
        CHECK_FALSE(lowbit::detail::all_finite(x));
        x[at] = -0.0f;
      }
  }
}

#if LOWBIT_HAS_AVX2

TEMPLATE_TEST_CASE("quotient: products round as the division does, near ties and near the ends too", "[quantizer][lanes]",
                   f16, bf16, float) {
  Rng rng(31);
  std::size_t wrong = 0, applied = 0;
  const auto check = [&](float divisor, float x) {
    if (!lowbit::detail::Quotient<TestType>::products_apply(divisor, std::fabs(x))) return;
    ++applied;
    float got[lowbit::detail::lane_count];
    lowbit::detail::store_lanes(got, lowbit::detail::Quotient<TestType>(divisor).by_products(lowbit::detail::broadcast(x)));
    const float want = x / divisor;
    wrong += want == got[0] || (std::fabs(want) <= 0x1p-40f && std::fabs(got[0]) <= 0x1p-40f) ? 0 : 1;
  };
  for (int i = 0; i < 20000; ++i) {
    const float exponent = static_cast<float>(std::is_same_v<TestType, f16> ? -24.0 + 39.0 * rng.uniform() : -90.0 + 200.0 * rng.uniform());
    const float divisor = static_cast<float>(TestType(static_cast<float>(1.0 + rng.uniform()) * std::exp2(exponent)));
    for (const float steps : {static_cast<float>(rng.below(16)) + 0.5f, static_cast<float>(rng.below(256)) + 0.5f,
                              static_cast<float>(rng.normal()), static_cast<float>(1.0 + rng.uniform()), 1.0f}) {
      const float x = steps * divisor;
      for (const float near : {x, std::nextafter(x, 0.0f), std::nextafter(x, INFINITY)}) {
        check(divisor, near);
        check(divisor, -near);
      }
    }
    check(divisor, std::numeric_limits<float>::denorm_min() * static_cast<float>(rng.below(1000)));
    check(divisor, static_cast<float>(rng.normal()) * 0x1p90f);
  }
  CHECK(wrong == 0);
  CHECK(applied > 100000);
  CHECK_FALSE(lowbit::detail::Quotient<TestType>::products_apply(0x1p-90f, 1.0f));
  CHECK_FALSE(lowbit::detail::Quotient<TestType>::products_apply(1.0f, std::numeric_limits<float>::max()));
}

#endif  // LOWBIT_HAS_AVX2

TEST_CASE("power: lanes and floats agree, and with the exact power to what it states", "[quantizer][lanes]") {
  for (const float p : {0.5f, 0.7f, 1.0f, 1.9f, 2.0f, 2.4f, 3.0f, 7.5f, 16.0f}) {
    INFO("p = " << p);
    const double bound = p == 1.0f || p == 2.0f ? 0x1p-24 : p == 2.4f ? 1e-5 : (static_cast<double>(p) + 1.0) * 1e-5;
    double worst = 0.0;
    std::size_t apart = 0;
    float e[lowbit::detail::lane_count], got[lowbit::detail::lane_count];
    std::size_t k = 0;
    for (double x = 0x1p-40; x < 0x1p40; x *= 1.0007) {
      e[k++] = static_cast<float>(x);
      if (k < lowbit::detail::lane_count) continue;
      k = 0;
      lowbit::detail::store_lanes(got, lowbit::detail::power(lowbit::detail::load_lanes(e), p));
      for (std::size_t i = 0; i < lowbit::detail::lane_count; ++i) {
        apart += std::bit_cast<std::uint32_t>(got[i]) != std::bit_cast<std::uint32_t>(lowbit::detail::power(e[i], p)) ? 1 : 0;
        const double want = std::pow(static_cast<double>(e[i]), static_cast<double>(p));
        if (want < 0x1p-120 || want > 0x1p120) continue;
        worst = std::fmax(worst, std::fabs(static_cast<double>(got[i]) / want - 1.0));
      }
    }
    CHECK(apart == 0);
    CHECK(worst <= bound);
    CHECK(lowbit::detail::power(0.0f, p) == 0.0f);
    CHECK(lowbit::detail::power(std::numeric_limits<float>::denorm_min(), p) <= 0x1p-60f);
    CHECK(lowbit::detail::power(0x1p40f, p) >= 0x1p19f);
  }
}

#endif  // LOWBIT_HAS_LANES

}  // namespace lowbit::test::lanes_tests
