// SPDX-License-Identifier: MIT

#include <cmath>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "lowbit/calib.hpp"
#include "lowbit/core/rng.hpp"

namespace lowbit::test::moments_tests {
namespace {

using calib::Moments;

Matrix gaussian(Index rows, Index cols, std::uint64_t seed) {
  Rng rng(seed);
  Matrix A(rows, cols);
  for (Index i = 0; i < A.size(); ++i) A.data()[i] = static_cast<float>(rng.normal());
  return A;
}

/// Σ w·x·xᵀ / Σ w in double, one token after another.
MatrixD direct(const Matrix& X, const std::vector<float>& weights = {}) {
  MatrixD sum = MatrixD::Zero(X.cols(), X.cols());
  double total = 0.0;
  for (Index t = 0; t < X.rows(); ++t) {
    const double w = weights.empty() ? 1.0 : static_cast<double>(weights[static_cast<std::size_t>(t)]);
    for (Index i = 0; i < X.cols(); ++i)
      for (Index j = 0; j < X.cols(); ++j) sum(i, j) += w * static_cast<double>(X(t, i)) * static_cast<double>(X(t, j));
    total += w;
  }
  return sum / total;
}

Moments collected(const Matrix& X, Index batch, calib::MomentsOptions options = {},
                  const std::vector<float>& weights = {}, std::size_t threads = 1) {
  Executor executor(threads);
  Moments H(X.cols(), options);
  for (Index begin = 0; begin < X.rows(); begin += batch) {
    const Index count = std::min(batch, X.rows() - begin);
    const auto part =
        weights.empty() ? std::span<const float>()
                        : std::span(weights).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count));
    H.add(X.middleRows(begin, count), executor, part).value();
  }
  return H;
}

double worst(const MatrixD& a, const MatrixD& b) { return (a - b).cwiseAbs().maxCoeff(); }

TEST_CASE("moments: they are the mean of x·xᵀ, for any width and any cut into batches", "[calib]") {
  for (const Index in : {1, 3, 63, 64, 65, 150}) {
    const Matrix X = gaussian(700, in, static_cast<std::uint64_t>(in));
    const MatrixD want = direct(X);
    for (const Index batch : {1, 7, 256, 257, 700}) {
      CAPTURE(in, batch);
      const Moments H = collected(X, batch), exact = collected(X, batch, {.fp64_products = true});
      CHECK(worst(exact.mean(), want) <= 1e-12);
      // Float products of at most 256 tokens: γ_256 · mean |x_i·x_j| < 256 · 2^-24 · 1.5.
      CHECK(worst(H.mean(), want) <= 256.0 * 0x1p-24 * 1.5);
      CHECK(H.mean() == H.mean().transpose());
      CHECK(H.mean_square() == H.mean().diagonal());
      CHECK(H.tokens() == 700);
      CHECK(H.inputs() == in);
    }
  }
}

TEST_CASE("moments: products in double remember what float products lose", "[calib]") {
  Matrix X(256, 2);
  X.col(0).setConstant(1.0f);
  X.col(1).setConstant(1.0f + 0x1p-23f);
  const MatrixD want = direct(X);
  CHECK(worst(collected(X, 256, {.fp64_products = true}).mean(), want) <= 1e-15);
  CHECK(worst(collected(X, 256).mean(), want) > 1e-15);
}

