// SPDX-License-Identifier: MIT
#pragma once

/// quantizer: how a group of reals becomes parameters and codes, and the packed matrix that holds the result. A quantizer
/// joins a format (what codes mean) with a layout (where their bits lie) and group parameters (scale, zero point) in their
/// storage types. `quantize_nearest` is rounding to nearest; `ptq/` has policies that look at the inputs too.

#include "lowbit/quantizer/binary.hpp"
#include "lowbit/quantizer/concept.hpp"
#include "lowbit/quantizer/double_quantized.hpp"
#include "lowbit/quantizer/ggml_search.hpp"
#include "lowbit/quantizer/gguf_blocks.hpp"
#include "lowbit/quantizer/gguf_fp4.hpp"
#include "lowbit/quantizer/gguf_iq4_nl.hpp"
#include "lowbit/quantizer/gguf_iq4_xs.hpp"
#include "lowbit/quantizer/gguf_q2_k.hpp"
#include "lowbit/quantizer/gguf_q3_k.hpp"
#include "lowbit/quantizer/gguf_q4_0.hpp"
#include "lowbit/quantizer/gguf_q4_1.hpp"
#include "lowbit/quantizer/gguf_q4_k.hpp"
#include "lowbit/quantizer/gguf_q5_0.hpp"
#include "lowbit/quantizer/gguf_q5_k.hpp"
#include "lowbit/quantizer/gguf_q6_k.hpp"
#include "lowbit/quantizer/gguf_q8_0.hpp"
#include "lowbit/quantizer/gguf_ternary.hpp"
#include "lowbit/quantizer/groups.hpp"
#include "lowbit/quantizer/matrix.hpp"
#include "lowbit/quantizer/mx.hpp"
#include "lowbit/quantizer/nearest.hpp"
#include "lowbit/quantizer/nested.hpp"
#include "lowbit/quantizer/nvfp4.hpp"
#include "lowbit/quantizer/phase.hpp"
#include "lowbit/quantizer/scale_search.hpp"
#include "lowbit/quantizer/scaled.hpp"
#include "lowbit/quantizer/ternary.hpp"
#include "lowbit/quantizer/trit_planes.hpp"
#include "lowbit/quantizer/twin_log.hpp"
#include "lowbit/quantizer/uniform.hpp"
