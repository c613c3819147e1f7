// SPDX-License-Identifier: MIT

#include <array>

#include "catch.hpp"
#include "lowbit/core/type_list.hpp"
#include "ptq/test_bed.hpp"

namespace lowbit::test::recipe_tests {
namespace {

using ptq::HessianRounding;
using ptq::NearestRounding;
using ptq::Recipe;
using ptq::RoundingFor;

/// T = diag(d), d_j = 2^(±1) by turns: exact in float.
struct AlternatingScale {
  double strength = 1.0;
  template <class Rows>
  void scale(Rows& A, double direction) const {
    for (Index j = 0; j < A.cols(); ++j)
      A.col(j) *= static_cast<typename Rows::Scalar>(std::exp2((j % 2 == 0 ? direction : -direction) * strength));
  }
  void fold_into_weights(MatrixDRef W) const { scale(W, -1.0); }
  void unfold_from_weights(MatrixDRef W) const { scale(W, 1.0); }
  void apply_to_inputs(MatrixRef X) const { scale(X, 1.0); }
  void apply_to_inputs(MatrixDRef X) const { scale(X, 1.0); }
};

// What composes, and what must not.
using W4 = Uniform<Int4>;
static_assert(Transform<AlternatingScale> && Transform<transform::Identity>);
static_assert(RoundingFor<NearestRounding, W4> && RoundingFor<HessianRounding, W4>);
static_assert(RoundingFor<HessianRounding, GgufQ4_0> && RoundingFor<HessianRounding, GgufQ8_0>);

template <class Fold>
struct Folds {
  Fold fold_into_weights(MatrixDRef) const { return Fold(); }
  void unfold_from_weights(MatrixDRef) const {}
  void apply_to_inputs(MatrixRef) const {}
  void apply_to_inputs(MatrixDRef) const {}
};
static_assert(Transform<Folds<void>>);
using FoldsToAnswer = Folds<int>;
struct NoFold {
  void unfold_from_weights(MatrixDRef) const {}
  void apply_to_inputs(MatrixRef) const {}
  void apply_to_inputs(MatrixDRef) const {}
};
struct NeedsMutation : Folds<void> {
  void fold_into_weights(MatrixDRef) {}
};
struct NoCopy : Folds<void> {
  NoCopy() = default;
  NoCopy(const NoCopy&) = delete;
};
struct FloatOnly {
  void fold_into_weights(MatrixDRef) const {}
  void unfold_from_weights(MatrixDRef) const {}
  void apply_to_inputs(MatrixRef) const {}
};
struct PreparesWithoutResult {
  using prepared_type = Folds<void>;
  prepared_type prepare(const MatrixD&, const MatrixD&) const { return {}; }
};
static_assert(!Transform<FloatOnly> && !Transform<PreparesWithoutResult>);
static_assert(!Transform<NoFold> && !Transform<FoldsToAnswer> && !Transform<NeedsMutation> && !Transform<NoCopy>);
static_assert(!Transform<int> && !Transform<W4> && !Transform<HessianRounding>);

struct RoundsWithoutResult {
  template <Quantizer Q>
  QuantizedMatrix<Q> round(const Q&, ConstMatrixRef, const calib::Moments&, ptq::RoundingContext) const {
    return {};
  }
};
struct RoundsToAnother {
  template <Quantizer Q>
  Result<QuantizedMatrix<W4>> round(const Q&, ConstMatrixRef, const calib::Moments&, ptq::RoundingContext) const {
    return QuantizedMatrix<W4>();
  }
};
static_assert(!RoundingFor<RoundsWithoutResult, W4> && !RoundingFor<int, W4> && !RoundingFor<AlternatingScale, W4>);
static_assert(RoundingFor<RoundsToAnother, W4> && !RoundingFor<RoundsToAnother, GgufQ4_0>);
static_assert(!RoundingFor<HessianRounding, int> && !RoundingFor<HessianRounding, Int4>);

template <class Q, class R, class T>
concept Composes = requires {
  typename Recipe<Q, R, T>;
};
static_assert(Composes<W4, HessianRounding, AlternatingScale> &&
              Composes<GgufQ4_0, NearestRounding, transform::Identity>);
static_assert(!Composes<Int4, HessianRounding, AlternatingScale> && !Composes<W4, AlternatingScale, HessianRounding> &&
              !Composes<W4, HessianRounding, NeedsMutation>);

using every_model =
    TypeList<W4, Uniform<Int2, UniformOptions{.group_size = 64, .zero_point = ZeroPoint::integer}>,
             Uniform<Int3, UniformOptions{.group_size = 64, .zero_point = ZeroPoint::real}>,
             Uniform<Int8, UniformOptions{.group_size = per_row, .scale = ScaleStorage::f32}>, GgufQ4_0, GgufQ8_0>;

TEMPLATE_LIST_TEST_CASE(
    "hessian rounding: the law of rounding policies, its mean error is not above nearest rounding's", "[ptq][rounding]",
    every_model) {
  const std::array<HessianRounding, 3> policies{HessianRounding{}, HessianRounding{.act_order = true, .cd_sweeps = 2},
                                                HessianRounding{.act_order = true, .static_groups = true}};
  for (const HessianRounding& policy : policies) {
    double nearest = 0.0, aware = 0.0;
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      const Problem problem{gaussian(16, 128, 40 + seed), moments_of(correlated_inputs(300, 128, seed % 2 == 0, seed))};
      nearest += proxy(problem, rounded(NearestRounding{}, TestType{}, problem));
      aware += proxy(problem, rounded(policy, TestType{}, problem));
    }
    INFO(TestType::storage_name() << ": " << aware / nearest);
    CHECK(aware <= nearest);
    CHECK(aware <= 0.5 * nearest);
  }
}

TEST_CASE("recipe: GGUF blocks with GPTQ, scales compensated or frozen", "[ptq][recipe]") {
  const Problem problem = tb1();
  const auto check = [&]<class Q>(const Q& q) {
    const double nearest = proxy(problem, rounded(NearestRounding{}, q, problem));
    for (const bool frozen : {false, true}) {
      const auto layer =
          Recipe<Q, HessianRounding>{.rounding = {.static_groups = frozen}}.run(problem.W, problem.H).value();
      INFO(Q::storage_name() << (frozen ? " frozen " : " compensated ") << proxy(problem, layer.weights) / nearest);
      CHECK(proxy(problem, layer.weights) <= 0.35 * nearest);
      CHECK(layer.report.fallback.empty());
      const auto back = from_gguf_blocks<Q>(to_gguf_blocks(layer.weights).value(), 64, 256).value();
      CHECK(dequantized(back) == dequantized(layer.weights));
    }
  };
  check(GgufQ4_0{});
  check(GgufQ8_0{});
}

TEST_CASE("recipe: the identity adds nothing to the policy alone", "[ptq][recipe]") {
  const Problem problem = small_problem(6, 64, 3);
  const Recipe<Grid<3, 16>, HessianRounding> recipe{.rounding = {.act_order = true}};
  const auto layer = recipe.run(problem.W, problem.H).value();
  ptq::RoundingReport report;
  CHECK(same_bytes(layer.weights, rounded(recipe.rounding, recipe.quantizer, problem, &report)));
  CHECK(layer.report.error == report.error);
}

TEST_CASE("recipe: under a transform W·T⁻¹ meets the moments of T·x, and the product is kept", "[ptq][recipe]") {
  const Matrix X = correlated_inputs(200, 48, true, 3);
  const Problem problem{gaussian(8, 48, 4), moments_of(X)};
  const AlternatingScale t{.strength = 2.0};
  MatrixD folding = problem.W.cast<double>();
  t.fold_into_weights(MatrixDRef(folding));
  const Matrix W = folding.cast<float>();
  Matrix TX = X;
  t.apply_to_inputs(MatrixRef(TX));
  CHECK(TX * W.transpose() == X * problem.W.transpose());

  const Recipe<Grid<4, 16>, HessianRounding, AlternatingScale> recipe{.transform = t};
  const auto layer = recipe.run(problem.W, problem.H).value();
  CHECK(layer.transform.strength == 2.0);
  const Problem folded{W, moments_of(TX)};
  CHECK(codes_of(layer.weights) == codes_of(rounded(HessianRounding{}, Grid<4, 16>{}, folded)));
  CHECK(layer.report.error == test::Approx(proxy(folded, layer.weights)).epsilon(1e-5));
  // The report speaks of the layer's outputs, which the transform does not change.
  const MatrixD outputs = X.cast<double>() * problem.W.cast<double>().transpose();
  CHECK(layer.report.reference == test::Approx(outputs.squaredNorm() / 200.0).epsilon(1e-5));
}

TEST_CASE("recipe: without tokens a transform still folds, and rounding is to nearest", "[ptq][recipe]") {
  const Matrix W = gaussian(4, 32, 1);
  const auto layer = Recipe<W4, HessianRounding, AlternatingScale>{}.run(W, calib::Moments()).value();
  MatrixD folded = W.cast<double>();
  AlternatingScale{}.fold_into_weights(MatrixDRef(folded));
  CHECK(same_bytes(layer.weights, rounded(NearestRounding{}, W4{}, Problem{folded.cast<float>(), calib::Moments()})));
  CHECK_FALSE(layer.report.fallback.empty());
}

TEST_CASE("recipe: errors of the policy pass through", "[ptq][recipe]") {
  Matrix W = gaussian(4, 32, 1);
  W(2, 3) = std::numeric_limits<float>::quiet_NaN();
  const auto layer = Recipe<W4, NearestRounding>{}.run(W, calib::Moments());
  REQUIRE_FALSE(layer.has_value());
  CHECK(layer.error().row == 2u);
}

TEST_CASE("nearest rounding: codes do not depend on the inputs unless the search weighs them", "[ptq][nearest]") {
  const Problem problem = small_problem(8, 64, 2), blind{problem.W, calib::Moments()};
  const auto search = [](bool weighted) { return NearestRounding{.scale = LpGrid{.weighted = weighted}}; };
  CHECK(same_bytes(rounded(NearestRounding{}, Grid<3>{}, problem), rounded(NearestRounding{}, Grid<3>{}, blind)));
  CHECK(same_bytes(rounded(search(false), Grid<3>{}, problem), rounded(search(false), Grid<3>{}, blind)));
  const auto weighted = rounded(search(true), Grid<3>{}, problem);
  CHECK_FALSE(same_bytes(weighted, rounded(search(false), Grid<3>{}, problem)));
  const MatrixD diagonal = problem.H.mean_square().asDiagonal();
  const auto p2 = NearestRounding{.scale = LpGrid{.p = 2.0f, .weighted = true}};
  CHECK(proxy(problem.W, dequantized(rounded(p2, Grid<3>{}, problem)), diagonal) <
        proxy(problem.W, dequantized(rounded(NearestRounding{}, Grid<3>{}, problem)), diagonal));
}

}  // namespace
}  // namespace lowbit::test::recipe_tests
