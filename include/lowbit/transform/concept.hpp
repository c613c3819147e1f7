// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <type_traits>
#include <utility>

#include "lowbit/core/result.hpp"
#include "lowbit/linalg/matrix.hpp"

namespace lowbit {

/// A change of basis that is fixed for one layer: T of its inputs and, if it wants, an orthogonal U of its outputs. The layer
/// stores W' = U·W·T⁻¹ and computes y = Uᵀ·(W'·(T·x)), which is W·x for every x.
///
///   fold_into_weights(W)     W [out × in]      W ← U·W·T⁻¹    once, offline, in double
///   unfold_from_weights(W)   W [out × in]      W ← Uᵀ·W·T     the inverse, for Ŵ in the original basis
///   apply_to_inputs(X)       X [tokens × in]   each row x ← T·x; in float on every token: state its cost; in double for
///                                              second moments
///
/// Laws: (W·T⁻¹)(T·x) = W·x, unfolding undoes folding, and a row of X has the same bits beside any other rows.
template <class P>
concept PreparedTransform = std::semiregular<P> && requires(const P p, MatrixDRef W, MatrixRef X, MatrixDRef Z) {
  { p.fold_into_weights(W) } -> std::same_as<void>;
  { p.unfold_from_weights(W) } -> std::same_as<void>;
  { p.apply_to_inputs(X) } -> std::same_as<void>;
  { p.apply_to_inputs(Z) } -> std::same_as<void>;
};

/// One with a U of its own: undo_on_outputs(Y), Y [tokens × out], each row y ← Uᵀ·y, on every token. U is orthogonal, so
/// that errors of W' weigh as much as those of W.
template <class P>
concept ChangesOutputs = PreparedTransform<P> && requires(const P p, MatrixRef Y) {
  { p.undo_on_outputs(Y) } -> std::same_as<void>;
};

/// A transform as a setting (a seed, a family), prepared for each layer by prepare(W, H): W [out × in]; H [in × in] second
/// moments of the inputs, or empty when no tokens were seen. What needs no preparation is its own prepared form.
///
/// A transform with a constant needs_statistics = false looks at the shape of W alone; then H may be of any size.
template <class T>
concept Transform =
    std::semiregular<T> &&
    (PreparedTransform<T> || requires(const T t, const MatrixD& W, const MatrixD& H) {
      requires PreparedTransform<typename T::prepared_type>;
      { t.prepare(W, H) } -> std::same_as<Result<typename T::prepared_type>>;
    });

}  // namespace lowbit

namespace lowbit::transform {

namespace detail {
template <Transform T>
struct PreparedOf {
  using type = T;
};
template <Transform T>
  requires requires { typename T::prepared_type; }
struct PreparedOf<T> {
  using type = typename T::prepared_type;
};
}  // namespace detail

/// What prepare() makes of T.
template <Transform T>
using prepared_t = typename detail::PreparedOf<T>::type;

/// T for a layer. Errors: those of T's own prepare.
template <Transform T>
Result<prepared_t<T>> prepare(const T& t, const MatrixD& W, const MatrixD& H) {
  if constexpr (requires { typename T::prepared_type; })
    return t.prepare(W, H);
  else
    return t;
}

/// Whether prepare() reads more than the shape of W.
template <Transform T>
inline constexpr bool needs_statistics = [] {
  if constexpr (requires { T::needs_statistics; })
    return static_cast<bool>(T::needs_statistics);
  else
    return !std::same_as<T, prepared_t<T>>;
}();

/// T = I. Cost: nothing.
struct Identity {
  static constexpr const char* name = "identity";
  void fold_into_weights(MatrixDRef) const noexcept {}
  void unfold_from_weights(MatrixDRef) const noexcept {}
  void apply_to_inputs(MatrixRef) const noexcept {}
  void apply_to_inputs(MatrixDRef) const noexcept {}
};

static_assert(Transform<Identity>);

/// y ← Uᵀ·y where P changes outputs; nothing elsewhere.
template <PreparedTransform P>
void undo_on_outputs([[maybe_unused]] const P& p, [[maybe_unused]] MatrixRef Y) {
  if constexpr (ChangesOutputs<P>) p.undo_on_outputs(Y);
}

namespace detail {

/// T·H·Tᵀ from two calls of apply(rows), rows x ← T·x. Exactly symmetric.
template <class Apply>
MatrixD moments_from_rows(const MatrixD& H, Apply apply) {
  MatrixD half = H;
  apply(MatrixDRef(half));            // H·Tᵀ
  MatrixD full = half.transpose();    // T·H
  apply(MatrixDRef(full));            // T·H·Tᵀ
  return 0.5 * (full + full.transpose());
}

}  // namespace detail

/// Second moments of the transformed inputs, T·H·Tᵀ in double, for symmetric H [in × in]; exactly symmetric. Cost: 2·in rows.
template <PreparedTransform P>
MatrixD transform_moments(const P& p, const MatrixD& H) {
  if constexpr (std::same_as<P, Identity>)
    return H;
  else
    return detail::moments_from_rows(H, [&](MatrixDRef rows) { p.apply_to_inputs(rows); });
}

}  // namespace lowbit::transform
