// SPDX-License-Identifier: MIT
#pragma once

#include "lowbit/quantizer/lanes/vectors.hpp"

namespace lowbit::detail {
inline namespace LOWBIT_ISA_NAMESPACE {

/// The grid of one group for a register of weights at a time. A specialization for quantizer Q has
///
///   LaneGrid(q, params)
///   i32xn codes(f32xn x)    q.quantize of every lane
///   f32xn points(f32xn x)   q.dequantize(q.quantize(x)) of every lane, bit for bit but for the sign of zeros
///   static bool fits_extremes(q)   true where q.fit(group) is q.fit_range(lo, hi) of the group's extremes with zero
///   static bool fits_magnitude(q)  true where fit_range asks for nothing but max(−lo, hi), and the largest magnitude of
///                                  the grid's points never grows when that shrinks
///
/// and may have, where there is a faster way for most groups,
///
///   bool products_apply(float largest)     whether points_by_products(x) is points(x) for every |x| ≤ largest, but for
///   f32xn points_by_products(f32xn x)      points so near zero that an error does not tell them apart
///
/// All for finite x and finite parameters. The scalar q is the definition; tests/quantizer/lanes.cpp compares.
template <class Q>
struct LaneGrid;

template <class Q>
concept HasLanes = requires { sizeof(LaneGrid<Q>); };

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::detail
