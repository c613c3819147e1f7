// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <utility>

#include "lowbit/transform/record.hpp"

namespace lowbit::transform {

/// T = second ∘ first: inputs meet `first`, then `second`; outputs are undone the other way round.
template <PreparedTransform A, PreparedTransform B>
struct PreparedCompose {
  A first{};
  B second{};

  void fold_into_weights(MatrixDRef W) const {
    first.fold_into_weights(W);
    second.fold_into_weights(W);
  }
  void unfold_from_weights(MatrixDRef W) const {
    second.unfold_from_weights(W);
    first.unfold_from_weights(W);
  }
  void apply_to_inputs(MatrixRef X) const { apply(X); }
  void apply_to_inputs(MatrixDRef X) const { apply(X); }
  void undo_on_outputs(MatrixRef Y) const
    requires(ChangesOutputs<A> || ChangesOutputs<B>)
  {
    transform::undo_on_outputs(second, Y);
    transform::undo_on_outputs(first, Y);
  }

  TransformRecord record() const
    requires(RecordedTransform<A> && RecordedTransform<B>)
  {
    return joined(first.record(), second.record());
  }
  std::size_t stored_bits() const
    requires(RecordedTransform<A> && RecordedTransform<B>)
  {
    return first.stored_bits() + second.stored_bits();
  }

 private:
  template <class Rows>
  void apply(Rows& X) const {
    first.apply_to_inputs(X);
    second.apply_to_inputs(X);
  }
};

/// One transform after another; the second is prepared for the weights and moments that the first leaves.
template <Transform A, Transform B>
struct Compose {
  using prepared_type = PreparedCompose<prepared_t<A>, prepared_t<B>>;
  static constexpr bool needs_statistics = transform::needs_statistics<A> || transform::needs_statistics<B>;

  A first{};
  B second{};

  /// Errors: those of its parts.
  Result<prepared_type> prepare(const MatrixD& W, const MatrixD& H) const {
    LOWBIT_TRY(a, transform::prepare(first, W, H));
    if constexpr (transform::needs_statistics<B>) {
      MatrixD folded = W;
      a.fold_into_weights(MatrixDRef(folded));
      LOWBIT_TRY(b, transform::prepare(second, folded, H.size() == 0 ? H : transform_moments(a, H)));
      return prepared_type{std::move(a), std::move(b)};
    } else {
      LOWBIT_TRY(b, transform::prepare(second, W, H));
      return prepared_type{std::move(a), std::move(b)};
    }
  }
};

}  // namespace lowbit::transform
