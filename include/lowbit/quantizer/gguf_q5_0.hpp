// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "lowbit/pack/gguf.hpp"
#include "lowbit/quantizer/gguf_q4_0.hpp"
#include "lowbit/quantizer/gguf_q4_1.hpp"

namespace lowbit {

/// GGUF's Q5_0: Q4_0 with five bits: d = m/−16, codes min(31, ⌊x·(1/d) + 16.5⌋). 5.5 bits per weight. File: d, the
/// fifth bits of all codes as a word of 32, split nibbles.
///
/// Source: ggml, quantize_row_q5_0_ref, quantize_row_q5_0_impl and dequantize_row_q5_0.
struct GgufQ5_0 : detail::GgufSymmetric<GgufQ5_0, 5> {
  using layout_type = pack::GgufQ5;
  static constexpr std::size_t block_bytes = 22;
  static std::string storage_name() { return "gguf_q5_0"; }
};

/// GGUF's Q5_1: Q4_1 with five bits: d = (max x − m)/31. 6 bits per weight. File: d, m, the fifth bits, split nibbles.
///
/// Source: ggml, quantize_row_q5_1_ref, quantize_row_q5_1_impl and dequantize_row_q5_1.
struct GgufQ5_1 : detail::GgufAffine<GgufQ5_1, 5> {
  using layout_type = pack::GgufQ5;
  static constexpr std::size_t block_bytes = 24;
  static std::string storage_name() { return "gguf_q5_1"; }
};

static_assert(WeightedFitting<GgufQ5_0> && WeightedFitting<GgufQ5_1>);

}  // namespace lowbit
