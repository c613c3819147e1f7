// SPDX-License-Identifier: MIT
#include "lowbit/calib/observers.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"

namespace lowbit::test::observers_tests {
using calib::ValueRange;

namespace {

std::vector<std::vector<float>> batches() {
  Rng rng(15);
  std::vector<std::vector<float>> all;
  for (const double scale : {1.0, 0.1, 30.0, 1e-3, 7.0})
    for (const std::size_t size : {100, 0, 1, 1777}) {
      all.emplace_back(size);
      for (float& x : all.back()) x = static_cast<float>(scale * rng.normal());
    }
  return all;
}

double exact_percentile(std::vector<double> a, double percent) {
  std::sort(a.begin(), a.end());
  const double rank = static_cast<double>(a.size() - 1) * percent / 100.0;
  const auto below = static_cast<std::size_t>(rank);
  const double next = below + 1 < a.size() ? a[below + 1] : a[below];
  return a[below] + (next - a[below]) * (rank - std::floor(rank));
}

}  // namespace

TEST_CASE("observers: the order of batches changes neither extremes nor percentiles", "[calib][observers]") {
  auto all = batches();
  calib::MinMaxObserver extremes, reversed_extremes;
  calib::PercentileObserver clip(99.0), reversed_clip(99.0);
  for (const auto& batch : all) {
    REQUIRE(extremes.add(batch).has_value());
    REQUIRE(clip.add(batch).has_value());
  }
  std::reverse(all.begin(), all.end());
  for (auto& batch : all) {
    std::reverse(batch.begin(), batch.end());
    REQUIRE(reversed_extremes.add(batch).has_value());
    REQUIRE(reversed_clip.add(batch).has_value());
  }
  CHECK(extremes.range() == reversed_extremes.range());
  CHECK(clip.range() == reversed_clip.range());
  CHECK(clip.bin_width() == reversed_clip.bin_width());
  CHECK(clip.range().hi < extremes.range().hi);
}

TEST_CASE("observers: a percentile is within one bin of the exact one", "[calib][observers]") {
  std::vector<double> magnitudes;
  for (const auto& batch : batches())
    for (const float x : batch) magnitudes.push_back(std::fabs(static_cast<double>(x)));
  for (const double percent : {1.0, 50.0, 99.0, 99.9, 99.999}) {
    calib::PercentileObserver observer(percent);
    for (const auto& batch : batches()) REQUIRE(observer.add(batch).has_value());
    CHECK(std::fabs(static_cast<double>(observer.range().hi) - exact_percentile(magnitudes, percent)) <=
          observer.bin_width());
    CHECK(observer.range().lo == -observer.range().hi);
    CHECK(observer.count() == magnitudes.size());
  }
}

TEST_CASE("observers: the hundredth percentile is the largest magnitude, and so is that of sparse data",
          "[calib][observers]") {
  calib::PercentileObserver all(100.0), sparse(99.0), nothing(99.0), zeros(99.0);
  const std::vector<float> x = {0.3f, -5.25f, 1.0f};
  std::vector<float> few(1000, 0.0f);
  few[17] = -3.125f;
  REQUIRE(all.add(x).has_value());
  REQUIRE(sparse.add(few).has_value());
  REQUIRE(zeros.add(std::vector<float>(10, -0.0f)).has_value());
  CHECK(all.range() == ValueRange{-5.25f, 5.25f});
  CHECK(sparse.range() == ValueRange{-3.125f, 3.125f});
  CHECK(nothing.range() == ValueRange{0.0f, 0.0f});
  CHECK(zeros.range().hi == 0.0f);
}

TEST_CASE("observers: the ends of float's range fit a histogram", "[calib][observers]") {
  constexpr float largest = std::numeric_limits<float>::max(), tiny = std::numeric_limits<float>::denorm_min();
  calib::PercentileObserver observer(50.0);
  REQUIRE(observer.add(std::vector<float>(3, tiny)).has_value());
  CHECK(observer.range().hi == tiny);
  REQUIRE(observer.add(std::vector<float>(9, -largest)).has_value());
  CHECK(observer.range().hi <= largest);
  CHECK(observer.range().hi >= 0.999f * largest);
}

TEST_CASE("observers: a moving average starts at the first batch and moves by its share", "[calib][observers]") {
  calib::MovingAverageObserver observer(0.25);
  REQUIRE(observer.add({}).has_value());
  REQUIRE(observer.add(std::vector<float>{-1.0f, 4.0f}).has_value());
  CHECK(observer.range() == ValueRange{-1.0f, 4.0f});
  REQUIRE(observer.add(std::vector<float>{-3.0f, 8.0f}).has_value());
  CHECK(observer.range() == ValueRange{-1.5f, 5.0f});
  REQUIRE(observer.add(std::vector<float>{2.0f, 5.0f}).has_value());  // zero is inside every range
  CHECK(observer.range() == ValueRange{-1.125f, 5.0f});
  calib::MovingAverageObserver usual;
  REQUIRE(usual.add(std::vector<float>{100.0f}).has_value());
  REQUIRE(usual.add(std::vector<float>{0.0f}).has_value());
  CHECK(usual.range().hi == 99.0f);
}

TEST_CASE("observers: a value that is not finite is an error and changes nothing", "[calib][observers]") {
  calib::MinMaxObserver extremes;
  calib::MovingAverageObserver average;
  calib::PercentileObserver clip;
  const std::vector<float> good = {-1.0f, 2.0f};
  for (auto check = 0; check < 1; ++check) {
    REQUIRE(extremes.add(good).has_value());
    REQUIRE(average.add(good).has_value());
    REQUIRE(clip.add(good).has_value());
  }
  const ValueRange before = clip.range();
  for (const float bad : {INFINITY, -INFINITY, std::nanf("")}) {
    const std::vector<float> batch = {9.0f, bad, 9.0f};
    for (const auto& result : {extremes.add(batch), average.add(batch), clip.add(batch)}) {
      REQUIRE_FALSE(result.has_value());
      CHECK(result.error().code == Errc::not_finite);
      CHECK(result.error().column == 1u);
    }
  }
  CHECK(extremes.range() == ValueRange{-1.0f, 2.0f});
  CHECK(average.range() == ValueRange{-1.0f, 2.0f});
  CHECK(clip.range() == before);
  CHECK(clip.count() == 2);
}

}  // namespace lowbit::test::observers_tests
