// SPDX-License-Identifier: MIT
#include "support/rate_table.hpp"

#include <algorithm>
#include <cmath>

#include "catch.hpp"

namespace lowbit::test::rate_table_tests {

namespace {

/// The published number is one draw. Rows that scatter are averaged, and may then lie three of their own standard
/// deviations away (about 1 % each) where that is more than 2 %.
void check_row(const test::RateRow& row, double published, std::vector<float> (*weights)(std::uint64_t)) {
  if (published == 0.0) return;
  double sum = 0.0, squares = 0.0;
  for (int draw = 0; draw < row.draws; ++draw) {
    const double nmse = row.measure(weights(static_cast<std::uint64_t>(draw))).nmse;
    sum += nmse;
    squares += nmse * nmse;
  }
  const double mean = sum / row.draws;
  const double deviation = row.draws > 1 ? std::sqrt((squares - sum * mean) / (row.draws - 1)) : 0.0;
  CHECK(std::fabs(mean - published) <= std::max(0.02 * published, 3.0 * deviation));
  CHECK(deviation <= 0.02 * published);
}

}  // namespace

TEST_CASE("rate table: every format errs on Gaussian and Laplacian weights as published, to 2 %", "[quantizer][published]") {
  for (const test::RateRow& row : test::rate_rows()) {
    INFO(row.name);
    check_row(row, row.gauss, test::gaussian_weights);
    check_row(row, row.laplace, test::laplacian_weights);
  }
}

}  // namespace lowbit::test::rate_table_tests
