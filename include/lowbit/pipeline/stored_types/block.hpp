// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "lowbit/core/type_list.hpp"
#include "lowbit/pipeline/codec_for.hpp"
#include "lowbit/quantizer.hpp"

namespace lowbit::pipeline {

/// Blocks of fixed size: OCP microscaling and NVFP4.
LOWBIT_CODEC_LIST std::vector<const Codec*> block_codecs() {
  return codecs_of(TypeList<Mxfp4, Mxfp6E2M3, Mxfp6E3M2, Mxfp8E4M3, Mxfp8E5M2, Mxint8, Nvfp4>{});
}

}  // namespace lowbit::pipeline
