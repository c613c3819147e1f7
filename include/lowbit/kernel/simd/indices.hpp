// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include "lowbit/core/isa.hpp"

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// f(0), f(1), … f(N − 1), each with its index as a constant: what is indexed by it can live in registers.
template <std::size_t N, class F>
LOWBIT_ALWAYS_INLINE void for_each_index(const F& f) noexcept {
  [&]<std::size_t... I>(std::index_sequence<I...>) LOWBIT_INLINE_LAMBDA {
    (f(std::integral_constant<std::size_t, I>{}), ...);
  }(std::make_index_sequence<N>{});
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
