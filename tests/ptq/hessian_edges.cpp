// SPDX-License-Identifier: MIT
// Damping, inputs that never fire, refusals, and shapes at the edge.

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "catch.hpp"
#include "ptq/test_bed.hpp"

namespace lowbit::test::hessian_edges_tests {
namespace {

using ptq::DeadInputs;
using ptq::HessianRounding;
using ptq::NearestRounding;
using ptq::OnFailure;
using ptq::RoundingReport;

using Q3 = Grid<3>;
using Q4g = Uniform<Int4, UniformOptions{.group_size = 16}>;

TEST_CASE("damping: moments of deficient rank factor at once, and the damping used is reported", "[ptq][hessian]") {
  const Problem problem{gaussian(6, 40, 1), moments_of(gaussian(5, 40, 2))};
  RoundingReport report;
  const auto aware = rounded(HessianRounding{}, Q3{}, problem, &report);
  CHECK(report.fallback.empty());
  CHECK(report.damp == 0.01);
  CHECK(report.factorizations == 1);
  CHECK(proxy(problem, aware) < 0.35 * proxy(problem, rounded(NearestRounding{}, Q3{}, problem)));
  CHECK(report.error == test::Approx(proxy(problem, aware)).epsilon(1e-9));
  CHECK(report.reference == test::Approx(proxy(problem.W, MatrixD::Zero(6, 40), problem.H.mean())).epsilon(1e-9));
}

TEST_CASE("damping: it grows tenfold until the factorization works", "[ptq][hessian]") {
  MatrixD H = MatrixD::Identity(4, 4);
  H(0, 1) = H(1, 0) = 1.05;  // least eigenvalue −0.05: 0.01 is too little, 0.1 is enough
  const Problem problem{gaussian(3, 4, 1), calib::Moments::from_mean(H)};
  RoundingReport report;
  rounded(HessianRounding{.on_failure = OnFailure::error}, Q3{}, problem, &report);
  CHECK(report.damp == test::Approx(0.1));
  CHECK(report.factorizations == 2);
  rounded(HessianRounding{.damp = 0.0, .on_failure = OnFailure::error}, Q3{}, problem, &report);
  CHECK(report.damp == test::Approx(0.1));  // 0, then 1e-5, 1e-4, …
  CHECK(report.factorizations == 6);
}

TEST_CASE("damping: moments that no damping makes positive definite mean rounding to nearest, and the report says so",
          "[ptq][hessian]") {
  MatrixD H = 10.0 * MatrixD::Identity(8, 8);
  H(2, 3) = H(3, 2) = 1e6;
  const Problem problem{gaussian(5, 8, 3), calib::Moments::from_mean(H)};
  RoundingReport report;
  const auto result = rounded(HessianRounding{.act_order = true, .cd_sweeps = 3}, Q3{}, problem, &report);
  CHECK(same_bytes(result, rounded(NearestRounding{}, Q3{}, problem)));
  CHECK(report.fallback.find("not positive definite") != std::string::npos);
  const Error error = rounding_error(HessianRounding{.on_failure = OnFailure::error}, Q3{}, problem);
  CHECK(error.code == Errc::not_positive_definite);
  CHECK(error.value == test::Approx(1.0));
}

TEST_CASE("damping: a diagonal that is not finite is named, whatever the options", "[ptq][hessian]") {
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    MatrixD H = MatrixD::Identity(8, 8);
    H(4, 4) = bad;
    const Problem problem{gaussian(5, 8, 3), calib::Moments::from_mean(H)};
    for (const bool act_order : {false, true}) {
      CHECK(
          rounding_error(HessianRounding{.act_order = act_order, .on_failure = OnFailure::error}, Q3{}, problem).code ==
          Errc::not_finite);
      RoundingReport report;
      const auto result = rounded(HessianRounding{.act_order = act_order}, Q3{}, problem, &report);
      CHECK(same_bytes(result, rounded(NearestRounding{}, Q3{}, problem)));
      CHECK_FALSE(report.fallback.empty());
    }
  }
}

Problem with_dead_inputs(const std::vector<Index>& dead) {
  Matrix X = correlated_inputs(80, 24, true, 4);
  for (const Index j : dead) X.col(j).setZero();
  return {gaussian(6, 24, 5), moments_of(X)};
}

TEST_CASE("dead inputs: their weights are rounded to nearest and disturb no other", "[ptq][hessian]") {
  const std::vector<Index> dead{0, 7, 23};
  Problem problem = with_dead_inputs(dead);
  for (const Index j : dead) problem.W.col(j) *= 0.25f;  // never the extremes of a row
  RoundingReport report;
  const auto aware = rounded(HessianRounding{.cd_sweeps = 2}, Q3{}, problem, &report);
  CHECK(report.dead_inputs == 3);
  const Codes codes = codes_of(aware), nearest = codes_of(rounded(NearestRounding{}, Q3{}, problem));
  for (const Index j : dead) CHECK(codes.col(j) == nearest.col(j));
  CHECK(codes != nearest);

  // The live columns are rounded as if the dead weights were others.
  Problem other = problem;
  for (const Index j : dead) other.W.col(j) *= -1.5f;
  const auto again = rounded(HessianRounding{.cd_sweeps = 2}, Q3{}, other);
  REQUIRE(std::ranges::equal(again.params(), aware.params()));
  REQUIRE(std::ranges::equal(again.zeros(), aware.zeros()));
  const Codes moved = codes_of(again);
  for (Index j = 0; j < 24; ++j)
    if (std::find(dead.begin(), dead.end(), j) == dead.end()) CHECK(moved.col(j) == codes.col(j));
  CHECK(moved != codes);
}

TEST_CASE("dead inputs: they need no damping of their own", "[ptq][hessian]") {
  RoundingReport report;
  rounded(HessianRounding{.damp = 0.0, .on_failure = OnFailure::error}, Q3{}, with_dead_inputs({0, 7, 23}), &report);
  CHECK(report.damp == 0.0);
  CHECK(report.factorizations == 1);
}

TEST_CASE("dead inputs: with the policy zero their weights become 0 before scales are fitted", "[ptq][hessian]") {
  const std::vector<Index> dead{0, 7, 23};
  Problem problem = with_dead_inputs(dead);
  for (const Index j : dead) problem.W.col(j) *= 100.0f;
  for (const bool static_groups : {false, true}) {
    const HessianRounding policy{.static_groups = static_groups, .dead_inputs = DeadInputs::zero};
    const auto aware = rounded(policy, Grid<3, 8>{}, problem);
    for (const Index j : dead) CHECK(dequantized(aware).col(j).cwiseAbs().maxCoeff() == 0.0);
    Problem cleared = problem;
    for (const Index j : dead) cleared.W.col(j).setZero();
    CHECK(same_bytes(aware, rounded(policy, Grid<3, 8>{}, cleared)));
    CHECK(proxy(problem, aware) <
          proxy(problem, rounded(HessianRounding{.static_groups = static_groups}, Grid<3, 8>{}, problem)));
  }
}

TEST_CASE(
    "dead inputs: when all are dead, or no token was seen, the layer is rounded to nearest and the report says so",
    "[ptq][hessian]") {
  const Matrix W = gaussian(5, 24, 6);
  const Problem problems[] = {{W, calib::Moments(24)}, {W, moments_of(Matrix::Zero(9, 24))}, {W, calib::Moments()}};
  for (const Problem& problem : problems) {
    RoundingReport report;
    const auto result =
        rounded(HessianRounding{.act_order = true, .dead_inputs = DeadInputs::zero, .on_failure = OnFailure::error},
                Q4g{}, problem, &report);
    CHECK(same_bytes(result, rounded(NearestRounding{}, Q4g{}, Problem{W, calib::Moments()})));
    CHECK_FALSE(report.fallback.empty());
  }
  RoundingReport report;
  rounded(HessianRounding{}, Q4g{}, problems[0], &report);  // without H the error is that of the weights
  CHECK(report.error ==
        test::Approx((dequantized(rounded(NearestRounding{}, Q4g{}, problems[0])) - W.cast<double>()).squaredNorm()));
  CHECK(report.reference == test::Approx(W.cast<double>().squaredNorm()));
}

TEST_CASE("rounding: a weight that is not finite is named by row and column", "[ptq]") {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    Problem problem = small_problem(40, 20, 1);
    problem.W(37, 13) = bad;
    for (const Error& error :
         {rounding_error(HessianRounding{}, Q3{}, problem), rounding_error(NearestRounding{}, Q3{}, problem)}) {
      CHECK(error.code == Errc::not_finite);
      CHECK(error.row == 37u);
      CHECK(error.column == 13u);
    }
  }
}

