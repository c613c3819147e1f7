// SPDX-License-Identifier: MIT
#pragma once

#include "lowbit/core/float16.hpp"
#include "lowbit/quantizer/groups.hpp"
#include "lowbit/quantizer/scaled.hpp"

namespace lowbit::pipeline::detail {

/// One scale per group times the points of F, for groups of any size.
template <class F, class Scale = f16>
using AnyGroup = Scaled<F, Scale, dynamic_group>;

}  // namespace lowbit::pipeline::detail
