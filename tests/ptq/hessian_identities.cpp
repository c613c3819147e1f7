// SPDX-License-Identifier: MIT
// What Hessian-aware rounding must equal exactly: rounding to nearest for H = I, LDLQ in reversed order, and an oracle
// that solves for the best completion after every column.

#include <Eigen/LU>
#include <algorithm>
#include <cstring>
#include <numeric>

#include "catch.hpp"
#include "lowbit/core/type_list.hpp"
#include "ptq/test_bed.hpp"

namespace lowbit::test::hessian_identities_tests {
namespace {

using ptq::HessianRounding;
using ptq::NearestRounding;

template <std::size_t Group, ZeroPoint Zero, ScaleStorage Scale>
inline constexpr UniformOptions storage{.group_size = Group, .zero_point = Zero, .scale = Scale};

using quantizers =
    TypeList<Uniform<Int4, storage<16, ZeroPoint::none, ScaleStorage::f16>>,
             Uniform<Int3, storage<20, ZeroPoint::integer, ScaleStorage::bf16>>,
             Uniform<Int2, storage<per_row, ZeroPoint::real, ScaleStorage::f16>>,
             Uniform<Int5, storage<per_tensor, ZeroPoint::integer, ScaleStorage::f32>>, GgufQ4_0, GgufQ8_0>;

const std::size_t block_sizes[] = {1, 7, 16, 128, 1000};

template <class Q>
void equals_nearest(const Q& q) {
  const Problem problem{gaussian(9, 100, 7), identity_moments(100)};
  const auto nearest = rounded(NearestRounding{}, q, problem);
  for (const std::size_t block : block_sizes)
    for (const bool act_order : {false, true})
      for (const bool static_groups : {false, true}) {
        CAPTURE(Q::storage_name(), block, act_order, static_groups);
        const auto aware = rounded(
            HessianRounding{
                .act_order = act_order, .static_groups = static_groups, .block_size = block, .cd_sweeps = 2},
            q, problem);
        CHECK(codes_of(aware) == codes_of(nearest));
        CHECK(std::ranges::equal(aware.params(), nearest.params(),
                                 [](auto a, auto b) { return std::memcmp(&a, &b, sizeof a) == 0; }));
        CHECK(std::ranges::equal(aware.zeros(), nearest.zeros()));
      }
}

TEMPLATE_LIST_TEST_CASE("hessian rounding: with H = I it is rounding to nearest, for every kind of quantizer",
                        "[ptq][hessian]", quantizers) {
  equals_nearest(TestType{});
}

TEST_CASE("hessian rounding: with H = I it is rounding to nearest under every symmetric rule", "[ptq][hessian]") {
  using Q = Uniform<Int4, storage<16, ZeroPoint::none, ScaleStorage::f16>>;
  for (const auto rule :
       {SymmetricRule::full_range, SymmetricRule::gptq, SymmetricRule::narrow, SymmetricRule::signed_max}) {
    Q q;
    q.rule = rule;
    equals_nearest(q);
  }
}

TEST_CASE("hessian rounding: frozen grids are those of rounding to nearest even where storage forgets the reciprocal",
          "[ptq][hessian]") {
  // Many blocks, so that some code differs between 1/d and the reciprocal of the rounded d.
  const Problem problem{gaussian(64, 512, 3), identity_moments(512)};
  const auto nearest = rounded(NearestRounding{}, GgufQ4_0{}, problem);
  std::size_t differing = 0;
  const GgufQ4_0 q;
  for (std::size_t r = 0; r < 64; ++r)
    for (std::size_t c = 0; c < 512; ++c) {
      const float w = problem.W(static_cast<Index>(r), static_cast<Index>(c));
      differing +=
          q.quantize(w, nearest.group_params(r, c / 32)) !=
                  q.quantize(w,
                             q.fit(std::span(&problem.W(static_cast<Index>(r), static_cast<Index>(c / 32 * 32)), 32)))
              ? 1
              : 0;
    }
  REQUIRE(differing > 0);
  CHECK(same_bytes(rounded(HessianRounding{.static_groups = true}, q, problem), nearest));
  CHECK(same_bytes(rounded(HessianRounding{}, q, problem), nearest));
}

TEMPLATE_TEST_CASE_SIG("hessian rounding: the size of lazy blocks changes nothing", "[ptq][hessian]",
                       ((std::size_t Group), Group), 8, 16, 48, 100, per_row) {
  const Problem problem = small_problem(12, 150, 5);
  for (const bool act_order : {false, true}) {
    HessianRounding policy{.act_order = act_order, .block_size = 1};
    const auto unblocked = rounded(policy, Grid<3, Group>{}, problem);
    const double error = proxy(problem, unblocked);
    for (const std::size_t block : block_sizes) {
      CAPTURE(act_order, block);
      policy.block_size = block;
      const auto blocked = rounded(policy, Grid<3, Group>{}, problem);
      CHECK((dequantized(blocked) - dequantized(unblocked)).cwiseAbs().maxCoeff() <= 1e-9);
      CHECK(proxy(problem, blocked) == test::Approx(error).epsilon(1e-9));
      CHECK(codes_of(blocked) == codes_of(unblocked));
    }
  }
}

TEST_CASE("lazy blocks: they cover the columns in order, and a group that begins in one ends in it or begins it",
          "[ptq][hessian]") {
  for (const Index n : {1, 2, 31, 64, 100, 257})
    for (const Index block : {1, 3, 16, 64, 300})
      for (const Index group : {0, 1, 5, 16, 20, 64, 100, 1000}) {
        CAPTURE(n, block, group);
        Index at = 0;
        for (const auto& [begin, end] : ptq::detail::lazy_blocks(n, block, group)) {
          REQUIRE(begin == at);
          REQUIRE(end > begin);
          REQUIRE(end - begin <= block);
          if (group != 0)
            for (Index start = begin + 1; start < end; ++start)
              if (start % group == 0) REQUIRE(std::min(n, start + group) <= end);
          at = end;
        }
        REQUIRE(at == n);
      }
}

/// H + 0.01·mean(diag H)·I.
MatrixD damped(const MatrixD& H) {
  MatrixD A = H;
  A.diagonal().array() += 0.01 * H.diagonal().mean();
  return A;
}

/// LDLQ: the last column first; column k is rounded after adding what the later errors feed back through L of H =
/// L·D·Lᵀ. Source: Chee et al., "QuIP", arXiv:2307.13304, with the order reversed.
template <class Q>
Codes ldlq(const Q& q, const Matrix& W, const MatrixD& H, const std::vector<typename Q::params_type>& params) {
  const linalg::Ldl factor = *linalg::ldl(damped(H));
  MatrixD error = MatrixD::Zero(W.rows(), W.cols());  // w − ŵ
  Codes codes(W.rows(), W.cols());
  for (Index r = 0; r < W.rows(); ++r)
    for (Index k = W.cols() - 1; k >= 0; --k) {
      double target = static_cast<double>(W(r, k));
      for (Index i = k + 1; i < W.cols(); ++i) target += error(r, i) * factor.L(i, k);
      const auto& p = params[static_cast<std::size_t>(r)];
      codes(r, k) = q.quantize(static_cast<float>(target), p);
      error(r, k) = static_cast<double>(W(r, k)) - static_cast<double>(q.dequantize(codes(r, k), p));
    }
  return codes;
}

TEST_CASE("hessian rounding: in reversed order it is LDLQ, code for code", "[ptq][hessian]") {
  for (const Problem& problem : {tb0(), tb1(), small_problem(7, 33, 9)}) {
    const Grid<3> q;
    std::vector<Grid<3>::params_type> params;
    for (Index r = 0; r < problem.W.rows(); ++r)
      params.push_back(q.fit(std::span(problem.W.row(r).data(), static_cast<std::size_t>(problem.W.cols()))));
    const MatrixD H = problem.H.mean();
    const Codes want = ldlq(q, problem.W, H, params);
    const Problem reversed{problem.W.rowwise().reverse(), calib::Moments::from_mean(H.reverse())};
    const Codes got = codes_of(rounded(HessianRounding{}, q, reversed));
    CHECK(Codes(got.rowwise().reverse()) == want);
    CHECK(codes_of(rounded(HessianRounding{}, q, problem)) != want);
  }
}

TEST_CASE("ldl: tr D ≤ tr H, with equality only for uncorrelated inputs", "[ptq][hessian]") {
  const auto share = [](const MatrixD& H) {
    const MatrixD A = damped(H);
    return linalg::ldl(A)->D.sum() / A.trace();
  };
  CHECK(share(tb0().H.mean()) <= 1.0);
  CHECK(share(tb1().H.mean()) <= 0.5);
  CHECK(share(MatrixD::Identity(20, 20)) == test::Approx(1.0));
}

/// After every column, solves for the completion of the remaining columns that minimizes the damped error given all
/// columns rounded so far; fits a group when its first column comes up.
template <class Q>
Codes best_completion(const Q& q, const Problem& problem, const std::vector<Index>& order) {
  const Matrix& W = problem.W;
  const Index n = W.cols();
  const MatrixD H = damped(problem.H.mean())(order, order);
  const Groups groups(static_cast<std::size_t>(W.rows()), static_cast<std::size_t>(n), q.group_size);
  Codes codes(W.rows(), n);
  for (Index r = 0; r < W.rows(); ++r) {
    VectorD original(n), work(n), hat(n);
    for (Index p = 0; p < n; ++p) original(p) = work(p) = static_cast<double>(W(r, order[static_cast<std::size_t>(p)]));
    typename Q::params_type params{};
    for (Index j = 0; j < n; ++j) {
      if (static_cast<std::size_t>(j) % groups.size() == 0) {
        const Index end = static_cast<Index>(groups.end(groups.of_column(static_cast<std::size_t>(j))));
        const Vector group = work.segment(j, end - j).cast<float>();
        params = q.fit(std::span(group.data(), static_cast<std::size_t>(group.size())));
      }
      codes(r, j) = q.quantize(static_cast<float>(work(j)), params);
      hat(j) = static_cast<double>(q.dequantize(codes(r, j), params));
      const Index free = n - j - 1;
      if (free == 0) break;
      const VectorD fixed = (hat - original).head(j + 1);
      work.tail(free) =
          original.tail(free) -
          H.bottomRightCorner(free, free).fullPivLu().solve((H.bottomLeftCorner(free, j + 1) * fixed).eval());
    }
  }
  return codes;
}

TEMPLATE_TEST_CASE_SIG("hessian rounding: every column meets the best completion of the columns before it",
                       "[ptq][hessian]", ((std::size_t Group), Group), 8, 11, per_row) {
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    const Problem problem = small_problem(5, 24, seed);
    std::vector<Index> order(24);
    std::iota(order.begin(), order.end(), Index{0});
    const Grid<3, Group> q;
    CHECK(codes_of(rounded(HessianRounding{.block_size = 10}, q, problem)) == best_completion(q, problem, order));
    if (Group == per_row) continue;  // stored in natural order
    const VectorD energy = problem.H.mean_square();
    std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return energy(a) > energy(b); });
    CHECK(codes_of(rounded(HessianRounding{.act_order = true, .block_size = 10}, q, problem)) ==
          best_completion(q, problem, order));
  }
}

TEST_CASE("hessian rounding: the same bytes for any number of threads and every run", "[ptq][hessian]") {
  const Problem problem = tb1();
  for (const bool static_groups : {false, true}) {
    const HessianRounding policy{
        .act_order = true, .static_groups = static_groups, .cd_sweeps = 2, .scale = LpGrid{.grid = 20}};
    ptq::RoundingReport report;
    const auto once = rounded(policy, Grid<3, 48>{}, problem, &report);
    for (const std::size_t threads : {1u, 2u, 3u}) {
      ptq::RoundingReport again;
      CHECK(same_bytes(rounded(policy, Grid<3, 48>{}, problem, &again, threads), once));
      CHECK(again.error == report.error);
      CHECK(again.moved_codes == report.moved_codes);
    }
  }
}

}  // namespace
}  // namespace lowbit::test::hessian_identities_tests
