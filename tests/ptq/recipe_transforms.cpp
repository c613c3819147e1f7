// SPDX-License-Identifier: MIT

#include "catch.hpp"
#include "lowbit/ptq.hpp"
#include "ptq/test_bed.hpp"
#include "transform/outlier_bed.hpp"

namespace lowbit::test::recipe_transforms_tests {
namespace {

using ptq::HessianRounding;
using ptq::NearestRounding;
using ptq::Recipe;
using transform::Compose;
using transform::DiagonalRescale;
using transform::KroneckerOrthogonal;
using transform::RandomHadamard;

using QuipBasis = Compose<DiagonalRescale, KroneckerOrthogonal>;
using QuipSharpBasis = Compose<DiagonalRescale, RandomHadamard>;

template <class R>
auto layer_of(const R& recipe, const Problem& problem) {
  return recipe.run(problem.W, problem.H).value();
}

TEMPLATE_TEST_CASE("recipe: under a two-sided transform the layer answers in the original basis", "[ptq][recipe]",
                   RandomHadamard, KroneckerOrthogonal, DiagonalRescale, QuipBasis, QuipSharpBasis) {
  for (const auto& [out, in] : {std::pair<Index, Index>{1, 1}, {1, 48}, {20, 48}, {37, 67}, {128, 96}}) {
    CAPTURE(out, in);
    const Matrix X = correlated_inputs(2 * in + 8, in, true, 4);
    const Problem problem{gaussian(out, in, 5), moments_of(X)};
    const auto layer = layer_of(Recipe<Grid<4, 16>, HessianRounding, TestType>{}, problem);
    const MatrixD W = layer.dequantized();
    const Matrix got = layer.product(X);
    const MatrixD want = X.cast<double>() * W.transpose();
    CHECK((got.cast<double>() - want).cwiseAbs().maxCoeff() <= 1e-5 * (1e-3 + want.cwiseAbs().maxCoeff()));
    // The report, taken in the transform's basis, speaks of the outputs in the original one.
    CHECK(layer.report.error == Approx(proxy(problem.W, W, problem.H.mean())).epsilon(1e-4).margin(1e-9));
    const MatrixD exact = problem.W.cast<double>();
    CHECK(layer.report.reference == Approx(linalg::quadratic_form(exact, problem.H.mean())).epsilon(1e-5));
    CHECK((W - exact).norm() < 0.6 * exact.norm());
  }
}

TEST_CASE("recipe: two bits on the outlier test bed, rotated Hessian rounding is far below nearest rounding",
          "[ptq][recipe]") {
  double nearest = 0.0, aware = 0.0, rotated_nearest = 0.0, rotated = 0.0, kron = 0.0, rescaled = 0.0, quip = 0.0;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const Problem problem = tb_outliers(seed);
    using Q = Grid<2>;
    const auto error = [&](const auto& recipe) {
      return proxy(problem.W, layer_of(recipe, problem).dequantized(), problem.H.mean());
    };
    nearest += error(Recipe<Q, NearestRounding>{});
    aware += error(Recipe<Q, HessianRounding>{});
    rotated_nearest += error(Recipe<Q, NearestRounding, RandomHadamard>{.transform = {.seed = seed}});
    rotated += error(Recipe<Q, HessianRounding, RandomHadamard>{.transform = {.seed = seed}});
    kron += error(Recipe<Q, HessianRounding, KroneckerOrthogonal>{.transform = {.seed = seed}});
    rescaled += error(Recipe<Q, HessianRounding, QuipSharpBasis>{.transform = {.second = {.seed = seed}}});
    quip += error(Recipe<Q, HessianRounding, QuipBasis>{.transform = {.second = {.seed = seed}}});
  }
  INFO("of nearest: gptq " << aware / nearest << ", rht+rtn " << rotated_nearest / nearest << ", rht+gptq "
                           << rotated / nearest << ", kron+gptq " << kron / nearest << ", rescale+rht+gptq "
                           << rescaled / nearest << ", rescale+kron+gptq " << quip / nearest);
  CHECK(rotated <= 0.15 * nearest);
  CHECK(kron <= 0.15 * nearest);
  CHECK(rescaled <= 0.15 * nearest);
  CHECK(quip <= 0.15 * nearest);
  CHECK(rotated_nearest <= 0.8 * nearest);
  CHECK(rotated < aware);
}

TEST_CASE("recipe: the bits of a transform are counted", "[ptq][recipe]") {
  const Problem problem = small_problem(8, 64, 3);
  const auto bits = [&](const auto& recipe) { return layer_of(recipe, problem).bits_per_weight(); };
  const double plain = bits(Recipe<Grid<4>, NearestRounding>{});
  CHECK(bits(Recipe<Grid<4>, NearestRounding, RandomHadamard>{}) == plain + 64.0 / 512.0);
  CHECK(bits(Recipe<Grid<4>, NearestRounding, QuipBasis>{}) == plain + (64.0 + 16.0 * 64.0) / 512.0);
}

TEST_CASE("recipe: without tokens transforms still fold, and rounding is to nearest", "[ptq][recipe]") {
  const Problem blind{gaussian(6, 32, 1), calib::Moments()};
  const auto layer = layer_of(Recipe<Grid<8>, HessianRounding, QuipSharpBasis>{}, blind);
  CHECK_FALSE(layer.report.fallback.empty());
  CHECK((layer.dequantized() - blind.W.cast<double>()).cwiseAbs().maxCoeff() < 0.05);
}

TEST_CASE("recipe: a transform's layer has the same bytes for any number of threads and any second run", "[ptq][recipe]") {
  const Problem problem = small_problem(50, 60, 3);
  const Recipe<Grid<3, 20>, HessianRounding, QuipSharpBasis> recipe{.transform = {.second = {.seed = 9}}};
  Executor three(3);
  const auto a = layer_of(recipe, problem);
  const auto b = recipe.run(problem.W, problem.H, three).value();
  CHECK(same_bytes(a.weights, b.weights));
  CHECK(a.transform.record() == b.transform.record());
}

TEST_CASE("recipe: bad weights and moments are reported where they stand, not where a rotation spreads them",
          "[ptq][recipe]") {
  Problem problem = small_problem(6, 32, 2);
  problem.W(4, 7) = std::numeric_limits<float>::quiet_NaN();
  const Recipe<Grid<4>, NearestRounding, RandomHadamard> recipe;
  const auto bad = recipe.run(problem.W, problem.H);
  REQUIRE_FALSE(bad.has_value());
  CHECK((bad.error().code == Errc::not_finite && bad.error().row == 4u));
  const auto wrong = recipe.run(gaussian(6, 31, 1), problem.H);
  REQUIRE_FALSE(wrong.has_value());
  CHECK(wrong.error().code == Errc::shape_mismatch);
}

}  // namespace
}  // namespace lowbit::test::recipe_transforms_tests
