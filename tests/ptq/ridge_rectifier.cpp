// SPDX-License-Identifier: MIT
#include "lowbit/ptq/ridge_rectifier.hpp"

#include <cmath>
#include <vector>

#include "catch.hpp"
#include "lowbit/linalg/sums.hpp"
#include "lowbit/quantizer/codebook/product.hpp"
#include "test_bed.hpp"

namespace lowbit::test::ridge_rectifier_tests {
using ptq::RidgeRectifier;

namespace {

/// Latents and what a product codebook makes of them.
struct Latents {
  Matrix original, decoded;
};

Latents latents(Index n, Index dim, std::size_t chunks, std::size_t points, std::uint64_t seed) {
  Latents all{test::correlated_inputs(n, dim, true, seed), Matrix(n, dim)};
  const std::span<const float> x(all.original.data(), static_cast<std::size_t>(all.original.size()));
  const auto fit = codebook::fit_product(x, static_cast<std::size_t>(dim), chunks, points, {.passes = 6, .seed = seed});
  std::vector<std::uint32_t> codes(chunks);
  for (Index j = 0; j < n; ++j) {
    const auto d = static_cast<std::size_t>(dim);
    fit.codebook.encode(x.subspan(static_cast<std::size_t>(j) * d, d), codes);
    fit.codebook.decode(codes, std::span(all.decoded.row(j).data(), d));
  }
  return all;
}

}  // namespace

TEST_CASE("ridge rectifier: never raises the training error, whatever the ridge", "[ptq][rectifier][published]") {
  for (const std::uint64_t seed : {1, 2, 3}) {
    const Latents z = latents(400, 12, 4, 8, seed);
    const double before = linalg::squared_distance(z.decoded, z.original);
    double last = 0.0;
    for (const double ridge : {1e-8, 1e-4, 1e-2, 1.0, 1e4}) {
      const auto rectifier = RidgeRectifier{ridge}.fit(z.decoded, z.original).value();
      const double after = linalg::squared_distance(rectifier.apply(z.decoded), z.original);
      CHECK(after <= before * (1.0 + 1e-6));
      CHECK(after >= last * (1.0 - 1e-6));
      last = after;
    }
    const auto best = RidgeRectifier{1e-6}.fit(z.decoded, z.original).value();
    CHECK(linalg::squared_distance(best.apply(z.decoded), z.original) < 0.95 * before);
  }
}

TEST_CASE("ridge rectifier: a linear map is found, and perfect vectors are left alone", "[ptq][rectifier]") {
  const Matrix z = test::gaussian(200, 5, 4);
  const auto same = RidgeRectifier{}.fit(z, z).value();
  CHECK((same.A - MatrixD::Identity(5, 5)).norm() < 1e-9);
  CHECK(same.b.norm() < 1e-9);
  const Matrix A = test::gaussian(5, 5, 5);
  Matrix mapped = z * A.transpose();
  mapped.rowwise() += Eigen::RowVectorXf::LinSpaced(5, -1.0f, 1.0f);
  const auto found = RidgeRectifier{1e-9}.fit(z, mapped).value();
  CHECK((found.A - A.cast<double>()).norm() < 1e-4);
  CHECK(found.b(4) == test::Approx(1.0).epsilon(1e-4));
}

TEST_CASE("ridge rectifier: shapes, NaN and dependence are told", "[ptq][rectifier]") {
  const Matrix z = test::gaussian(6, 3, 6);
  CHECK(RidgeRectifier{}.fit(z, Matrix(z.leftCols(2))).error().code == Errc::shape_mismatch);
  Matrix bad = z;
  bad(1, 1) = std::nanf("");
  CHECK(RidgeRectifier{}.fit(z, bad).error().code == Errc::not_finite);
  CHECK(RidgeRectifier{0.0}.fit(Matrix::Ones(6, 3), z).error().code == Errc::not_positive_definite);
  CHECK(RidgeRectifier{}.fit(Matrix::Zero(6, 3), z).value().A == MatrixD::Identity(3, 3));
  CHECK(RidgeRectifier{}.fit(Matrix(0, 3), Matrix(0, 3)).has_value());
}

}  // namespace lowbit::test::ridge_rectifier_tests
