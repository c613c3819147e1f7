// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "lowbit/linalg/rotations.hpp"
#include "lowbit/transform/two_sided.hpp"

namespace lowbit::transform {

namespace detail {
struct RhtKind {
  static constexpr const char* name = "rht";
};
}  // namespace detail

/// The randomized Hadamard transform, prepared: T = Had_n·diag(s_u), U = Had_m·diag(s_v).
using PreparedRandomHadamard = TwoSided<linalg::RandomizedHadamard, detail::RhtKind>;

/// Random signs, then a Hadamard matrix of any size (linalg/hadamard.hpp says which), on the inputs and the outputs: makes the
/// entries of W near Gaussian whatever they were, |W_ij| ≲ ‖W‖_F·√(2·ln(mn)/(mn)), so that no outlier sets a scale.
///
/// Errors   none.   Cost  n·log₂ n + m·log₂ m additions per token for powers of two.   Stored  the seed, 64 bits.
/// Source   Tseng et al., "QuIP#", ICML 2024, arXiv:2402.04396, section 3. Ours serves sizes without a known Hadamard matrix
///          by other orthogonal matrices, never by padding, and stores a seed instead of signs.
struct RandomHadamard {
  using prepared_type = PreparedRandomHadamard;
  static constexpr bool needs_statistics = false;

  std::uint64_t seed = 0;
  Sides sides = Sides::both;

  Result<prepared_type> prepare(const MatrixD& W, const MatrixD&) const {
    return prepared_type(W.rows(), W.cols(), seed, sides);
  }
};

static_assert(Transform<RandomHadamard> && ChangesOutputs<PreparedRandomHadamard> &&
              RecordedTransform<PreparedRandomHadamard>);

}  // namespace lowbit::transform
