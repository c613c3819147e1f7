// SPDX-License-Identifier: MIT
#include "lowbit/ptq/svid.hpp"

#include <cmath>
#include <limits>

#include "catch.hpp"
#include "lowbit/linalg/sums.hpp"
#include "lowbit/quantizer/binary.hpp"
#include "test_bed.hpp"

namespace lowbit::test::svid_tests {
using ptq::Svid;
using ptq::SvidScales;

namespace {

double relative_error(const Matrix& W, const Svid& svid) {
  return linalg::squared_distance(W, svid.run(W).value().dequantize()) / linalg::squared_norm(W);
}

/// sign(W) · mean of the row's |w|.
double row_mean_error(const Matrix& W) {
  double error = 0.0;
  for (Index r = 0; r < W.rows(); ++r) {
    double mean = 0.0;
    for (Index c = 0; c < W.cols(); ++c) mean += std::fabs(static_cast<double>(W(r, c)));
    mean /= static_cast<double>(W.cols());
    for (Index c = 0; c < W.cols(); ++c) error += std::pow(std::fabs(static_cast<double>(W(r, c))) - mean, 2);
  }
  return error / linalg::squared_norm(W);
}

}  // namespace

TEST_CASE("svid: Gaussian weights lose 0.34 to 0.37, about 1 − 2/π", "[ptq][svid][published]") {
  const double lost = relative_error(test::gaussian(256, 256, 5), {});
  CHECK(lost >= 0.34);
  CHECK(lost <= 0.37);
  CHECK(lost == test::Approx(0.361).epsilon(0.01));
}

TEST_CASE("svid: never worse than binarization by row means", "[ptq][svid][published]") {
  Rng rng(6);
  for (int trial = 0; trial < 40; ++trial) {
    const auto rows = static_cast<Index>(1 + rng.below(20)), cols = static_cast<Index>(1 + rng.below(40));
    Matrix W = test::gaussian(rows, cols, 100 + static_cast<std::uint64_t>(trial));
    for (Index c = 0; c < cols; ++c) W.col(c) *= static_cast<float>(std::exp(rng.normal()));
    const double means = row_mean_error(W);
    double before = means;
    for (const int iterations : {1, 2, 5, 20}) {
      const double now = relative_error(W, {.iterations = iterations, .scales = SvidScales::f32});
      CHECK(now <= before * (1.0 + 1e-6) + 1e-12);
      before = now;
    }
    CHECK(relative_error(W, {}) <= means * 1.001 + 1e-6);
  }
}

TEST_CASE("svid: columns of unequal size are where the column scales pay", "[ptq][svid]") {
  Matrix W = test::gaussian(64, 96, 7);
  Rng rng(7);
  for (Index c = 0; c < 96; ++c) W.col(c) *= static_cast<float>(std::exp(rng.normal()));
  CHECK(relative_error(W, {}) < 0.7 * row_mean_error(W));
}

TEST_CASE("svid: the product by signs is the dense product", "[ptq][svid][published]") {
  for (const auto& [rows, cols] : {std::pair<Index, Index>{1, 1}, {3, 7}, {64, 129}}) {
    const Matrix W = test::gaussian(rows, cols, 8);
    for (const int terms : {1, 3}) {
      const auto m = Svid{.terms = terms}.run(W).value();
      const Matrix x = test::gaussian(cols, 1, 9);
      std::vector<float> y(static_cast<std::size_t>(rows));
      m.multiply(std::span(x.data(), static_cast<std::size_t>(cols)), y);
      const MatrixD want = m.dequantize().cast<double>() * x.cast<double>();
      for (Index r = 0; r < rows; ++r)
        CHECK(std::fabs(static_cast<double>(y[static_cast<std::size_t>(r)]) - want(r, 0)) <= 1e-5 * (1.0 + want.norm()));
    }
  }
}

TEST_CASE("svid: signs times a rank-one matrix come back, and further terms lower the error", "[ptq][svid]") {
  Rng rng(10);
  Matrix W(9, 21);
  std::vector<float> a(9), b(21);
  for (float& v : a) v = static_cast<float>(0.5 + rng.uniform());
  for (float& v : b) v = static_cast<float>(0.5 + rng.uniform());
  for (Index r = 0; r < 9; ++r)
    for (Index c = 0; c < 21; ++c)
      W(r, c) = (rng.below(2) == 0 ? 1.0f : -1.0f) * a[static_cast<std::size_t>(r)] * b[static_cast<std::size_t>(c)];
  CHECK(relative_error(W, {.scales = SvidScales::f32}) < 1e-12);
  const Matrix G = test::gaussian(40, 50, 11);
  double before = 1.0;
  for (const int terms : {1, 2, 3, 4}) {
    const double now = relative_error(G, {.terms = terms});
    CHECK(now < before);
    before = now;
  }
  CHECK(before < 0.05);
}

TEST_CASE("svid: one bit and two scale vectors", "[ptq][svid]") {
  CHECK(Svid{}.run(test::gaussian(128, 128, 1)).value().bits_per_weight() == 1.0 + 16.0 * 256.0 / (128.0 * 128.0));
  CHECK(Svid{.terms = 2, .scales = SvidScales::f32}.run(test::gaussian(16, 8, 1)).value().bits_per_weight() ==
        2.0 * (1.0 + 32.0 * 24.0 / 128.0));
  CHECK(Svid{}.run(Matrix(0, 5)).value().bits_per_weight() == 0.0);
}

TEST_CASE("svid: zero is positive, zero matrices are zeros, bad input is named", "[ptq][svid]") {
  Matrix W = Matrix::Zero(2, 3);
  CHECK(Svid{}.run(W).value().dequantize() == W);
  W << 0.0f, 1.0f, -1.0f, 2.0f, 2.0f, 2.0f;
  CHECK(Svid{}.run(W).value().dequantize()(0, 0) > 0.0f);
  W(1, 1) = 1e30f;
  CHECK(Svid{}.run(W).error().code == Errc::not_finite);
  CHECK(Svid{.scales = SvidScales::f32}.run(W).value().dequantize()(1, 1) == test::Approx(1e30f).epsilon(1e-3));
  W(1, 1) = std::nanf("");
  const Error bad = Svid{}.run(W).error();
  CHECK(bad.code == Errc::not_finite);
  CHECK(bad.row == 1);
  CHECK(bad.column == 1);
  CHECK(Svid{.iterations = 0}.run(W).error().code == Errc::invalid_argument);
}

}  // namespace lowbit::test::svid_tests
