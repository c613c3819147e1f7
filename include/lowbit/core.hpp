// SPDX-License-Identifier: MIT
#pragma once

/// core: what every other folder stands on, and nothing from outside the standard library. Instruction-set tags, 16-bit
/// floats, rounding that ignores the ambient mode, `Result` for failures of data, contracts for failures of callers,
/// counter-based random numbers, checked sizes, aligned buffers.

#include "lowbit/core/buffer.hpp"
#include "lowbit/core/checked.hpp"
#include "lowbit/core/contract.hpp"
#include "lowbit/core/dyadic.hpp"
#include "lowbit/core/float16.hpp"
#include "lowbit/core/isa.hpp"
#include "lowbit/core/magnitude_histogram.hpp"
#include "lowbit/core/result.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/core/round.hpp"
#include "lowbit/core/type_list.hpp"
#include "lowbit/core/version.hpp"