TEST_CASE("moments: a weighted token counts as often as its weight says", "[calib]") {
  const Matrix X = gaussian(50, 20, 4);
  std::vector<float> weights(50);
  Matrix repeated(0, 20);
  for (Index t = 0; t < 50; ++t) {
    const Index times = t % 4;
    weights[static_cast<std::size_t>(t)] = static_cast<float>(times);
    for (Index i = 0; i < times; ++i) {
      repeated.conservativeResize(repeated.rows() + 1, 20);
      repeated.bottomRows(1) = X.row(t);
    }
  }
  const Moments weighted = collected(X, 13, {.fp64_products = true}, weights);
  CHECK(worst(weighted.mean(), direct(repeated)) <= 1e-6);  // √w is rounded to float
  CHECK(worst(weighted.mean(), direct(X, weights)) <= 1e-6);
  CHECK(worst(weighted.mean(), direct(X)) > 1e-2);
  CHECK(weighted.tokens() == 50);

  for (float& w : weights) w *= 8.0f;
  CHECK(worst(collected(X, 50, {.fp64_products = true}, weights).mean(), weighted.mean()) <= 1e-6);
  const std::vector<float> ones(50, 1.0f);
  CHECK(collected(X, 50, {}, ones).mean() == collected(X, 50).mean());
  const std::vector<float> none(50, 0.0f);
  CHECK(collected(X, 50, {}, none).mean().isZero(0.0));
}

TEST_CASE("moments: without tokens all are zero", "[calib]") {
  Moments H(5);
  Executor alone;
  CHECK(H.mean() == MatrixD::Zero(5, 5));
  CHECK(H.mean_square() == VectorD::Zero(5));
  H.add(Matrix(0, 5), alone).value();
  CHECK(H.tokens() == 0);
  CHECK(Moments().inputs() == 0);
}

TEST_CASE("moments: the same bits for any number of threads and every run", "[calib]") {
  const Matrix X = gaussian(600, 200, 9);
  for (const bool fp64 : {false, true}) {
    const MatrixD once = collected(X, 300, {.fp64_products = fp64}).mean();
    for (const std::size_t threads : {1u, 2u, 3u, 5u})
      CHECK(collected(X, 300, {.fp64_products = fp64}, {}, threads).mean() == once);
  }
}

TEST_CASE("moments: rows of a larger matrix count like their copy", "[calib]") {
  const Matrix X = gaussian(90, 40, 10);
  Moments view(17), copy(17);
  Executor alone;
  view.add(X.block(5, 3, 60, 17), alone).value();
  copy.add(Matrix(X.block(5, 3, 60, 17)), alone).value();
  CHECK(view.mean() == copy.mean());
}

TEST_CASE("moments: inputs that are not finite are refused by token and input, and nothing is added", "[calib]") {
  Executor alone;
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    Matrix X = gaussian(400, 10, 11);
    Moments H(10);
    H.add(X, alone).value();
    const MatrixD before = H.mean();
    X(321, 7) = bad;
    const auto refused = H.add(X, alone);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == Errc::not_finite);
    CHECK(refused.error().row == 321u);
    CHECK(refused.error().column == 7u);
    CHECK(H.mean() == before);
    CHECK(H.tokens() == 400);
  }
}

TEST_CASE("moments: bad weights and shapes are refused, and nothing is added", "[calib]") {
  Executor alone;
  const Matrix X = gaussian(4, 10, 12);
  Moments H(10);
  H.add(X, alone).value();
  const MatrixD before = H.mean();
  for (const float bad : {-1.0f, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const std::vector<float> weights{1.0f, 1.0f, bad, 1.0f};
    const auto refused = H.add(X, alone, weights);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().row == 2u);
  }
  CHECK(H.add(X, alone, std::vector<float>(3, 1.0f)).error().code == Errc::shape_mismatch);
  CHECK(H.add(gaussian(4, 11, 1), alone).error().code == Errc::shape_mismatch);
  CHECK(H.mean() == before);
  CHECK(H.tokens() == 4);
}

TEST_CASE("moments: a known H is wrapped as it is", "[calib]") {
  const MatrixD H = direct(gaussian(30, 6, 13));
  CHECK(Moments::from_mean(H).mean().isApprox(H, 1e-15));
  CHECK(Moments::from_mean(H).mean_square() == H.diagonal());
  CHECK(Moments::from_mean(H).tokens() == 1);
  CHECK_THROWS_AS(Moments::from_mean(MatrixD::Zero(2, 3)), ContractViolation);
}

}  // namespace
}  // namespace lowbit::test::moments_tests
