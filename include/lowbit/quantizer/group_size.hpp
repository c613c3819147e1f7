// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "lowbit/quantizer/concept.hpp"

namespace lowbit::detail {

/// Base of quantizers: group_size as a constant, or as a member for dynamic_group.
template <std::size_t N>
struct GroupSize {
  static_assert(N >= 1, "A group holds at least one column.");
  static constexpr std::size_t group_size = N;
};
template <>
struct GroupSize<dynamic_group> {
  std::size_t group_size = per_row;  ///< set at run time; at least 1
};

}  // namespace lowbit::detail
