// SPDX-License-Identifier: MIT
#include "lowbit/ptq/minifloat_search.hpp"

#include <cmath>
#include <limits>

#include "catch.hpp"
#include "lowbit/format/minifloat.hpp"
#include "lowbit/format/real_bias_minifloat.hpp"
#include "lowbit/ptq/minifloat_joint_search.hpp"
#include "test_bed.hpp"

namespace lowbit::test::minifloat_search_tests {
using ptq::MinifloatChoice;
using ptq::MinifloatGrid;
using ptq::MinifloatObjective;
using ptq::MinifloatScales;
using ptq::MinifloatSearch;

namespace {

Matrix laplacian(Index rows, Index cols, std::uint64_t seed) {
  Rng rng(seed);
  Matrix A(rows, cols);
  for (Index i = 0; i < A.size(); ++i) {
    const double magnitude = -std::log(1.0 - rng.uniform());
    A.data()[i] = static_cast<float>(rng.below(2) == 0 ? magnitude : -magnitude);
  }
  return A;
}

double squared(const Matrix& W, const MinifloatChoice& choice) {
  double sum = 0.0;
  for (Index r = 0; r < W.rows(); ++r)
    for (Index c = 0; c < W.cols(); ++c)
      sum += std::pow(static_cast<double>(choice.nearest(W(r, c), static_cast<std::size_t>(r))) - static_cast<double>(W(r, c)), 2);
  return sum;
}

template <int E, int M>
std::size_t differences() {
  const MinifloatFields fields{E, M};
  using F = Minifloat<E, M>;
  std::size_t wrong = fields.largest() == F::largest && fields.bias() == F::bias && fields.bits() == 1 + E + M ? 0 : 1;
  Rng rng(E * 8 + M);
  const auto check = [&](float x) { wrong += fields.nearest(x) == F::decode(F::encode(x)) ? 0 : 1; };
  for (std::size_t c = 0; c + 1 < F::cardinality / 2; ++c) {
    const float low = F::levels[c], high = F::levels[c + 1], middle = low + 0.5f * (high - low);
    for (const float x : {low, middle, std::nextafter(middle, 0.0f), std::nextafter(middle, INFINITY)}) check(x), check(-x);
  }
  for (int i = 0; i < 3000; ++i)
    check(static_cast<float>(rng.normal() * std::exp2(std::log2(static_cast<double>(F::largest)) - 12.0 * rng.uniform())));
  check(std::numeric_limits<float>::max());
  check(std::numeric_limits<float>::denorm_min());
  return wrong;
}

}  // namespace

TEST_CASE("MinifloatFields: rounds as Minifloat does, for every split of 3 to 8 bits", "[ptq][minifloat]") {
  CHECK(differences<1, 1>() + differences<2, 0>() == 0);
  CHECK(differences<1, 2>() + differences<2, 1>() + differences<3, 0>() == 0);
  CHECK(differences<1, 3>() + differences<2, 2>() + differences<3, 1>() + differences<4, 0>() == 0);
  CHECK(differences<2, 3>() + differences<3, 2>() + differences<4, 1>() + differences<5, 0>() == 0);
  CHECK(differences<2, 4>() + differences<3, 3>() + differences<6, 0>() == 0);
  CHECK(differences<1, 6>() + differences<4, 3>() + differences<5, 2>() + differences<7, 0>() == 0);
}

TEST_CASE("minifloat search: E2M1 for Gaussian and for Laplacian rows of 128, with the published errors",
          "[ptq][minifloat][published]") {
  const struct {
    Matrix W;
    double e1m2, e2m1, e3m0;
  } cases[] = {{test::gaussian(512, 128, 1), 0.01117, 0.01036, 0.03151}, {laplacian(512, 128, 2), 0.0210, 0.01284, 0.02915}};
  for (const auto& [W, e1m2, e2m1, e3m0] : cases) {
    const auto found = MinifloatSearch{.steps = 80}.run(W).value();
    const double power = linalg::squared_norm(W);
    CHECK(found.format == MinifloatFields{2, 1});
    REQUIRE(found.format_error.size() == 3);
    CHECK(found.format_error[0] / power == test::Approx(e1m2).epsilon(0.02));
    CHECK(found.format_error[1] / power == test::Approx(e2m1).epsilon(0.02));
    CHECK(found.format_error[2] / power == test::Approx(e3m0).epsilon(0.02));
    CHECK(squared(W, found) == test::Approx(found.error).epsilon(1e-12));
  }
}

TEST_CASE("minifloat search: never worse than absmax, in any objective, by clips and by biases",
          "[ptq][minifloat][published]") {
  const test::Problem problem = test::small_problem(12, 24, 3);
  for (const int bits : {3, 4, 5, 6, 8})
    for (const auto scales : {MinifloatScales::per_channel, MinifloatScales::per_tensor})
      for (const auto grid : {MinifloatGrid::clip, MinifloatGrid::bias})
        for (const auto objective : {MinifloatObjective::squared, MinifloatObjective::diagonal, MinifloatObjective::output}) {
          const MinifloatSearch search{bits, scales, grid, objective, 40};
          const auto found = search.run(problem.W, problem.H).value();
          CHECK(found.error <= found.absmax_error);
          CHECK(found.scales.size() == (scales == MinifloatScales::per_tensor ? 1u : 12u));
          CHECK(found.format.bits() == bits);
          CHECK(found.format_error.size() == (bits == 8 ? 5u : static_cast<std::size_t>(bits - 1)));
          for (const double e : found.format_error) CHECK(found.error <= e);
        }
}

TEST_CASE("minifloat search: the objective it names is what it minimizes", "[ptq][minifloat]") {
  const test::Problem problem = test::small_problem(8, 32, 4);
  const auto error = [&](MinifloatObjective objective, MinifloatObjective measured) {
    const auto found = MinifloatSearch{.objective = objective}.run(problem.W, problem.H).value();
    MatrixD rounded(8, 32);
    for (Index r = 0; r < 8; ++r)
      for (Index c = 0; c < 32; ++c) rounded(r, c) = static_cast<double>(found.nearest(problem.W(r, c), static_cast<std::size_t>(r)));
    const MatrixD H = problem.H.mean();
    const double sum = measured == MinifloatObjective::output
                           ? test::proxy(problem.W, rounded, H)
                           : test::proxy(problem.W, rounded, MatrixD(H.diagonal().asDiagonal()));
    if (objective == measured) CHECK(sum == test::Approx(found.error).epsilon(1e-9));
    return sum;
  };
  for (const auto measured : {MinifloatObjective::diagonal, MinifloatObjective::output})
    CHECK(error(measured, measured) < error(MinifloatObjective::squared, measured));
}

TEST_CASE("minifloat search: a choice is a RealBiasMinifloat of its bias", "[ptq][minifloat]") {
  const Matrix W = test::gaussian(3, 64, 9);
  const auto found = MinifloatSearch{}.run(W).value();
  REQUIRE(found.format == MinifloatFields{2, 1});
  for (std::size_t r = 0; r < 3; ++r) {
    const auto format = RealBiasMinifloat<2, 1>::with_scale(found.scales[r]);
    CHECK(found.bias(r) == test::Approx(static_cast<double>(format.bias())).epsilon(1e-6));
    for (Index c = 0; c < 64; ++c) {
      const float x = W(static_cast<Index>(r), c);
      CHECK(found.nearest(x, r) == format.decode(format.encode(x)));
    }
  }
}

TEST_CASE("minifloat search: the same choice for any number of threads", "[ptq][minifloat]") {
  const test::Problem problem = test::small_problem(37, 16, 6);
  Executor one(1), four(4);
  for (const auto scales : {MinifloatScales::per_channel, MinifloatScales::per_tensor}) {
    const MinifloatSearch search{.scales = scales, .objective = MinifloatObjective::output};
    const auto a = search.run(problem.W, problem.H, one).value(), b = search.run(problem.W, problem.H, four).value();
    CHECK(a.format == b.format);
    CHECK(a.scales == b.scales);
    CHECK(a.error == b.error);
  }
}

TEST_CASE("minifloat search: zero rows, single weights and huge ones; bad requests are named", "[ptq][minifloat]") {
  Matrix W = Matrix::Zero(3, 5);
  W(1, 2) = -7.25f;
  W(2, 0) = std::numeric_limits<float>::max();
  const auto found = MinifloatSearch{.bits = 8}.run(W).value();
  for (Index c = 0; c < 5; ++c) CHECK(found.nearest(W(0, c), 0) == 0.0f);
  CHECK(found.nearest(-7.25f, 1) == test::Approx(-7.25f));
  CHECK(std::isfinite(found.nearest(W(2, 0), 2)));
  CHECK(MinifloatSearch{}.run(Matrix(0, 4)).value().scales.empty());
  CHECK(MinifloatSearch{.bits = 2}.run(W).error().code == Errc::invalid_argument);
  CHECK(MinifloatSearch{}.run(W, test::identity_moments(4)).error().code == Errc::shape_mismatch);
  W(0, 1) = std::nanf("");
  CHECK(MinifloatSearch{}.run(W).error().code == Errc::not_finite);
}

TEST_CASE("minifloat search: weights and inputs in turns never raise the output error, and beat absmax",
          "[ptq][minifloat][published]") {
  const Matrix W = test::gaussian(16, 24, 11), X = test::correlated_inputs(48, 24, true, 12);
  for (const auto grid : {MinifloatGrid::clip, MinifloatGrid::bias}) {
    const auto pair = ptq::MinifloatJointSearch{.grid = grid, .steps = 50}.run(W, X).value();
    REQUIRE(pair.errors.size() == 7);
    for (std::size_t i = 0; i + 1 < pair.errors.size(); ++i) CHECK(pair.errors[i + 1] <= pair.errors[i]);
    CHECK(pair.errors.back() < 0.9 * pair.errors.front());
    CHECK(pair.inputs.scales.size() == 1);
    CHECK(pair.weights.scales.size() == 16);
    MatrixD Wq(16, 24), Xq(48, 24);
    for (Index r = 0; r < 16; ++r)
      for (Index c = 0; c < 24; ++c) Wq(r, c) = static_cast<double>(pair.weights.nearest(W(r, c), static_cast<std::size_t>(r)));
    for (Index r = 0; r < 48; ++r)
      for (Index c = 0; c < 24; ++c) Xq(r, c) = static_cast<double>(pair.inputs.nearest(X(r, c), static_cast<std::size_t>(r)));
    const MatrixD Y = X.cast<double>() * W.cast<double>().transpose();
    CHECK((Y - Xq * Wq.transpose()).squaredNorm() == test::Approx(pair.errors.back()).epsilon(1e-9));
  }
  CHECK(ptq::MinifloatJointSearch{}.run(W, Matrix(3, 5)).error().code == Errc::shape_mismatch);
}

}  // namespace lowbit::test::minifloat_search_tests
