// SPDX-License-Identifier: MIT
#pragma once

/// quantizer: how a group of reals becomes parameters and codes, and the packed matrix that holds the result. A quantizer
/// joins a format (what codes mean) with a layout (where their bits lie) and group parameters (scale, zero point) in their
/// storage types. `quantize_nearest` is rounding to nearest; `ptq/` has policies that look at the inputs too.

#include "lowbit/quantizer/concept.hpp"
#include "lowbit/quantizer/gguf_blocks.hpp"
#include "lowbit/quantizer/gguf_q4_0.hpp"
#include "lowbit/quantizer/gguf_q8_0.hpp"
#include "lowbit/quantizer/groups.hpp"
#include "lowbit/quantizer/matrix.hpp"
#include "lowbit/quantizer/nearest.hpp"
#include "lowbit/quantizer/scale_search.hpp"
#include "lowbit/quantizer/uniform.hpp"
