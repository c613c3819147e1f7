// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/quantizer/codebook/kmeans.hpp"
#include "lowbit/quantizer/codebook/product.hpp"
#include "lowbit/quantizer/codebook/scalar_codebooks.hpp"

namespace lowbit::test::codebook_vectors_tests {
using namespace lowbit::codebook;

namespace {

std::vector<float> normals(std::size_t count, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<float> x(count);
  for (float& v : x) v = static_cast<float>(rng.normal());
  return x;
}

/// Vectors that are autoregressive across channels.
std::vector<float> correlated(std::size_t vectors, std::size_t dim, double rho, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<float> x(vectors * dim);
  for (std::size_t j = 0; j < vectors; ++j) {
    double v = 0.0;
    for (std::size_t i = 0; i < dim; ++i) {
      v = i == 0 ? rng.normal() : rho * v + std::sqrt(1.0 - rho * rho) * rng.normal();
      x[j * dim + i] = static_cast<float>(v);
    }
  }
  return x;
}

void to_unit_pair(float& a, float& b) {
  const double length = std::hypot(static_cast<double>(a), static_cast<double>(b));
  a = static_cast<float>(static_cast<double>(a) / length);
  b = static_cast<float>(static_cast<double>(b) / length);
}

double energy(std::span<const float> x) {
  double sum = 0.0;
  for (const float v : x) sum += static_cast<double>(v) * static_cast<double>(v);
  return sum;
}

double product_error(const ProductCodebook& codebook, std::span<const float> x) {
  std::vector<std::uint32_t> codes(codebook.chunks());
  std::vector<float> y(codebook.dim());
  double sum = 0.0;
  for (std::size_t j = 0; j < x.size(); j += codebook.dim()) {
    codebook.encode(x.subspan(j, codebook.dim()), codes);
    codebook.decode(codes, y);
    for (std::size_t i = 0; i < y.size(); ++i) {
      const double e = static_cast<double>(y[i]) - static_cast<double>(x[j + i]);
      sum += e * e;
    }
  }
  return sum;
}

}  // namespace

TEST_CASE("PointTable: the index is that of the scan, whatever the registers", "[quantizer][codebook]") {
  Rng rng(1);
  for (const std::size_t dim : {1, 2, 3, 8, 17})
    for (const std::size_t count : {1, 2, 15, 16, 17, 33, 100}) {
      auto points = normals(dim * count, dim * 100 + count);
      if (count > 20) std::copy_n(points.begin(), dim, points.begin() + static_cast<std::ptrdiff_t>(18 * dim));  // equal
      const PointTable table(points, dim);
      CHECK(table.size() == count);
      std::size_t wrong = 0, not_least = 0;
      for (int t = 0; t < 300; ++t) {
        auto x = normals(dim, 1000 + static_cast<std::uint64_t>(t)), w = x;
        const float size = t % 5 == 0 ? 1e25f : t % 5 == 1 ? 1e-25f : t % 5 == 2 ? 0.0f : 1.0f;
        for (float& v : x) v *= size;
        if (t % 7 == 0) std::copy_n(points.begin() + static_cast<std::ptrdiff_t>(t % count * dim), dim, x.begin());
        for (float& v : w) v = rng.below(3) == 0 ? 0.0f : static_cast<float>(rng.uniform());
        if (t % 11 == 0) x[0] = t % 2 == 0 ? NAN : INFINITY;
        for (const float* weights : {static_cast<const float*>(nullptr), static_cast<const float*>(w.data())}) {
          const std::size_t k = table.nearest(x.data(), weights);
          wrong += k == nearest_point(points, dim, x.data(), weights) ? 0 : 1;
          const auto distance = [&](std::size_t p) {
            double sum = 0.0;
            for (std::size_t i = 0; i < dim; ++i) {
              const double e = static_cast<double>(x[i]) - static_cast<double>(points[p * dim + i]);
              sum += (weights == nullptr ? 1.0 : static_cast<double>(weights[i])) * e * e;
            }
            return sum;
          };
          for (std::size_t p = 0; p < count && std::isfinite(x[0]); ++p)
            not_least += distance(p) < distance(k) * (1.0 - 1e-5) ? 1 : 0;
        }
      }
      CHECK(wrong == 0);
      CHECK(not_least == 0);
    }
}

TEST_CASE("lloyd: the cost never rises, whatever the weights are of", "[quantizer][codebook][published]") {
  const std::size_t n = 2000, dim = 3;
  const auto x = correlated(n, dim, 0.7, 2);
  Rng rng(2);
  std::vector<float> per_vector(n), per_coordinate(n * dim);
  for (float& v : per_vector) v = static_cast<float>(std::exp(rng.normal()));
  for (float& v : per_coordinate) v = static_cast<float>(std::exp(2.0 * rng.normal()));
  for (const std::span<const float> w : {std::span<const float>(), std::span<const float>(per_vector),
                                         std::span<const float>(per_coordinate)}) {
    std::vector<float> points(20 * dim);
    const auto result = kmeans(x, dim, w, points, {.passes = 25, .tolerance = 0.0, .seed = 3});
    REQUIRE(result.costs.size() > 5);
    for (std::size_t i = 1; i < result.costs.size(); ++i) CHECK(result.costs[i] <= result.costs[i - 1] * (1.0 + 1e-6));
    CHECK(result.cost < 0.8 * result.costs[0]);
    CHECK(result.cost == *std::min_element(result.costs.begin(), result.costs.end()));
    // The points returned are those of the cost.
    auto again = points;
    CHECK(lloyd(x, dim, w, again, {.passes = 0}).cost == result.cost);
    CHECK(again == points);
  }
}

TEST_CASE("lloyd: a vector's weight is what repeating it is, and points are means", "[quantizer][codebook]") {
  const std::vector<float> x = {0, 0, 1, 0, 10, 0, 10, 4}, w = {1, 3, 2, 2};
  std::vector<float> points = {0, 0, 10, 0}, repeated = points;
  const auto weighted = lloyd(x, 2, w, points);
  CHECK(points == std::vector<float>{0.75f, 0.0f, 10.0f, 2.0f});
  CHECK(weighted.cost == test::Approx(0.75 + 16.0));
  CHECK(weighted.used == 2);
  const std::vector<float> all = {0, 0, 1, 0, 1, 0, 1, 0, 10, 0, 10, 0, 10, 4, 10, 4};
  lloyd(all, 2, {}, repeated);
  CHECK(repeated == points);
}

TEST_CASE("kmeans: same seed, same points; vectors that are not finite or weigh nothing do not count",
          "[quantizer][codebook]") {
  auto x = normals(600, 4);
  std::vector<float> a(16), b(16), c(16);
  kmeans(x, 2, {}, a, {.seed = 7});
  kmeans(x, 2, {}, b, {.seed = 7});
  kmeans(x, 2, {}, c, {.seed = 8});
  CHECK(a == b);
  CHECK(a != c);
  std::vector<float> w(300, 1.0f);
  x[10] = NAN;
  x[31] = INFINITY;
  x[40] = 1e30f;
  w[20] = 0.0f;
  const auto result = kmeans(x, 2, w, a, {.seed = 7});
  CHECK(std::all_of(a.begin(), a.end(), [](float v) { return std::fabs(v) < 10.0f; }));
  CHECK(std::isfinite(result.cost));
  CHECK(kmeans(std::vector<float>{}, 2, {}, a).cost == 0.0);
  CHECK(a == std::vector<float>(16, 0.0f));
  // Fewer vectors than points: every vector is one.
  const auto few = normals(6, 5);
  CHECK(kmeans(few, 2, {}, a).cost == 0.0);
}

TEST_CASE("kmeans: with dead points reseeded nearly all of 2^10 are used", "[quantizer][codebook][published]") {
  const std::size_t dim = 4, count = 1024;
  const auto x = normals(dim * 10000, 6);
  std::vector<float> points(dim * count);
  // A start where nearly all are dead.
  Rng rng(6);
  for (float& v : points) v = static_cast<float>(20.0 + rng.normal());
  auto kept = points;
  const auto keep = lloyd(x, dim, {}, kept, {.passes = 8});
  const auto reseed = lloyd(x, dim, {}, points, {.passes = 20, .dead = DeadPoints::reseed});
  CHECK(keep.used < count / 10);
  CHECK(static_cast<double>(reseed.used) >= 0.95 * static_cast<double>(count));
  CHECK(reseed.cost < 0.2 * keep.cost);
  CHECK(lloyd(x, dim, {}, points, {.passes = 0}).cost == reseed.cost);
}

TEST_CASE("coupled channels: one bit a channel for eight correlated ones", "[quantizer][codebook][published]") {
  const auto x = correlated(20000, 8, 0.9, 7), independent = normals(8 * 6000, 8);
  const auto coupled = fit_product(x, 8, 1, 256, {.passes = 15, .seed = 1});
  CHECK(coupled.codebook.bits() == 8.0);
  CHECK(product_error(coupled.codebook, x) / energy(x) <= 0.085);
  const auto scalar = fit_product(independent, 8, 8, 2, {.passes = 15, .seed = 1});
  const auto vector = fit_product(independent, 8, 1, 256, {.passes = 15, .seed = 1});
  CHECK(product_error(scalar.codebook, independent) / energy(independent) == test::Approx(0.3634).epsilon(0.02));
  CHECK(product_error(vector.codebook, independent) <= product_error(scalar.codebook, independent));
}

TEST_CASE("coupled channels: squared gradients move the points to the vectors that matter",
          "[quantizer][codebook][published]") {
  const std::size_t n = 4000, dim = 8;
  const auto x = correlated(n, dim, 0.5, 9);
  Rng rng(9);
  std::vector<float> squares(n * dim);
  for (std::size_t j = 0; j < n; ++j) {
    const double size = std::exp(1.5 * rng.normal());
    for (std::size_t i = 0; i < dim; ++i) squares[j * dim + i] = static_cast<float>(size * std::pow(rng.normal(), 2));
  }
  const auto plain = fit_product(x, dim, 4, 16, {.passes = 30, .seed = 2});
  const auto fisher = fit_product(x, dim, 4, 16, {.passes = 30, .seed = 2}, ChunkMetric::euclidean, squares,
                                  ChunkWeights::summed);
  const auto weighted_error = [&](const ProductCodebook& codebook) {
    double sum = 0.0;
    std::vector<std::uint32_t> codes(4);
    std::vector<float> y(dim);
    for (std::size_t j = 0; j < n; ++j) {
      codebook.encode(std::span(x).subspan(j * dim, dim), codes);
      codebook.decode(codes, y);
      for (std::size_t m = 0; m < 4; ++m) {
        double f = 0.0, e = 0.0;
        for (std::size_t i = 2 * m; i < 2 * m + 2; ++i) {
          f += static_cast<double>(squares[j * dim + i]);
          e += std::pow(static_cast<double>(y[i]) - static_cast<double>(x[j * dim + i]), 2);
        }
        sum += f * e;
      }
    }
    return sum;
  };
  CHECK(weighted_error(fisher.codebook) < 0.97 * weighted_error(plain.codebook));
  for (const auto& chunk : fisher.chunks)
    for (std::size_t i = 1; i < chunk.costs.size(); ++i) CHECK(chunk.costs[i] <= chunk.costs[i - 1] * (1.0 + 1e-6));
}

TEST_CASE("multi-codebook cosine: independent nearest neighbours, unit chunks, and at twelve bits less error with more chunks",
          "[quantizer][codebook][published]") {
  const std::size_t n = 1500, dim = 8;
  const auto x = normals(n * dim, 10);
  double before = HUGE_VAL;
  for (const std::size_t chunks : {1, 2, 4}) {  // one is a random codebook of 2^12 points
    const std::size_t points = std::size_t{1} << (12 / chunks), width = dim / chunks;
    const auto codebook =
        chunks == 1 ? ProductCodebook(dim, 1, normals(dim * points, 99), ChunkMetric::cosine)
                    : fit_product(x, dim, chunks, points, {.passes = 20, .seed = 1}, ChunkMetric::cosine).codebook;
    std::vector<std::uint32_t> codes(chunks);
    std::vector<float> y(dim);
    std::size_t wrong = 0;
    double worst = 0.0, error = 0.0;
    for (std::size_t j = 0; j < n; ++j) {
      const auto v = std::span(x).subspan(j * dim, dim);
      codebook.encode(v, codes);
      codebook.decode(codes, y);
      for (std::size_t m = 0; m < chunks; ++m) {
        const auto dot = [&](std::size_t k) {
          double sum = 0.0;
          for (std::size_t i = 0; i < width; ++i)
            sum += static_cast<double>(v[m * width + i]) * static_cast<double>(codebook.chunk(m).point(k)[i]);
          return sum;
        };
        for (std::size_t k = 0; k < points && j < 200; ++k) wrong += dot(k) > dot(codes[m]) + 1e-5 ? 1 : 0;
        double norm = 0.0, length = 0.0;
        for (std::size_t i = m * width; i < (m + 1) * width; ++i) {
          norm += std::pow(static_cast<double>(y[i]), 2);
          length += std::pow(static_cast<double>(v[i]), 2);
        }
        worst = std::max(worst, std::fabs(norm - 1.0));
        error += 2.0 - 2.0 * dot(codes[m]) / std::sqrt(length);
      }
    }
    CHECK(wrong == 0);
    CHECK(worst < 1e-5);
    CHECK(error / static_cast<double>(n * chunks) < before);
    before = error / static_cast<double>(n * chunks);
  }
  std::vector<std::uint32_t> codes(2, 9);
  const ProductCodebook small(2, 2, std::vector<float>{-3.0f, 2.0f, 5.0f, 1.0f}, ChunkMetric::cosine);
  small.encode(std::vector<float>{0.0f, -4.0f}, codes);
  CHECK(codes == std::vector<std::uint32_t>{0, 0});
}

TEST_CASE("multi-codebook cosine: more chunks of as many points err less", "[quantizer][codebook][published]") {
  const std::size_t n = 1500, dim = 16;
  auto x = normals(n * dim, 13);
  for (std::size_t j = 0; j < n; ++j)
    for (std::size_t i = 0; i < dim; i += 2) to_unit_pair(x[j * dim + i], x[j * dim + i + 1]);
  double before = HUGE_VAL;
  for (const std::size_t chunks : {1, 2, 4, 8}) {
    const auto fit = fit_product(x, dim, chunks, 16, {.passes = 20, .seed = 1}, ChunkMetric::cosine);
    double error = 0.0;
    for (const auto& chunk : fit.chunks) error += chunk.cost;
    CHECK(error / static_cast<double>(chunks) < 0.9 * before);
    before = error / static_cast<double>(chunks);
  }
}

TEST_CASE("scalar codebooks: evenly spaced values are a clamped uniform quantizer", "[quantizer][codebook][published]") {
  const ScalarCodebooks even(3, 10);
  Rng rng(11);
  std::vector<std::uint32_t> digits(3), back(3);
  std::vector<float> y(3);
  for (int t = 0; t < 2000; ++t) {
    std::vector<float> x(3);
    for (float& v : x) v = static_cast<float>(rng.normal() * 0.5);
    even.encode(x, digits);
    even.decode(digits, y);
    for (std::size_t i = 0; i < 3; ++i) {
      const double at = std::clamp(std::nearbyint((static_cast<double>(x[i]) + 0.5) * 9.0), 0.0, 9.0);
      CHECK(digits[i] == static_cast<std::uint32_t>(at));
      CHECK(y[i] == test::Approx(at / 9.0 - 0.5).margin(1e-6));
    }
    CHECK(even.index(digits) < 1000);
    even.digits(even.index(digits), back);
    CHECK(back == digits);
  }
  CHECK(even.bits() == test::Approx(3.0 * std::log2(10.0)));
}

TEST_CASE("scalar codebooks: a step of Lloyd's iteration never raises the error, and exact ones are below all",
          "[quantizer][codebook][published]") {
  const auto x = correlated(800, 4, 0.3, 12);
  ScalarCodebooks learned(4, 6), exact(4, 6);
  double before = HUGE_VAL;
  for (int pass = 0; pass < 12; ++pass) {
    const double now = learned.learn(x);
    CHECK(now <= before * (1.0 + 1e-7));
    before = now;
  }
  CHECK(exact.learn_exactly(x) <= before);
  CHECK(before < 0.06 * energy(x));
}

}  // namespace lowbit::test::codebook_vectors_tests
