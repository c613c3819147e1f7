// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "lowbit/linalg/matrix.hpp"
#include "lowbit/transform/record.hpp"

namespace lowbit::transform {

/// Which sides of a layer are rotated. Rotating the outputs costs one more rotation of [out] per token.
enum class Sides : std::uint8_t { both, inputs };

namespace detail {

/// Calls rotate(rows) on the columns of W as rows, 32 at a time: W ← R·W for a rotation of rows x ← R·x.
template <class Rotate>
void rotate_columns(MatrixDRef W, Rotate rotate) {
  constexpr Index block = 32;
  for (Index begin = 0; begin < W.cols(); begin += block) {
    const Index count = std::min(block, W.cols() - begin);
    MatrixD rows = W.middleCols(begin, count).transpose();
    rotate(MatrixDRef(rows));
    W.middleCols(begin, count) = rows.transpose();
  }
}

}  // namespace detail

/// Random orthogonal T = R_in [in × in] and U = R_out [out × out] from one seed: W' = R_out·W·R_inᵀ, H' = R_in·H·R_inᵀ,
/// y = R_outᵀ·(W'·(R_in·x)). Rotation is one of linalg/rotations.hpp, Kind a struct with its name in records.
/// Stored: the seed. Cost per token: one rotation of [in] and, with Sides::both, one of [out].
template <class Rotation, class Kind>
class TwoSided {
 public:
  TwoSided() = default;
  TwoSided(Index rows, Index cols, std::uint64_t seed, Sides sides)
      : seed_(seed), sides_(sides), inputs_(cols, seed, 0), outputs_(sides == Sides::both ? rows : 0, seed, 1) {}

  void fold_into_weights(MatrixDRef W) const {
    inputs_.rotate(W);
    if (sides_ == Sides::both) detail::rotate_columns(W, [&](MatrixDRef rows) { outputs_.rotate(rows); });
  }
  void unfold_from_weights(MatrixDRef W) const {
    inputs_.rotate_back(W);
    if (sides_ == Sides::both) detail::rotate_columns(W, [&](MatrixDRef rows) { outputs_.rotate_back(rows); });
  }
  void apply_to_inputs(MatrixRef X) const { inputs_.rotate(X); }
  void apply_to_inputs(MatrixDRef X) const { inputs_.rotate(X); }
  void undo_on_outputs(MatrixRef Y) const {
    if (sides_ == Sides::both) outputs_.rotate_back(Y);
  }

  bool changes_outputs() const noexcept { return sides_ == Sides::both; }

  const Rotation& inputs() const noexcept { return inputs_; }
  const Rotation& outputs() const noexcept { return outputs_; }

  TransformRecord record() const {
    TransformRecord record{.kind = std::string(Kind::name) + (sides_ == Sides::both ? "" : "_in"), .seeds = {seed_}};
    record.construction = inputs_.construction();
    if (sides_ == Sides::both) record.construction += ", " + outputs_.construction();
    return record;
  }
  std::size_t stored_bits() const noexcept { return 64; }

 private:
  std::uint64_t seed_ = 0;
  Sides sides_ = Sides::both;
  Rotation inputs_, outputs_;
};

}  // namespace lowbit::transform
