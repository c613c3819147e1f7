// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <span>

#include "lowbit/quantizer/concept.hpp"
#include "lowbit/quantizer/groups.hpp"

namespace lowbit {

/// What second-level parameters may be fitted to: the whole matrix.
struct SharedFitContext {
  std::span<const float> values;  ///< W, rows · cols finite floats, row after row
  std::size_t rows = 0, cols = 0;
  std::span<const float> importance{};  ///< one non-negative weight per column, or empty
  const double* hessian = nullptr;      ///< [cols × cols], symmetric, row after row, or null
  Groups groups;                        ///< which weights share first-level parameters
  std::span<const float> maxima{};      ///< the largest magnitude of every group, numbered by Groups::index
};

/// Quantizers with a second level of parameters, shared by many groups: the scale of scales, a codebook, a lattice basis.
/// A matrix holds shared_count(groups) floats of them, fitted once and frozen while groups are fitted and rounded.
/// q.with_shared(shared, groups, r, g) is q with what group g of row r needs of them in its members; pointers that it
/// keeps into `shared` live as long as the matrix.
template <class Q>
concept SharedScales =
    Quantizer<Q> && requires(const Q q, const SharedFitContext& context, std::span<float> out, const Groups& groups) {
      { Q::shared_count(groups) } -> std::same_as<std::size_t>;
      { q.fit_shared(context, out) } -> std::same_as<void>;
      { q.with_shared(std::span<const float>{}, groups, std::size_t{}, std::size_t{}) } noexcept -> std::same_as<Q>;
    };

}  // namespace lowbit
