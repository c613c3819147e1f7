// SPDX-License-Identifier: MIT
#pragma once

/// calib: what the inputs of a layer look like. `Moments` accumulates the second moments that Hessian-aware rounding
/// minimizes against.

#include "lowbit/calib/moments.hpp"
#include "lowbit/calib/observers.hpp"
