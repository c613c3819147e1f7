// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/quantizer/codebook/kmeans1d.hpp"
#include "lowbit/quantizer/codebook/lloyd_max.hpp"

namespace lowbit::test::codebook_scalar_tests {
using namespace lowbit::codebook;

namespace {

std::vector<float> normals(std::size_t count, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<float> x(count);
  for (float& v : x) v = static_cast<float>(rng.normal());
  return x;
}

/// The least cost of all ways to cut sorted values into k runs.
double by_enumeration(const std::vector<double>& x, const std::vector<double>& w, std::size_t begin, std::size_t k) {
  const auto cost = [&](std::size_t a, std::size_t b) {
    double weight = 0.0, sum = 0.0, c = 0.0;
    for (std::size_t i = a; i < b; ++i) {
      weight += w[i];
      sum += w[i] * x[i];
    }
    for (std::size_t i = a; i < b; ++i) c += w[i] * (x[i] - sum / weight) * (x[i] - sum / weight);
    return c;
  };
  if (k == 1 || begin + 1 >= x.size()) return begin < x.size() ? cost(begin, x.size()) : 0.0;
  double best = HUGE_VAL;
  for (std::size_t end = begin + 1; end <= x.size(); ++end)
    best = std::min(best, cost(begin, end) + (end < x.size() ? by_enumeration(x, w, end, k - 1) : 0.0));
  return best;
}

}  // namespace

TEST_CASE("kmeans1d: the cost is that of the best of all ways to cut the line", "[quantizer][codebook]") {
  Rng rng(1);
  for (int trial = 0; trial < 200; ++trial) {
    const std::size_t n = 1 + rng.below(11), k = 1 + rng.below(4);
    std::vector<float> x(n), w(n);
    for (float& v : x) v = trial % 3 == 0 ? static_cast<float>(rng.below(5)) : static_cast<float>(rng.normal());
    for (float& v : w) v = static_cast<float>(rng.uniform() + 0.01);
    const SortedSamples samples(x, w);
    std::vector<double> sorted, weights;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      sorted.push_back(samples.value(i));
      weights.push_back(samples.weight(i, i + 1));
    }
    std::vector<float> centers(k);
    CHECK(kmeans1d(x, w, centers) == test::Approx(by_enumeration(sorted, weights, 0, k)).epsilon(1e-6).margin(1e-9));
    CHECK(std::is_sorted(centers.begin(), centers.end()));
  }
}

TEST_CASE("kmeans1d: no order of the values, and no start of Lloyd's iteration, gives less", "[quantizer][codebook]") {
  for (const std::size_t k : {2, 3, 4, 8, 16}) {
    auto x = normals(3000, k);
    std::vector<float> w(x.size());
    Rng rng(k);
    for (float& v : w) v = static_cast<float>(std::exp(rng.normal()));
    std::vector<float> exact(k), other(k);
    const SortedSamples samples(x, w);
    const double best = kmeans1d(samples, exact);
    quantile_centers(samples, other);
    const double start = samples.cost_of(other);
    double before = start;
    for (int pass = 0; pass < 30; ++pass) {
      const double now = lloyd1d(samples, other, 1);
      CHECK(now <= before * (1.0 + 1e-7));
      before = now;
    }
    CHECK(before < start);
    CHECK(best <= before * (1.0 + 1e-7));
    CHECK(lloyd1d(samples, exact, 5) <= best * (1.0 + 1e-7));
    std::vector<float> again(k);
    std::reverse(x.begin(), x.end());
    std::reverse(w.begin(), w.end());
    kmeans1d(x, w, again);
    kmeans1d(samples, exact);
    CHECK(again == exact);
  }
}

TEST_CASE("kmeans1d: few distinct values come back exactly, and the last fills up", "[quantizer][codebook]") {
  std::vector<float> centers(4, 9.0f);
  CHECK(kmeans1d(std::vector<float>{3.0f, -1.0f, 3.0f, -1.0f}, {}, centers) == 0.0);
  CHECK(centers == std::vector<float>{-1.0f, 3.0f, 3.0f, 3.0f});
  CHECK(kmeans1d(std::vector<float>{}, {}, centers) == 0.0);
  CHECK(centers == std::vector<float>(4, 0.0f));
  CHECK(kmeans1d(std::vector<float>{1.0f, 2.0f, 4.0f, 8.0f}, {}, centers) == 0.0);
  CHECK(centers == std::vector<float>{1.0f, 2.0f, 4.0f, 8.0f});
}

TEST_CASE("kmeans1d: NaN, infinities and empty weights are left out; weights of nothing count as ones",
          "[quantizer][codebook]") {
  const std::vector<float> x = {1.0f, NAN, 5.0f, INFINITY, 100.0f}, w = {1.0f, 1.0f, 3.0f, 1.0f, 0.0f};
  std::vector<float> one(1);
  CHECK(kmeans1d(x, w, one) == test::Approx(12.0));
  CHECK(one[0] == 4.0f);
  CHECK(kmeans1d(x, std::vector<float>(5, 0.0f), one) > 0.0);
  CHECK(one[0] == test::Approx(106.0 / 3));
  CHECK(kmeans1d(x, std::vector<float>(5, NAN), one) > 0.0);
  const std::vector<float> huge = {3e38f, -3e38f, 3e38f, 1e-40f};
  std::vector<float> three(3);
  CHECK(kmeans1d(huge, {}, three) == 0.0);
  CHECK(three == std::vector<float>{-3e38f, 1e-40f, 3e38f});
}

TEST_CASE("lloyd1d: a center without samples keeps its place", "[quantizer][codebook]") {
  const std::vector<float> x = {0.0f, 1.0f, 2.0f};
  std::vector<float> centers = {-50.0f, 1.0f, 70.0f};
  CHECK(lloyd1d(SortedSamples(x), centers, 10) == 2.0);
  CHECK(centers == std::vector<float>{-50.0f, 1.0f, 70.0f});
}

TEST_CASE("nearest_level: nearest of all, the first of equals", "[quantizer][codebook]") {
  const std::vector<float> levels = {-1.0f, 0.0f, 0.0f, 2.0f, 7.0f};
  CHECK(nearest_level(levels, -0.5f) == 0);
  CHECK(nearest_level(levels, 0.1f) == 1);
  CHECK(nearest_level(levels, 1.5f) == 3);
  CHECK(nearest_level(levels, INFINITY) == 4);
  CHECK(nearest_level(levels, -INFINITY) == 0);
  CHECK(nearest_level(levels, 3e38f) == 4);
  CHECK(nearest_level(levels, NAN) == 0);
}

TEST_CASE("lloyd_max: the published errors and levels of N(0, 1), and the errors of Laplace",
          "[quantizer][codebook][published]") {
  const double normal[] = {0.3634, 0.1175, 0.03454, 0.009497}, laplace[] = {0.5, 0.1762, 0.0545, 0.0154};
  for (int bits = 1; bits <= 4; ++bits) {
    std::vector<float> levels(std::size_t{1} << bits);
    CHECK(lloyd_max<NormalDensity>(levels) == test::Approx(normal[bits - 1]).epsilon(5e-4));
    CHECK(lloyd_max<LaplaceDensity>(levels) == test::Approx(laplace[bits - 1]).epsilon(4e-3));
  }
  std::vector<float> levels(16);
  lloyd_max<NormalDensity>(levels);
  const double published[] = {.1284, .3881, .6568, .9424, 1.256, 1.618, 2.069, 2.733};
  for (std::size_t i = 0; i < 8; ++i) CHECK(levels[8 + i] == test::Approx(published[i]).epsilon(5e-4));
}

TEMPLATE_TEST_CASE("lloyd_max: every level is the mean of its cell, up to eight bits", "[quantizer][codebook]",
                   NormalDensity, LaplaceDensity) {
  double before = 1.0;
  for (int bits = 1; bits <= 8; ++bits) {
    std::vector<float> levels(std::size_t{1} << bits);
    const double error = lloyd_max<TestType>(levels);
    CHECK(error < 0.5 * before + 1e-12);
    before = error;
    const std::size_t half = levels.size() / 2;
    for (std::size_t i = 0; i < half; ++i) {
      CHECK(levels[half + i] == -levels[half - 1 - i]);
      CHECK(levels[half + i] > (i == 0 ? 0.0f : levels[half + i - 1]));
      const auto edge = [&](std::size_t j) {
        return j == 0 ? 0.0
               : j == half ? HUGE_VAL
                           : 0.5 * (static_cast<double>(levels[half + j - 1]) + static_cast<double>(levels[half + j]));
      };
      CHECK(static_cast<double>(levels[half + i]) ==
            test::Approx(TestType::first(edge(i), edge(i + 1)) / TestType::mass(edge(i), edge(i + 1))).epsilon(1e-5));
    }
  }
}

TEST_CASE("kmeans1d: on many samples of N(0, 1) it is the quantizer of Lloyd and Max", "[quantizer][codebook]") {
  const auto x = normals(20000, 9);
  std::vector<float> found(8), known(8);
  const double cost = kmeans1d(x, {}, found) / 20000.0, error = lloyd_max<NormalDensity>(known);
  CHECK(cost == test::Approx(error).epsilon(0.03));
  for (std::size_t i = 0; i < 8; ++i) CHECK(std::fabs(found[i] - known[i]) < 0.08f);
}

}  // namespace lowbit::test::codebook_scalar_tests
