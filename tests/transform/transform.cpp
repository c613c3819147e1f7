// SPDX-License-Identifier: MIT

#include <cmath>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/transform.hpp"

namespace lowbit::test {
namespace {

Matrix gaussian(Index rows, Index cols, std::uint64_t seed) {
  Rng rng(seed);
  Matrix A(rows, cols);
  for (Index i = 0; i < A.size(); ++i) A.data()[i] = static_cast<float>(rng.normal());
  return A;
}

/// T = diag(2^(j mod 5 − 2)).
struct PowersOfTwo {
  static float factor(Index j) { return std::exp2(static_cast<float>(j % 5 - 2)); }
  void fold_into_weights(MatrixRef W) const {
    for (Index j = 0; j < W.cols(); ++j) W.col(j) /= factor(j);
  }
  void apply_to_inputs(MatrixRef X) const {
    for (Index j = 0; j < X.cols(); ++j) X.col(j) *= factor(j);
  }
};

/// T that turns each pair of inputs by one angle: orthogonal, not symmetric.
struct Turn {
  float angle = 0.7f;
  void turn(MatrixRef A) const {
    for (Index j = 0; j + 1 < A.cols(); j += 2) {
      const Vector a = A.col(j), b = A.col(j + 1);
      A.col(j) = std::cos(angle) * a - std::sin(angle) * b;
      A.col(j + 1) = std::sin(angle) * a + std::cos(angle) * b;
    }
  }
  void fold_into_weights(MatrixRef W) const { turn(W); }  // W·T⁻¹ = W·Tᵀ
  void apply_to_inputs(MatrixRef X) const { turn(X); }    // rows x ← T·x, so X·Tᵀ
};

TEMPLATE_TEST_CASE("transform: (W·T⁻¹)(T·x) = W·x, and the moments are T·H·Tᵀ", "[transform]", transform::Identity,
                   PowersOfTwo, Turn) {
  const TestType t{};
  const Matrix W = gaussian(7, 24, 1), X = gaussian(50, 24, 2);
  Matrix folded = W, applied = X;
  t.fold_into_weights(folded);
  t.apply_to_inputs(applied);
  const MatrixD want = X.cast<double>() * W.cast<double>().transpose();
  const MatrixD got = applied.cast<double>() * folded.cast<double>().transpose();
  CHECK((got - want).cwiseAbs().maxCoeff() <= 24.0 * 16.0 * 0x1p-24);

  const MatrixD H = X.cast<double>().transpose() * X.cast<double>() / 50.0;
  const MatrixD moments = transform::transform_moments(t, H);
  const MatrixD direct = applied.cast<double>().transpose() * applied.cast<double>() / 50.0;
  CHECK((moments - direct).cwiseAbs().maxCoeff() <= 1e-5 * direct.cwiseAbs().maxCoeff());
  CHECK(moments == moments.transpose());
  if constexpr (!std::same_as<TestType, transform::Identity>) CHECK((moments - H).cwiseAbs().maxCoeff() > 0.1);
}

TEST_CASE("identity: it changes no bit", "[transform]") {
  const transform::Identity t;
  Matrix W = gaussian(3, 5, 1);
  const Matrix before = W;
  t.fold_into_weights(W);
  t.apply_to_inputs(W);
  CHECK(W == before);
  const MatrixD H = before.cast<double>().transpose() * before.cast<double>() / 3.0;
  CHECK(transform::transform_moments(t, H) == H);
}

TEST_CASE("transform: a block of a larger matrix is changed in place, and nothing beside it", "[transform]") {
  Matrix large = gaussian(10, 12, 3);
  const Matrix before = large;
  Turn{}.fold_into_weights(large.block(2, 3, 4, 6));
  Matrix block = before.block(2, 3, 4, 6);
  Turn{}.fold_into_weights(block);
  CHECK(large.block(2, 3, 4, 6) == block);
  large.block(2, 3, 4, 6) = before.block(2, 3, 4, 6);
  CHECK(large == before);
}

}  // namespace
}  // namespace lowbit::test
