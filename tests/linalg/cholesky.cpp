// SPDX-License-Identifier: MIT

#include <Eigen/LU>
#include <limits>
#include <optional>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/linalg.hpp"

namespace lowbit::test::cholesky_tests {
namespace {

MatrixD gaussian(Index rows, Index cols, std::uint64_t seed) {
  Rng rng(seed);
  MatrixD A(rows, cols);
  for (Index i = 0; i < A.size(); ++i) A.data()[i] = rng.normal();
  return A;
}

/// Positive definite, condition number some thousand.
MatrixD moments(Index n, std::uint64_t seed) {
  const MatrixD X = gaussian(2 * n + 3, n, seed);
  return X.transpose() * X / static_cast<double>(2 * n + 3);
}

double worst(const MatrixD& a, const MatrixD& b) { return a.size() == 0 ? 0.0 : (a - b).cwiseAbs().maxCoeff(); }

TEST_CASE("cholesky: H = G·Gᵀ with lower G", "[linalg]") {
  for (const Index n : {0, 1, 2, 5, 33, 130}) {
    const MatrixD H = moments(n, 1);
    const MatrixD G = *linalg::cholesky(H);
    CHECK(worst(G * G.transpose(), H) <= 1e-13 * static_cast<double>(n + 1));
    CHECK((n == 0 || MatrixD(G.triangularView<Eigen::StrictlyUpper>()).isZero(0.0)));
    CHECK((n == 0 || G.diagonal().minCoeff() > 0.0));
  }
}

TEST_CASE("cholesky: only the lower triangle is read", "[linalg]") {
  MatrixD H = moments(20, 2);
  const MatrixD G = *linalg::cholesky(H);
  H.triangularView<Eigen::StrictlyUpper>().setConstant(7.0);
  CHECK(*linalg::cholesky(H) == G);
}

TEST_CASE("inverse factor: H⁻¹ = Uᵀ·U with upper U", "[linalg]") {
  for (const Index n : {0, 1, 2, 5, 33, 130}) {
    const MatrixD H = moments(n, 3);
    const MatrixD U = *linalg::inverse_upper_factor(H);
    CHECK(worst(U.transpose() * U * H, MatrixD::Identity(n, n)) <= 1e-10);
    CHECK((n == 0 || MatrixD(U.triangularView<Eigen::StrictlyLower>()).isZero(0.0)));
    CHECK((n == 0 || U.diagonal().minCoeff() > 0.0));
    // The textbook's way: invert, factor, transpose.
    if (n > 0) CHECK(worst(U, linalg::cholesky(H.inverse())->transpose()) <= 1e-10);
  }
}

TEST_CASE("ldl: H = L·D·Lᵀ with unit lower L, and tr D ≤ tr H", "[linalg]") {
  for (const Index n : {0, 1, 2, 5, 33, 130}) {
    const MatrixD H = moments(n, 4);
    const auto [L, D] = *linalg::ldl(H);
    CHECK(worst(L * D.asDiagonal() * L.transpose(), H) <= 1e-13 * static_cast<double>(n + 1));
    CHECK((n == 0 || MatrixD(L.triangularView<Eigen::StrictlyUpper>()).isZero(0.0)));
    CHECK((n == 0 || (L.diagonal().array() == 1.0).all()));
    CHECK(D.sum() <= H.trace() * (1.0 + 1e-12));
    if (n > 1) CHECK(D.sum() < 0.99 * H.trace());
  }
}

TEST_CASE("factors: a matrix that is not positive definite has none", "[linalg]") {
  MatrixD indefinite = MatrixD::Identity(4, 4);
  indefinite(2, 2) = -1e-3;
  MatrixD singular = MatrixD::Ones(3, 3);
  MatrixD nan = MatrixD::Identity(4, 4), infinite = nan;
  nan(3, 0) = nan(0, 3) = std::numeric_limits<double>::quiet_NaN();
  infinite(1, 1) = std::numeric_limits<double>::infinity();
  for (const MatrixD& H : {indefinite, singular, nan, infinite}) {
    CHECK_FALSE(linalg::cholesky(H).has_value());
    CHECK_FALSE(linalg::inverse_upper_factor(H).has_value());
    CHECK_FALSE(linalg::ldl(H).has_value());
  }
}

TEST_CASE("damping: fraction · mean(diag H) is added once, to a copy", "[linalg]") {
  const MatrixD H = moments(12, 5);
  const MatrixD before = H;
  const auto damped = linalg::with_damping(H, {.fraction = 0.01}, linalg::cholesky).value();
  CHECK(H == before);
  CHECK(damped.fraction == 0.01);
  CHECK(damped.attempts == 1);
  MatrixD want = H;
  want.diagonal().array() += 0.01 * H.diagonal().mean();
  CHECK(worst(damped.factor * damped.factor.transpose(), want) <= 1e-13);
}

TEST_CASE("damping: it never accumulates over attempts", "[linalg]") {
  const MatrixD H = MatrixD::Identity(3, 3) * 2.0;
  std::vector<double> added;
  const auto refuse_until_last = [&](MatrixD A) -> std::optional<MatrixD> {
    added.push_back(A(0, 0) - 2.0);
    if (added.size() < 4) return std::nullopt;
    return A;
  };
  const auto damped =
      linalg::with_damping(H, {.fraction = 0.0, .first = 1e-3, .growth = 10.0}, refuse_until_last).value();
  REQUIRE(added.size() == 4);
  CHECK(added[0] == 0.0);
  CHECK(added[1] == test::Approx(2e-3));
  CHECK(added[2] == test::Approx(2e-2));
  CHECK(added[3] == test::Approx(2e-1));
  CHECK(damped.fraction == test::Approx(0.1));
  CHECK(damped.attempts == 4);
}

TEST_CASE("damping: past the limit the last fraction tried is the error's value", "[linalg]") {
  int attempts = 0;
  const auto refuse = [&](const MatrixD&) -> std::optional<MatrixD> {
    ++attempts;
    return std::nullopt;
  };
  const auto failed = linalg::with_damping(MatrixD::Identity(3, 3), {.fraction = 0.01}, refuse);
  REQUIRE_FALSE(failed.has_value());
  CHECK(failed.error().code == Errc::not_positive_definite);
  CHECK(failed.error().value == test::Approx(1.0));
  CHECK(attempts == 3);  // 0.01, 0.1, 1

  MatrixD huge = MatrixD::Identity(3, 3);
  huge(0, 0) = -1e9;
  CHECK(linalg::with_damping(huge, {}, linalg::cholesky).error().code == Errc::not_positive_definite);
  huge(0, 0) = std::numeric_limits<double>::quiet_NaN();
  CHECK(linalg::with_damping(huge, {}, linalg::cholesky).error().code == Errc::not_finite);
}

TEST_CASE("damping: moments of deficient rank become positive definite", "[linalg]") {
  const MatrixD X = gaussian(4, 30, 6);
  const MatrixD H = X.transpose() * X / 4.0;
  CHECK(linalg::with_damping(H, {}, linalg::inverse_upper_factor).value().attempts == 1);
  const auto from_zero = linalg::with_damping(H, {.fraction = 0.0}, linalg::inverse_upper_factor).value();
  CHECK(from_zero.attempts <= 2);  // rounding may make it definite by itself
}

}  // namespace
}  // namespace lowbit::test::cholesky_tests