TEST_CASE("rounding: moments of another width are a shape mismatch", "[ptq]") {
  const Problem problem{gaussian(3, 20, 1), identity_moments(21)};
  CHECK(rounding_error(HessianRounding{}, Q3{}, problem).code == Errc::shape_mismatch);
  CHECK(rounding_error(NearestRounding{}, Q3{}, problem).code == Errc::shape_mismatch);
}

TEST_CASE("rounding: a scale that overflows f16 is named by row and column of its group", "[ptq]") {
  Problem problem = small_problem(40, 48, 2);
  problem.W(35, 20) = 4e6f;
  for (const bool static_groups : {false, true})
    for (const auto& error : {rounding_error(HessianRounding{.static_groups = static_groups}, Q4g{}, problem),
                              rounding_error(NearestRounding{}, Q4g{}, problem)}) {
      CHECK(error.code == Errc::not_finite);
      CHECK(error.row == 35u);
      CHECK(error.column == 16u);
    }
  CHECK(rounding_error(HessianRounding{.static_groups = true}, GgufQ4_0{}, problem).row == 35u);
  using Wide = Uniform<Int4, UniformOptions{.group_size = 16, .scale = ScaleStorage::bf16}>;
  CHECK(rounded(HessianRounding{}, Wide{}, problem).rows() == 40);
  using Shared = Uniform<Int4, UniformOptions{.group_size = per_tensor}>;
  CHECK(rounding_error(HessianRounding{}, Shared{}, problem).code == Errc::not_finite);
}

