// SPDX-License-Identifier: MIT
#pragma once

#include <span>

#include "lowbit/quantizer/group_passes.hpp"

namespace lowbit {

/// The extremes of the group: no clipping, no search.
struct AbsMax {
  template <class Q>
  static constexpr bool applies = true;

  template <Quantizer Q>
  typename Q::params_type fit(const Q& q, std::span<const float> group, const FitContext&) const noexcept {
    return detail::fit_extremes(q, group);
  }
};

}  // namespace lowbit
