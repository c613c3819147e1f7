// SPDX-License-Identifier: MIT

#include <cmath>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/transform.hpp"
#include "transform/outlier_bed.hpp"

namespace lowbit::test::transform_tests {
namespace {

using transform::Compose;
using transform::DiagonalRescale;
using transform::Identity;
using transform::KroneckerOrthogonal;
using transform::RandomHadamard;
using transform::Sides;

/// T = diag(2^(j mod 5 − 2)).
struct PowersOfTwo {
  template <class Rows>
  static void scale(Rows& A, double direction) {
    for (Index j = 0; j < A.cols(); ++j)
      A.col(j) *= static_cast<typename Rows::Scalar>(std::exp2(direction * static_cast<double>(j % 5 - 2)));
  }
  void fold_into_weights(MatrixDRef W) const { scale(W, -1.0); }
  void unfold_from_weights(MatrixDRef W) const { scale(W, 1.0); }
  void apply_to_inputs(MatrixRef X) const { scale(X, 1.0); }
  void apply_to_inputs(MatrixDRef X) const { scale(X, 1.0); }
};

/// T that turns each pair of inputs by one angle: orthogonal, not symmetric.
struct Turn {
  template <class Rows>
  static void turn(Rows& A, double angle) {
    using T = typename Rows::Scalar;
    const T c = static_cast<T>(std::cos(angle)), s = static_cast<T>(std::sin(angle));
    for (Index j = 0; j + 1 < A.cols(); j += 2) {
      const Eigen::Matrix<T, Eigen::Dynamic, 1> a = A.col(j), b = A.col(j + 1);
      A.col(j) = c * a - s * b;
      A.col(j + 1) = s * a + c * b;
    }
  }
  void fold_into_weights(MatrixDRef W) const { turn(W, 0.7); }  // W·T⁻¹ = W·Tᵀ
  void unfold_from_weights(MatrixDRef W) const { turn(W, -0.7); }
  void apply_to_inputs(MatrixRef X) const { turn(X, 0.7); }  // rows x ← T·x, so X·Tᵀ
  void apply_to_inputs(MatrixDRef X) const { turn(X, 0.7); }
};

struct InputsOnly : RandomHadamard {
  InputsOnly() { sides = Sides::inputs; }
};
using RescaledHadamard = Compose<DiagonalRescale, RandomHadamard>;
using Three = Compose<Compose<DiagonalRescale, KroneckerOrthogonal>, Compose<Turn, RandomHadamard>>;

static_assert(Transform<PowersOfTwo> && Transform<Turn> && Transform<RescaledHadamard> && Transform<Three>);
static_assert(std::same_as<transform::prepared_t<Turn>, Turn> && !ChangesOutputs<Turn>);
static_assert(!transform::needs_statistics<RandomHadamard> && transform::needs_statistics<RescaledHadamard> &&
              !transform::needs_statistics<Identity>);

/// max |got − X·Wᵀ| / Σ|x||w|-sized bound: at most a few float roundings of the transformed inputs and outputs.
double product_error(const MatrixD& got, const MatrixD& X, const MatrixD& W) {
  const MatrixD want = X * W.transpose();
  const double scale = X.rowwise().norm().maxCoeff() * W.rowwise().norm().maxCoeff();
  return (got - want).cwiseAbs().maxCoeff() / (scale * 0x1p-24);
}

TEMPLATE_TEST_CASE("transform: (W·T⁻¹)(T·x) = W·x, and unfolding undoes folding, for every shape", "[transform]",
                   Identity, PowersOfTwo, Turn, RandomHadamard, InputsOnly, KroneckerOrthogonal, DiagonalRescale,
                   RescaledHadamard, Three) {
  for (const auto& [out, in] : {std::pair<Index, Index>{1, 1}, {1, 24}, {24, 1}, {7, 24}, {13, 97}, {12, 64}, {64, 50},
                                {97, 131}, {3, 320}, {268, 172}}) {
    CAPTURE(out, in);
    const Matrix W = gaussian(out, in, 1), X = gaussian(20, in, 2);
    const MatrixD H = X.cast<double>().transpose() * X.cast<double>() / 20.0;
    const MatrixD exact = W.cast<double>();
    const auto t = transform::prepare(TestType{}, exact, H).value();
    MatrixD folded = exact;
    t.fold_into_weights(MatrixDRef(folded));
    Matrix applied = X;
    t.apply_to_inputs(MatrixRef(applied));
    Matrix Y = (applied.cast<double>() * folded.transpose()).cast<float>();
    transform::undo_on_outputs(t, Y);
    // Rounding of T·x to float, a few times over, is the only error.
    const double bound = 60.0;
    CHECK(product_error(Y.cast<double>(), X.cast<double>(), exact) < bound);
    Y *= 1.0f + 1e-3f;
    CHECK(product_error(Y.cast<double>(), X.cast<double>(), exact) > bound);

    MatrixD back = folded;
    t.unfold_from_weights(MatrixDRef(back));
    CHECK((back - exact).cwiseAbs().maxCoeff() < 1e-12);
  }
}

TEMPLATE_TEST_CASE("transform: the moments of transformed inputs are T·H·Tᵀ, exactly symmetric", "[transform]", Identity,
                   PowersOfTwo, Turn, RandomHadamard, KroneckerOrthogonal, DiagonalRescale, RescaledHadamard, Three) {
  for (const Index in : {1, 24, 67}) {
    MatrixD X = gaussian(50, in, 2).cast<double>();
    for (Index j = 0; j < in; ++j) X.col(j) *= std::exp(std::sin(static_cast<double>(3 * j)));
    MatrixD H = X.transpose() * X / 50.0;
    H = (0.5 * (H + H.transpose())).eval();
    const auto t = transform::prepare(TestType{}, MatrixD(gaussian(7, in, 1).cast<double>()), H).value();
    MatrixD applied = X;
    t.apply_to_inputs(MatrixDRef(applied));
    const MatrixD moments = transform::transform_moments(t, H);
    const MatrixD direct = applied.transpose() * applied / 50.0;
    CHECK((moments - direct).cwiseAbs().maxCoeff() <= 1e-12 * direct.cwiseAbs().maxCoeff());
    CHECK(moments == moments.transpose());
    if (!std::same_as<TestType, Identity> && in > 1) CHECK((moments - H).cwiseAbs().maxCoeff() > 0.1);
  }
}

TEST_CASE("identity: it changes no bit", "[transform]") {
  const Identity t;
  MatrixD W = gaussian(3, 5, 1).cast<double>();
  const MatrixD before = W;
  t.fold_into_weights(MatrixDRef(W));
  t.apply_to_inputs(MatrixDRef(W));
  CHECK(W == before);
  const MatrixD H = before.transpose() * before / 3.0;
  CHECK(transform::transform_moments(t, H) == H);
}

TEMPLATE_TEST_CASE("transform: a block of a larger matrix is changed in place, and nothing beside it", "[transform]", Turn,
                   RandomHadamard, KroneckerOrthogonal) {
  MatrixD large = gaussian(10, 12, 3).cast<double>();
  const MatrixD before = large;
  const auto t = transform::prepare(TestType{}, MatrixD(before.block(2, 3, 4, 6)), MatrixD()).value();
  t.fold_into_weights(MatrixDRef(large.block(2, 3, 4, 6)));
  MatrixD block = before.block(2, 3, 4, 6);
  t.fold_into_weights(MatrixDRef(block));
  CHECK(large.block(2, 3, 4, 6) == block);
  large.block(2, 3, 4, 6) = before.block(2, 3, 4, 6);
  CHECK(large == before);
}

TEMPLATE_TEST_CASE("transform: a row of inputs has the same bits beside any other rows", "[transform]", RandomHadamard,
                   KroneckerOrthogonal, RescaledHadamard) {
  for (const Index in : {12, 64, 67, 250}) {
    const MatrixD W = gaussian(9, in, 5).cast<double>();
    const auto t = transform::prepare(TestType{}, W, MatrixD()).value();
    Matrix all = gaussian(7, in, 6), Y = gaussian(7, 9, 7);
    Matrix one = all.row(4), y = Y.row(4);
    t.apply_to_inputs(MatrixRef(all));
    t.apply_to_inputs(MatrixRef(one));
    transform::undo_on_outputs(t, Y);
    transform::undo_on_outputs(t, y);
    CHECK(one == all.row(4));
    CHECK(y == Y.row(4));
  }
}

TEST_CASE("random hadamard: incoherence of the outlier test bed falls from 18.8 to about 4", "[transform]") {
  double before = 0.0, after = 0.0, kron = 0.0;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const MatrixD W = tb_outliers(seed).W.cast<double>();
    MatrixD rotated = W, turned = W;
    transform::prepare(RandomHadamard{.seed = seed}, W, MatrixD()).value().fold_into_weights(MatrixDRef(rotated));
    transform::prepare(KroneckerOrthogonal{.seed = seed}, W, MatrixD()).value().fold_into_weights(MatrixDRef(turned));
    before += transform::incoherence(W) / 3.0;
    after += transform::incoherence(rotated) / 3.0;
    kron += transform::incoherence(turned) / 3.0;
  }
  INFO(before << " -> rht " << after << ", kron " << kron);
  CHECK(before > 14.0);
  CHECK(after < 4.8);
  CHECK(kron < 4.8);
}

TEST_CASE("incoherence: 1 where all entries are of one size, √(mn) for a single entry, 1 for zero", "[transform]") {
  MatrixD W = MatrixD::Constant(3, 7, -2.0);
  CHECK(transform::incoherence(W) == Approx(1.0));
  W.setZero();
  CHECK(transform::incoherence(W) == 1.0);
  W(1, 2) = 5.0;
  CHECK(transform::incoherence(W) == Approx(std::sqrt(21.0)));
  CHECK(transform::incoherence(MatrixD()) == 1.0);
}

TEST_CASE("random hadamard: four inputs thirty times larger no longer stand out", "[transform]") {
  Matrix X = gaussian(512, 512, 9);
  for (const Index j : {17, 130, 300, 477}) X.col(j) *= 30.0f;
  const auto kurtosis = [](const Matrix& A) {
    const MatrixD B = A.cast<double>();
    return B.array().pow(4).mean() / std::pow(B.array().square().mean(), 2);
  };
  /// Relative error of symmetric four-bit integers with one scale per token.
  const auto int4_error = [](const Matrix& A) {
    double error = 0.0;
    for (Index t = 0; t < A.rows(); ++t) {
      const float s = A.row(t).cwiseAbs().maxCoeff() / 7.0f;
      for (Index j = 0; j < A.cols(); ++j) error += std::pow(double(std::nearbyint(A(t, j) / s) * s - A(t, j)), 2);
    }
    return error / A.cast<double>().squaredNorm();
  };
  const double plain_kurtosis = kurtosis(X), plain_error = int4_error(X);
  const MatrixD W = MatrixD::Zero(1, 512);
  transform::prepare(RandomHadamard{.seed = 2}, W, MatrixD()).value().apply_to_inputs(MatrixRef(X));
  INFO(plain_kurtosis << " -> " << kurtosis(X) << ", " << plain_error << " -> " << int4_error(X));
  CHECK(plain_kurtosis > 200.0);
  CHECK(kurtosis(X) < 3.3);
  CHECK(int4_error(X) < 0.12 * plain_error);
  CHECK(int4_error(X) < 0.0113);  // 0.0094 and a fifth
}

TEST_CASE("diagonal rescale: d is (H_jj/‖W_j‖²)^(1/4) up to a factor and bf16, and evens out both sides", "[transform]") {
  const Problem problem = tb1(3);
  const MatrixD W = problem.W.cast<double>(), H = problem.H.mean();
  const auto t = transform::prepare(DiagonalRescale{}, W, H).value();
  MatrixD folded = W;
  t.fold_into_weights(MatrixDRef(folded));
  const MatrixD moved = transform::transform_moments(t, H);
  const double unit = std::pow(H.diagonal().mean() / W.colwise().squaredNorm().mean(), 0.25);
  for (Index j = 0; j < W.cols(); ++j) {
    const double want = std::pow(H(j, j) / W.col(j).squaredNorm(), 0.25) / unit;
    CHECK(std::abs(static_cast<double>(t.values()[static_cast<std::size_t>(j)]) / want - 1.0) <= 0x1p-8);
  }
  // d_j²·‖W_j‖² and H_jj/d_j² agree up to one factor for all j, and so do the two sums that their product bounds.
  const VectorD left = folded.colwise().squaredNorm(), right = moved.diagonal();
  CHECK((left.array() / right.array()).maxCoeff() / (left.array() / right.array()).minCoeff() < 1.04);
  CHECK(left.sum() * right.sum() < 0.9 * W.squaredNorm() * H.trace());
  // Units do not matter.
  const auto scaled = transform::prepare(DiagonalRescale{}, MatrixD(W * 0x1p-30), MatrixD(H * 0x1p-40)).value();
  CHECK(scaled.values() == t.values());
}

TEST_CASE("diagonal rescale: dead inputs, dead columns, no tokens and no weights are clamped, not divided by", "[transform]") {
  MatrixD W = gaussian(4, 6, 1).cast<double>();
  MatrixD H = MatrixD::Identity(6, 6);
  W.col(2).setZero();
  H(3, 3) = 0.0;
  const auto d = transform::prepare(DiagonalRescale{}, W, H).value().values();
  for (const float x : d) CHECK((std::isnormal(x) && x > 0.0f));
  CHECK(d[2] > 50.0f);
  CHECK(d[3] < 0.02f);
  const auto even = std::vector<float>(6, 1.0f);
  CHECK(transform::prepare(DiagonalRescale{}, MatrixD(MatrixD::Zero(4, 6)), H).value().values() == even);
  CHECK(transform::prepare(DiagonalRescale{}, W, MatrixD(MatrixD::Zero(6, 6))).value().values() == even);
  CHECK(transform::prepare(DiagonalRescale{}, W, MatrixD()).value().values().size() == 6);
  CHECK(transform::prepare(DiagonalRescale{}, W, MatrixD(MatrixD::Identity(5, 5))).error().code == Errc::shape_mismatch);
  W(1, 4) = std::numeric_limits<double>::quiet_NaN();
  const auto bad = transform::prepare(DiagonalRescale{}, W, H);
  REQUIRE_FALSE(bad.has_value());
  CHECK((bad.error().code == Errc::not_finite && bad.error().column == 4u));
}

TEST_CASE("compose: the second part is prepared for what the first leaves", "[transform]") {
  const Problem problem = small_problem(8, 32, 5);
  const MatrixD W = problem.W.cast<double>(), H = problem.H.mean();
  const auto both = transform::prepare(Compose<PowersOfTwo, DiagonalRescale>{}, W, H).value();
  MatrixD folded = W;
  PowersOfTwo{}.fold_into_weights(MatrixDRef(folded));
  const auto second =
      transform::prepare(DiagonalRescale{}, folded, transform::transform_moments(PowersOfTwo{}, H)).value();
  CHECK(both.second.values() == second.values());
  CHECK(both.second.values() != transform::prepare(DiagonalRescale{}, W, H).value().values());
}

}  // namespace
}  // namespace lowbit::test::transform_tests
