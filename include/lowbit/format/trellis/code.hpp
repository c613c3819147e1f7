// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace lowbit::trellis {

/// What a state of a trellis means: dim real numbers for every state of up to max_state_bits bits, computed or looked
/// up.
///
///   rms   root mean square of a value over all 2^16 states; what weights are scaled by (TrellisTile::data_rms)
///   name  as the literature calls the code
///
/// `values(Isa, states, y)` gives the points of eight (AVX2) or sixteen (AVX-512) states, each in a 32-bit lane and
/// below 2^max_state_bits: y[v] holds their components v. Law: bit for bit what `value` gives.
template <class C>
concept Code = C::dim >= 1 && C::max_state_bits >= 1 &&
               std::convertible_to<decltype(C::rms), float>&&
                   std::convertible_to<decltype(C::name), std::string_view>&& requires(std::uint32_t state,
                                                                                       std::span<float, C::dim> y) {
  { C::value(state, y) }
  noexcept;
};

}  // namespace lowbit::trellis
