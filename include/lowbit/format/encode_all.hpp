// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include "lowbit/core/contract.hpp"
#include "lowbit/core/isa.hpp"
#include "lowbit/format/concept.hpp"

namespace lowbit {
inline namespace LOWBIT_ISA_NAMESPACE {

/// encode of codes.size() points that lie one after the other, by the format's own `encode_batch` where it has one
/// (which gives the same codes).
///
///   x  codes.size() · dim floats
template <Format F>
void encode_all(const F& f, std::span<const float> x, std::span<typename F::code_type> codes) noexcept {
  LOWBIT_ASSERT(x.size() == F::dim * codes.size(), "dim floats to a code");
  if constexpr (requires { f.encode_batch(x, codes); }) {
    f.encode_batch(x, codes);
  } else {
    for (std::size_t c = 0; c < codes.size(); ++c)
      codes[c] = f.encode(std::span<const float, F::dim>(x.data() + c * F::dim, F::dim));
  }
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit
