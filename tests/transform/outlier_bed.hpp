// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>

#include "ptq/test_bed.hpp"

namespace lowbit::test {

/// The test bed with unequal inputs, about one weight in a hundred, wherever it stands, multiplied by 8: "TBo" of the
/// specifications. (Which weights is a draw of its own: multiplying the largest would give an incoherence of 13, not 18.8.)
inline Problem tb_outliers(std::uint64_t seed = 1) {
  Problem problem = tb1(seed);
  Rng chosen(seed, 3);
  for (Index i = 0; i < problem.W.size(); ++i)
    if (std::abs(chosen.normal()) > 2.6) problem.W.data()[i] *= 8.0f;
  return problem;
}

}  // namespace lowbit::test
