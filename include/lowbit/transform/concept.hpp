// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>

#include "lowbit/linalg/matrix.hpp"

namespace lowbit {

/// A change of basis T of a layer's inputs that keeps its product: (W·T⁻¹)(T·x) = W·x for every input x.
///
///   fold_into_weights(W)   W [out × in]        W ← W·T⁻¹   once, offline
///   apply_to_inputs(X)     X [tokens × in]     each row x ← T·x   on every token: state its cost
template <class T>
concept Transform = std::semiregular<T> && requires(const T t, MatrixRef W, MatrixRef X) {
  { t.fold_into_weights(W) } -> std::same_as<void>;
  { t.apply_to_inputs(X) } -> std::same_as<void>;
};

}  // namespace lowbit

namespace lowbit::transform {

/// T = I. Cost: nothing.
struct Identity {
  static constexpr const char* name = "identity";
  void fold_into_weights(MatrixRef) const noexcept {}
  void apply_to_inputs(MatrixRef) const noexcept {}
};

static_assert(Transform<Identity>);

/// Second moments of the transformed inputs: T·H·Tᵀ, from two applications to the rows of H [in × in].
template <Transform T>
MatrixD transform_moments(const T& t, const MatrixD& H) {
  if constexpr (std::same_as<T, Identity>) {
    return H;
  } else {
    Matrix half = H.cast<float>();
    t.apply_to_inputs(half);              // H·Tᵀ
    Matrix full = half.transpose();       // T·H
    t.apply_to_inputs(full);              // T·H·Tᵀ
    const MatrixD moments = full.cast<double>();
    return 0.5 * (moments + moments.transpose());
  }
}

}  // namespace lowbit::transform
