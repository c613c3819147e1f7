// SPDX-License-Identifier: MIT
// How far Hessian-aware rounding must stay below rounding to nearest on the test bed. The thresholds are the specified
// ones; what is measured lies well below them.

#include "catch.hpp"
#include "ptq/test_bed.hpp"

namespace lowbit::test::hessian_test_bed_tests {
namespace {

using ptq::HessianRounding;
using ptq::NearestRounding;

struct Ratios {
  double plain, act_order, static_act_order;
};

template <class Q>
Ratios ratios(const Problem& problem) {
  const double nearest = proxy(problem, rounded(NearestRounding{}, Q{}, problem));
  const auto ratio = [&](const HessianRounding& policy) {
    return proxy(problem, rounded(policy, Q{}, problem)) / nearest;
  };
  return {ratio({}), ratio({.act_order = true}), ratio({.act_order = true, .static_groups = true})};
}

TEMPLATE_TEST_CASE_SIG("hessian rounding: on the test bed the output error is at most 0.35 of rounding to nearest",
                       "[ptq][hessian]", ((int Bits), Bits), 2, 3, 4) {
  const Problem equal = tb0(), unequal = tb1();
  const Ratios row0 = ratios<Grid<Bits>>(equal), row1 = ratios<Grid<Bits>>(unequal);
  const Ratios group0 = ratios<Grid<Bits, 64>>(equal), group1 = ratios<Grid<Bits, 64>>(unequal);
  INFO("bits " << Bits << "\nTB0 per row " << row0.plain << ", act_order " << row0.act_order << "\nTB1 per row "
               << row1.plain << ", act_order " << row1.act_order << "\nTB0 g64 " << group0.plain << ", act_order "
               << group0.act_order << ", static " << group0.static_act_order << "\nTB1 g64 " << group1.plain
               << ", act_order " << group1.act_order << ", static " << group1.static_act_order);
  CHECK(row0.plain <= 0.35);
  CHECK(row1.plain <= 0.35);
  CHECK(group0.plain <= 0.35);
  CHECK(group1.plain <= 0.35);
  CHECK(row1.act_order <= row1.plain);
  CHECK(row1.act_order == row1.static_act_order);
  CHECK(group1.static_act_order <= 0.35);
  CHECK(row1.plain > 0.01);
}

TEST_CASE("hessian rounding: with inputs of unequal energy act_order lowers the error for every seed",
          "[ptq][hessian]") {
  double plain = 0.0, ordered = 0.0;
  for (std::uint64_t seed = 2; seed < 5; ++seed) {
    const Ratios r = ratios<Grid<3>>(tb1(seed));
    plain += r.plain;
    ordered += r.act_order;
    CHECK(r.act_order <= r.plain);
  }
  CHECK(ordered <= 0.8 * plain);
}

}  // namespace
}  // namespace lowbit::test::hessian_test_bed_tests
