// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include "lowbit/format/concept.hpp"
#include "lowbit/format/lattice/orbit_code.hpp"

namespace lowbit {

/// The points of D4 around one of its deep holes, nearest first, as a codebook of four weights: Bits/4 bits a weight.
///
/// Points are vectors of halves of odd integers with an even sum. 2^8 holds exactly those of squared length up to 9 (8,
/// 32, 48, 64 and 104 of length 1, 3, 5, 7 and 9), 2^10 is filled exactly too; other widths leave up to 9 % of the
/// codes unused. There is no zero among them. Codes and encoding: lattice::OrbitCode.
///
/// MSE per weight on N(0, 1) at opt_scale, measured on 2^19 weights, and the bits it takes:
///   Bits   7       8       9       10      11      12
///   MSE    0.1485  0.1028  0.0783  0.0551  0.0411  0.0304
template <int Bits>
struct D4Ball : lattice::OrbitCode<4, Bits, lattice::Coset::halves> {
  static_assert(Bits >= 7 && Bits <= 12, "D4Ball has 7 to 12 bits for four weights.");
  static constexpr std::string_view name = [] {
    constexpr std::string_view names[] = {"d4_ball7", "d4_ball8", "d4_ball9", "d4_ball10", "d4_ball11", "d4_ball12"};
    return names[Bits - 7];
  }();
  /// What N(0, 1) is multiplied by for the least squared error; measured.
  static constexpr float opt_scale = [] {
    constexpr float scales[] = {1.04f, 1.21f, 1.37f, 1.605f, 1.83f, 2.11f};
    return scales[Bits - 7];
  }();
};

static_assert(Format<D4Ball<8>> && Format<D4Ball<12>> && D4Ball<8>::cardinality == 256);

}  // namespace lowbit
