// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "lowbit/pack/gguf.hpp"
#include "lowbit/quantizer/gguf_q4_k.hpp"

namespace lowbit {

/// GGUF's Q5_K: Q4_K with 5-bit codes and fewer candidates in its search. 5.5 bits per weight. File: d, dmin, 12 bytes
/// of scales, then the codes: their fifth bits and split nibbles of 64.
///
/// Source: ggml, quantize_row_q5_K_ref, quantize_row_q5_K_impl and dequantize_row_q5_K.
struct GgufQ5K : detail::GgufAffineK32<GgufQ5K, 5> {
  using layout_type = pack::GgufQ5_K;
  static constexpr std::size_t block_bytes = 176;
  static constexpr ggml::AffineSearch search{-0.5f, 0.1f, 15};
  static std::string storage_name() { return "gguf_q5_k"; }
};

static_assert(SuperBlocks<GgufQ5K> && WeightedFitting<GgufQ5K>);

}  // namespace lowbit
