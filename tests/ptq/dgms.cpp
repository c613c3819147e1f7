// SPDX-License-Identifier: MIT
#include "lowbit/ptq/dgms.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "catch.hpp"
#include "lowbit/ptq/lnq.hpp"
#include "test_bed.hpp"

namespace lowbit::test::dgms_tests {
using codebook::fit_mixture;
using codebook::GaussianMixture;
using codebook::SortedSamples;
using ptq::Dgms;

namespace {

/// Values that lie about 0 and a few others.
std::vector<float> clusters(std::size_t count, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<float> x(count);
  for (float& v : x) v = static_cast<float>(2.0 * static_cast<double>(rng.below(4)) - 4.0 + 0.2 * rng.normal());
  return x;
}

std::vector<float> weights_of(const Matrix& W) { return {W.data(), W.data() + W.size()}; }

}  // namespace

TEST_CASE("gaussian mixture: soft values tend to hard ones, and means are their own hard values",
          "[ptq][dgms][published]") {
  for (const auto& x : {clusters(4000, 1), weights_of(test::gaussian(40, 100, 1))}) {
    const SortedSamples samples(x);
    const GaussianMixture mixture = fit_mixture(samples, 4, 10);
    Rng rng(2);
    double apart[4] = {};
    std::vector<double> phi(4);
    for (int t = 0; t < 500; ++t) {
      const double w = 2.0 * rng.normal();
      mixture.responsibilities(w, phi);
      CHECK(phi[0] + phi[1] + phi[2] + phi[3] == test::Approx(1.0));
      CHECK(*std::max_element(phi.begin(), phi.end()) == phi[mixture.component(w)]);
      std::sort(phi.begin(), phi.end());
      if (phi[3] - phi[2] < 0.05) continue;  // about as likely: soft stays in between
      int i = 0;
      for (const double temperature : {1.0, 0.1, 0.01, 0.001})
        apart[i++] += std::fabs(mixture.soft(w, temperature) - mixture.hard(w));
    }
    CHECK(apart[0] > apart[1]);
    CHECK(apart[1] > apart[2]);
    CHECK(apart[3] < 1e-9);
    for (std::size_t k = 0; k < 4; ++k) CHECK(mixture.hard(mixture.mean(k)) == mixture.mean(k));
    CHECK(mixture.mean(mixture.zero()) == 0.0);
    CHECK(mixture.hard(0.0) == 0.0);
  }
}

TEST_CASE("gaussian mixture: the likelihood rises with every step, and the zero stays", "[ptq][dgms]") {
  const auto x = clusters(3000, 3);
  std::vector<float> w(x.size());
  Rng rng(3);
  for (float& v : w) v = static_cast<float>(0.2 + rng.uniform());
  const SortedSamples samples(x, w);
  GaussianMixture mixture(samples, 8);
  double before = mixture.log_likelihood();
  for (int i = 0; i < 25; ++i) {
    mixture.step();
    const double now = mixture.log_likelihood();
    CHECK(now >= before - 1e-9 * std::fabs(before));
    before = now;
    CHECK(mixture.mean(mixture.zero()) == 0.0);
  }
}

TEST_CASE("gaussian mixture: weights far away, alike, few or none", "[ptq][dgms]") {
  const std::vector<float> same(10, 3.0f), few = {1.0f, -1.0f, 0.0f};
  for (const auto& x : {same, few, std::vector<float>(), std::vector<float>(5, 0.0f)}) {
    const SortedSamples samples(x);
    const GaussianMixture mixture = fit_mixture(samples, 4, 5);
    for (const double w : {0.0, 1e30, -1e30, 3.0}) {
      CHECK(std::isfinite(mixture.hard(w)));
      CHECK(std::isfinite(mixture.soft(w, 0.01)));
    }
    for (const float v : x)
      if (v == 0.0f) CHECK(mixture.hard(0.0) == 0.0);
  }
}

TEST_CASE("dgms: refined, at most 1.05 of the error of k-means and what its zero costs, and some weights are zero",
          "[ptq][dgms][published]") {
  const Matrix W = test::gaussian(64, 128, 4);
  const test::Problem problem{W, calib::Moments(128)};
  const auto check = [&](auto q, double bound) {
    using Q = decltype(q);
    const auto m = test::rounded(Dgms{}, q, problem);
    const MatrixD there = test::dequantized(m);
    std::vector<float> centers(Q::count);
    const double least = codebook::kmeans1d(weights_of(W), {}, centers);
    const double error = (there - W.cast<double>()).squaredNorm();
    INFO("ratio " << error / least);
    CHECK(error <= bound * least);
    CHECK((there.array() == 0.0).count() > W.size() / 40);
    CHECK(m.bits_per_weight() == std::log2(static_cast<double>(Q::count)) + 16.0 * static_cast<double>(Q::count) / (64 * 128));
    // Without refinement it is worse, but quantized all the same.
    CHECK((test::dequantized(test::rounded(Dgms{.refits = 0}, q, problem)) - W.cast<double>()).squaredNorm() > error);
  };
  // A zero among the values costs 15 %, 4 % and 1 %: the mean of the errors with one level fewer and one more.
  check(RowCodebook<2, per_tensor>{}, 1.05 * 1.15);
  check(RowCodebook<3, per_tensor>{}, 1.05 * 1.04);
  check(RowCodebook<4, per_tensor>{}, 1.05);
}

TEST_CASE("dgms: with inputs the refinement lowers the output error, and zero stays a value", "[ptq][dgms]") {
  for (const std::uint64_t seed : {1, 2, 3}) {
    const auto problem = test::small_problem(20, 48, seed);
    using Q = RowCodebook<3, per_tensor>;
    double before = HUGE_VAL;
    for (const int refits : {0, 1, 4}) {
      ptq::RoundingReport report;
      const auto m = test::rounded(Dgms{.refits = refits}, Q{}, problem, &report);
      CHECK(report.error == test::Approx(test::proxy(problem, m)).epsilon(1e-9));
      CHECK(report.error < before);
      before = report.error;
      const auto p = m.group_params(0, 0);
      CHECK(std::is_sorted(p.level.begin(), p.level.end()));
      CHECK(std::count(p.level.begin(), p.level.end(), 0.0f) >= 1);
    }
    CHECK(before < 0.6 * test::proxy(problem, test::rounded(ptq::NearestRounding{}, Q{}, problem)));
  }
}

TEST_CASE("dgms: every shape, zero matrices, a sample of a large one, bad weights", "[ptq][dgms]") {
  using Q = RowCodebook<2, per_tensor>;
  for (const auto& [rows, cols] : {std::pair<Index, Index>{1, 1}, {1, 7}, {3, 33}, {0, 4}, {4, 0}}) {
    auto problem = test::small_problem(rows, cols, 5);
    CHECK(test::rounded(Dgms{}, Q{}, problem).view().consistent());
    problem.W.setZero();
    CHECK(test::dequantized(test::rounded(Dgms{}, Q{}, problem)).isZero());
    problem.H = calib::Moments::from_mean(MatrixD::Zero(cols, cols));
    CHECK(test::dequantized(test::rounded(Dgms{}, Q{}, problem)).isZero());
  }
  const test::Problem large{test::gaussian(100, 64, 6), calib::Moments(64)};
  const double all = (test::dequantized(test::rounded(Dgms{}, Q{}, large)) - large.W.cast<double>()).squaredNorm();
  const double some = (test::dequantized(test::rounded(Dgms{.samples = 800}, Q{}, large)) - large.W.cast<double>()).squaredNorm();
  CHECK(some < 1.1 * all);
  auto problem = test::small_problem(2, 8, 7);
  problem.W(1, 3) = std::nanf("");
  CHECK(test::rounding_error(Dgms{}, Q{}, problem).code == Errc::not_finite);
  problem.W(1, 3) = 1e9f;
  CHECK(test::rounding_error(Dgms{}, Q{}, problem).code == Errc::not_finite);
}

}  // namespace lowbit::test::dgms_tests
