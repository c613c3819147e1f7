// SPDX-License-Identifier: MIT
#include "lowbit/quantizer/vector_scaled.hpp"

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/format/d4_ball.hpp"
#include "lowbit/format/e8_ball.hpp"
#include "lowbit/format/e8p_residual.hpp"
#include "lowbit/kernel/dequantize.hpp"
#include "lowbit/kernel/gemv.hpp"
#include "lowbit/quantizer/nearest.hpp"

namespace lowbit::test::vector_scaled_tests {

namespace {

using quantizers =
    std::tuple<VectorScaled<E8P>, VectorScaled<E8P, float, dynamic_group>, VectorScaled<E8P3, bf16, per_tensor>,
               VectorScaled<E8Ball<8>, f16, 8>, VectorScaled<E8Ball<12>, bf16, 32>, VectorScaled<D4Ball<9>, float, 4>>;

template <class Q>
Q make() {
  Q q;
  if constexpr (requires { q.group_size = 24; }) q.group_size = 24;
  return q;
}

std::vector<float> normals(std::size_t count, double sigma, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<float> x(count);
  for (float& v : x) v = static_cast<float>(sigma * rng.normal());
  return x;
}

template <class Q>
std::vector<float> back(const QuantizedMatrix<Q>& m) {
  std::vector<float> w(m.rows() * m.cols());
  dequantize(m.view(), 0, m.rows(), w);
  return w;
}

template <class Q>
double error(const Q& q, std::span<const float> group, typename Q::params_type p, std::span<const float> h = {}) {
  constexpr std::size_t dim = Q::dim;
  std::vector<typename Q::code_type> codes((group.size() + dim - 1) / dim);
  q.quantize_group(group, p, codes);
  double sum = 0.0;
  for (std::size_t i = 0; i < group.size(); ++i) {
    std::array<float, dim> y;
    q.dequantize(codes[i / dim], p, y);
    const double e = static_cast<double>(y[i % dim]) - static_cast<double>(group[i]);
    sum += (h.empty() ? 1.0 : static_cast<double>(h[i])) * e * e;
  }
  return sum;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("VectorScaled: a weighted quantizer whose stored parameters are those it fits",
                        "[quantizer][vector_scaled]", quantizers) {
  using Q = TestType;
  static_assert(Quantizer<Q> && WeightedFitting<Q> && !SuperBlocks<Q> && !SharedScales<Q>);
  const Q q = make<Q>();
  for (const std::size_t size : {1, 3, 8, 24, 128, 777})
    for (const double sigma : {1e-30, 1e-6, 0.02, 1.0, 1e3}) {
      const auto p = q.fit(normals(size, sigma, size));
      CHECK(std::isfinite(p.scale));
      CHECK(p.scale >= 0.0f);
      CHECK(q.load(q.store(p), q.store_zero(p)) == p);
    }
}

TEMPLATE_LIST_TEST_CASE("VectorScaled: zeros come back as zeros, and groups too small for their scale too",
                        "[quantizer][vector_scaled]", quantizers) {
  const TestType q = make<TestType>();
  for (const std::size_t cols : {1, 8, 13, 100}) {
    std::vector<float> w(3 * cols, 0.0f);
    CHECK(back(quantize_nearest(q, w, 3, cols).value()) == w);
    const std::vector<float> zeros = w;
    std::fill(w.begin(), w.end(), 1e-42f);
    CHECK(back(quantize_nearest(q, w, 3, cols).value()) == zeros);
  }
}

TEMPLATE_LIST_TEST_CASE("VectorScaled: values on the grid of their parameters come back unchanged",
                        "[quantizer][vector_scaled]", quantizers) {
  using Q = TestType;
  using F = typename Q::format_type;
  if constexpr (!requires { F::nearest; }) {
    const Q q = make<Q>();
    const auto p = q.fit(normals(96, 0.02, 5));
    Rng rng(6);
    for (int t = 0; t < 500; ++t) {
      std::array<float, Q::dim> x, y;
      q.dequantize(static_cast<typename Q::code_type>(rng.below(F::cardinality)), p, x);
      q.dequantize(q.quantize(x, p), p, y);
      CHECK(x == y);
    }
  }
}

TEMPLATE_LIST_TEST_CASE("VectorScaled: every shape holds together, with short groups and parts of vectors",
                        "[quantizer][vector_scaled]", quantizers) {
  const TestType q = make<TestType>();
  for (const auto [rows, cols] :
       {std::array<std::size_t, 2>{1, 1}, {1, 7}, {3, 8}, {2, 31}, {3, 129}, {5, 77}, {2, 264}, {0, 4}, {4, 0}}) {
    const auto w = normals(rows * cols, 0.02, rows + cols);
    const auto m = quantize_nearest(q, w, rows, cols).value();
    CHECK(m.view().consistent());
    const auto there = back(m);
    double lost = 0.0, power = 0.0;
    for (std::size_t i = 0; i < w.size(); ++i) {
      lost += std::pow(static_cast<double>(w[i]) - static_cast<double>(there[i]), 2);
      power += std::pow(static_cast<double>(w[i]), 2);
    }
    CHECK((w.empty() || lost < power));
  }
}

TEMPLATE_TEST_CASE("VectorScaled: the product of a packed matrix is that of the weights it stands for",
                   "[quantizer][vector_scaled]", VectorScaled<E8P>, (VectorScaled<D4Ball<12>, f16, 32>)) {
  for (const auto [rows, cols] : {std::array<std::size_t, 2>{1, 1}, {3, 129}, {5, 264}}) {
    const auto m = quantize_nearest(TestType{}, normals(rows * cols, 0.02, 3), rows, cols).value();
    const auto there = back(m), x = normals(cols, 1.0, 9);
    std::vector<float> y(rows);
    gemv(m.view(), x, y);
    for (std::size_t r = 0; r < rows; ++r) {
      double sum = 0.0, bound = 0.0;
      for (std::size_t c = 0; c < cols; ++c) {
        const double term = static_cast<double>(there[r * cols + c]) * static_cast<double>(x[c]);
        sum += term;
        bound += std::fabs(term);
      }
      CHECK(std::fabs(static_cast<double>(y[r]) - sum) <= 1e-5 * bound);
    }
  }
}

TEMPLATE_LIST_TEST_CASE("VectorScaled: quantize_group gives the codes of quantize, the last vector filled with zeros",
                        "[quantizer][vector_scaled]", quantizers) {
  using Q = TestType;
  const Q q = make<Q>();
  for (const std::size_t size : {1, 8, 9, 100, 512, 515, 1100}) {
    const auto group = normals(size, 0.5, size);
    for (const auto& p : {q.fit(group), typename Q::params_type{}}) {
      std::vector<typename Q::code_type> codes((size + Q::dim - 1) / Q::dim);
      q.quantize_group(group, p, codes);
      std::vector<float> padded = group;
      padded.resize(codes.size() * Q::dim, 0.0f);
      std::size_t wrong = 0;
      for (std::size_t c = 0; c < codes.size(); ++c)
        wrong += codes[c] == q.quantize(std::span<const float, Q::dim>(padded.data() + c * Q::dim, Q::dim), p) ? 0 : 1;
      CHECK(wrong == 0);
    }
  }
}

TEMPLATE_LIST_TEST_CASE("VectorScaled: refinement never errs more, with importance neither",
                        "[quantizer][vector_scaled]", quantizers) {
  Rng rng(7);
  TestType plain = make<TestType>(), refined = plain;
  plain.refinements = 0;
  double before = 0.0, after = 0.0;
  for (int t = 0; t < 12; ++t) {
    auto group = normals(t % 2 == 0 ? 128 : 40, 0.02, static_cast<std::uint64_t>(t));
    if (t % 3 == 0) group[5] = 0.3f;  // an outlier
    std::vector<float> h(group.size());
    for (float& v : h) v = rng.below(4) == 0 ? 10.0f : static_cast<float>(rng.uniform());
    const double one = error(plain, group, plain.fit(group)), two = error(refined, group, refined.fit(group));
    CHECK(two <= one);
    const FitContext context{.importance = h};
    CHECK(error(refined, group, refined.fit(group, context), h) <= error(plain, group, plain.fit(group, context), h));
    before += one;
    after += two;
  }
  CHECK(after < before);
}

TEST_CASE("VectorScaled: the scale is the RMS over opt_scale where nothing is refined", "[quantizer][vector_scaled]") {
  VectorScaled<E8P, float> q;
  q.refinements = 0;
  const std::vector<float> group = {3.0f, -3.0f, 3.0f, 3.0f, -3.0f, 3.0f, 3.0f, 3.0f, 3.0f};
  CHECK(q.fit(group).scale == test::Approx(3.0 / 1.03));
}

TEST_CASE("VectorScaled: codes and scales are all that is stored", "[quantizer][vector_scaled]") {
  const auto w = normals(4 * 1024, 0.02, 1);
  CHECK(quantize_nearest(VectorScaled<E8P>{}, w, 4, 1024).value().bits_per_weight() == 2.0 + 16.0 / 1024);
  CHECK(quantize_nearest(VectorScaled<E8P3>{}, w, 4, 1024).value().bits_per_weight() == 3.0 + 16.0 / 1024);
  CHECK(quantize_nearest(VectorScaled<E8P4, bf16, 128>{}, w, 4, 1024).value().bits_per_weight() == 4.125);
  CHECK(quantize_nearest(VectorScaled<E8Ball<12>, float, 256>{}, w, 4, 1024).value().bits_per_weight() == 1.625);
  CHECK(quantize_nearest(VectorScaled<D4Ball<8>, f16, 64>{}, w, 4, 1024).value().bits_per_weight() == 2.25);
}

TEST_CASE("VectorScaled: rows of N(0, 1) err as their codebooks do", "[quantizer][vector_scaled]") {
  const auto w = normals(16 * 4096, 1.0, 2);
  const auto nmse = [&](const auto& q) {
    const auto there = back(quantize_nearest(q, w, 16, 4096).value());
    double lost = 0.0, power = 0.0;
    for (std::size_t i = 0; i < w.size(); ++i) {
      lost += std::pow(static_cast<double>(w[i]) - static_cast<double>(there[i]), 2);
      power += std::pow(static_cast<double>(w[i]), 2);
    }
    return lost / power;
  };
  CHECK(nmse(VectorScaled<E8Ball<8>>{}) == test::Approx(0.3188).epsilon(0.03));
  CHECK(nmse(VectorScaled<E8P>{}) == test::Approx(0.0914).epsilon(0.03));
  CHECK(nmse(VectorScaled<E8P3>{}) == test::Approx(0.0296).epsilon(0.03));
  CHECK(nmse(VectorScaled<E8P4>{}) == test::Approx(0.0086).epsilon(0.05));
}

TEST_CASE("VectorScaled: a scale past its storage is an error, unless the storage is wider",
          "[quantizer][vector_scaled]") {
  const std::vector<float> huge(16, 1e9f);
  const auto refused = quantize_nearest(VectorScaled<E8P>{}, huge, 1, 16);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == Errc::not_finite);
  CHECK(quantize_nearest(VectorScaled<E8P, bf16>{}, huge, 1, 16).has_value());
  const std::vector<float> largest(16, std::numeric_limits<float>::max());
  CHECK(quantize_nearest(VectorScaled<E8P, float>{}, largest, 1, 16).has_value());
}

}  // namespace lowbit::test::vector_scaled_tests
