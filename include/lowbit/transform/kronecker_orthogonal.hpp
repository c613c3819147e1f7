// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "lowbit/linalg/rotations.hpp"
#include "lowbit/transform/two_sided.hpp"

namespace lowbit::transform {

namespace detail {
struct KroneckerKind {
  static constexpr const char* name = "kron";
};
}  // namespace detail

using PreparedKroneckerOrthogonal = TwoSided<linalg::KroneckerRotation, detail::KroneckerKind>;

/// A random permutation, then the Kronecker product of two random orthogonal matrices of sizes near √n, on the inputs and the
/// outputs.
///
/// Errors   none.   Cost  n·(a + b) + m·(c + d) multiply-adds per token for n = a·b, m = c·d.   Stored  the seed, 64 bits.
/// Source   Chee et al., "QuIP", NeurIPS 2023, arXiv:2307.13304, section 4. Ours replaces a factor above 256 (sizes with a
///          large prime factor) by a randomized Hadamard transform of that size.
struct KroneckerOrthogonal {
  using prepared_type = PreparedKroneckerOrthogonal;
  static constexpr bool needs_statistics = false;

  std::uint64_t seed = 0;
  Sides sides = Sides::both;

  Result<prepared_type> prepare(const MatrixD& W, const MatrixD&) const {
    return prepared_type(W.rows(), W.cols(), seed, sides);
  }
};

static_assert(Transform<KroneckerOrthogonal> && ChangesOutputs<PreparedKroneckerOrthogonal> &&
              RecordedTransform<PreparedKroneckerOrthogonal>);

}  // namespace lowbit::transform