template <class Q>
void fits_any_shape(const Q& q) {
  for (const auto& [out, in] :
       {std::pair<Index, Index>{1, 1}, {1, 50}, {50, 1}, {33, 17}, {0, 12}, {12, 0}, {0, 0}, {3, 33}}) {
    CAPTURE(Q::storage_name(), out, in);
    const Problem problem{gaussian(out, in, 4),
                          in == 0 ? moments_of(Matrix(3, 0)) : moments_of(correlated_inputs(40, in, true, 2))};
    RoundingReport report;
    for (const bool act_order : {false, true}) {
      const auto aware = rounded(HessianRounding{.act_order = act_order, .cd_sweeps = 1}, q, problem, &report, 2);
      CHECK(aware.rows() == static_cast<std::size_t>(out));
      CHECK(aware.cols() == static_cast<std::size_t>(in));
      CHECK(aware.view().consistent());
      if (out * in == 0) continue;
      CHECK(report.error == test::Approx(proxy(problem, aware)).epsilon(1e-9).margin(1e-12));
      CHECK(report.relative_error() < 1.0);
    }
  }
}

TEST_CASE("hessian rounding: any shape, with short last groups", "[ptq][hessian]") {
  fits_any_shape(Grid<3, 16>{});
  fits_any_shape(Grid<3, per_tensor>{});
  fits_any_shape(Q3{});
  fits_any_shape(GgufQ4_0{});
}

TEST_CASE("hessian rounding: per_tensor uses one grid for all rows, that of rounding to nearest", "[ptq][hessian]") {
  const Problem problem = small_problem(70, 40, 11);
  using Q = Grid<4, per_tensor>;
  const auto aware = rounded(HessianRounding{}, Q{}, problem), nearest = rounded(NearestRounding{}, Q{}, problem);
  CHECK(aware.params().size() == 1);
  CHECK(aware.group_params(69, 0) == nearest.group_params(0, 0));
  CHECK(proxy(problem, aware) < 0.5 * proxy(problem, nearest));
}

