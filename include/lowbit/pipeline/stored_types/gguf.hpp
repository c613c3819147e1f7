// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "lowbit/core/type_list.hpp"
#include "lowbit/pipeline/codec_for.hpp"
#include "lowbit/quantizer.hpp"

namespace lowbit::pipeline {

/// GGUF's block types.
LOWBIT_CODEC_LIST std::vector<const Codec*> gguf_codecs() {
  return codecs_of(TypeList<GgufQ4_0, GgufQ4_1, GgufQ5_0, GgufQ5_1, GgufQ8_0, GgufQ2K, GgufQ3K, GgufQ4K, GgufQ5K,
                            GgufQ6K, GgufIq4Nl, GgufIq4Xs, GgufTq1_0, GgufTq2_0, GgufMxfp4, GgufNvfp4, GgufQ1_0,
                            GgufQ2_0>{});
}

}  // namespace lowbit::pipeline
