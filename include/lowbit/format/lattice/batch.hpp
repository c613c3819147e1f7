// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstring>
#include <span>

#include "lowbit/core/contract.hpp"
#include "lowbit/core/isa.hpp"
#include "lowbit/format/lattice/concept.hpp"
#include "lowbit/format/lattice/lanes.hpp"

namespace lowbit::lattice {
inline namespace LOWBIT_ISA_NAMESPACE {

/// The nearest point of L to each of x.size() / dim vectors that lie one after the other. y may be x.
template <Lattice L>
void nearest_batch_scalar(std::span<const float> x, std::span<float> y) noexcept {
  constexpr std::size_t dim = L::dim;
  for (std::size_t i = 0; i + dim <= x.size(); i += dim)
    L::nearest(std::span<const float, dim>(x.data() + i, dim), std::span<float, dim>(y.data() + i, dim));
}

/// The same, a register of vectors at a time where L has `round` (Dn, E8), to the same bits.
///
///   x  n · dim floats
///   y  as many; may be x
template <Lattice L>
void nearest_batch(std::span<const float> x, std::span<float> y) noexcept {
  LOWBIT_ASSERT(x.size() % L::dim == 0 && x.size() == y.size(), "whole vectors, as many out as in");
  std::size_t i = 0;
#if LOWBIT_HAS_LATTICE_LANES
  if constexpr (requires(detail::f32_lanes(&v)[L::dim]) { L::round(v); }) {
    constexpr std::size_t dim = L::dim, lanes = detail::LaneTraits<detail::f32_lanes>::count;
    for (; i + dim * lanes <= x.size(); i += dim * lanes) {
      float turned[dim][lanes];
      for (std::size_t l = 0; l < lanes; ++l)
        for (std::size_t k = 0; k < dim; ++k) turned[k][l] = x[i + l * dim + k];
      detail::f32_lanes v[dim];
      std::memcpy(v, turned, sizeof v);
      L::round(v);
      std::memcpy(turned, v, sizeof v);
      for (std::size_t l = 0; l < lanes; ++l)
        for (std::size_t k = 0; k < dim; ++k) y[i + l * dim + k] = turned[k][l];
    }
  }
#endif
  nearest_batch_scalar<L>(x.subspan(i), y.subspan(i));
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::lattice