TEST_CASE("act_order: without static groups the result names the descending order of diag H, and decodes through it",
          "[ptq][hessian]") {
  const Problem problem = small_problem(6, 40, 13);
  RoundingReport report;
  const auto aware = rounded(HessianRounding{.act_order = true}, Grid<3, 16>{}, problem, &report);
  const auto order = aware.column_order();
  REQUIRE(order.size() == 40);
  const VectorD energy = problem.H.mean_square();
  std::vector<bool> seen(40, false);
  for (std::size_t p = 0; p < 40; ++p) {
    if (p > 0) CHECK(energy(order[p - 1]) >= energy(order[p]));
    seen[order[p]] = true;
  }
  CHECK(std::find(seen.begin(), seen.end(), false) == seen.end());
  CHECK(report.error == test::Approx(proxy(problem, aware)).epsilon(1e-9));

  auto misread = aware;  // as if the columns lay in natural order
  misread.set_column_order({});
  CHECK(proxy(problem, misread) > 10.0 * proxy(problem, aware));
  CHECK(aware.stored_bytes() == misread.stored_bytes() + 40 * sizeof(std::uint32_t));
}

TEST_CASE("act_order: equal energies keep their natural order", "[ptq][hessian]") {
  MatrixD H = MatrixD::Identity(40, 40);
  H(5, 5) = 2.0;
  const auto aware = rounded(HessianRounding{.act_order = true}, Grid<3, 16>{},
                             Problem{gaussian(2, 40, 1), calib::Moments::from_mean(H)});
  std::vector<std::uint32_t> want{5};
  for (std::uint32_t j = 0; j < 40; ++j)
    if (j != 5) want.push_back(j);
  CHECK(std::ranges::equal(aware.column_order(), want));
}

TEST_CASE("act_order: with static groups, or one group per row, storage is in natural order and grids are those of W",
          "[ptq][hessian]") {
  const Problem problem = small_problem(6, 40, 13);
  const auto grouped = rounded(HessianRounding{.act_order = true, .static_groups = true}, Grid<3, 16>{}, problem);
  CHECK(grouped.column_order().empty());
  const auto nearest = rounded(NearestRounding{}, Grid<3, 16>{}, problem);
  for (std::size_t r = 0; r < 6; ++r)
    for (std::size_t g = 0; g < 3; ++g) CHECK(grouped.group_params(r, g) == nearest.group_params(r, g));
  CHECK(rounded(HessianRounding{.act_order = true}, Q3{}, problem).column_order().empty());
  CHECK(rounded(HessianRounding{.act_order = true}, Grid<3, 64>{}, problem).column_order().empty());
  CHECK(rounded(HessianRounding{.act_order = true}, Grid<3, per_tensor>{}, problem).column_order().empty());
}

TEST_CASE("hessian rounding: W may be a block of a larger matrix", "[ptq][hessian]") {
  const Problem problem = small_problem(6, 40, 14);
  Matrix large = Matrix::Constant(10, 60, 1e30f);
  large.block(2, 7, 6, 40) = problem.W;
  Executor alone;
  const auto aware = HessianRounding{}.round(Grid<3, 16>{}, large.block(2, 7, 6, 40), problem.H, {alone}).value();
  CHECK(same_bytes(aware, rounded(HessianRounding{}, Grid<3, 16>{}, problem)));
  const auto nearest = NearestRounding{}.round(Grid<3, 16>{}, large.block(2, 7, 6, 40), problem.H, {alone}).value();
  CHECK(same_bytes(nearest, rounded(NearestRounding{}, Grid<3, 16>{}, problem)));
}

TEST_CASE("report: groups whose scale is zero are counted", "[ptq]") {
  Problem problem = small_problem(4, 48, 3);
  problem.W.block(1, 16, 2, 16).setZero();
  RoundingReport report;
  rounded(NearestRounding{}, Q4g{}, problem, &report);
  CHECK(report.zero_groups == 2);
  rounded(HessianRounding{.static_groups = true}, Q4g{}, problem, &report);
  CHECK(report.zero_groups == 2);
}

}  // namespace
}  // namespace lowbit::test::hessian_edges_tests
