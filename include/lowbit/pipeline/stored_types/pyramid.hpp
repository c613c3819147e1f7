// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "lowbit/core/type_list.hpp"
#include "lowbit/pipeline/codec_for.hpp"
#include "lowbit/quantizer/pvq.hpp"

namespace lowbit::pipeline {

/// Pyramid vector quantization: pulses and a length for 16 weights.
LOWBIT_CODEC_LIST std::vector<const Codec*> pyramid_codecs() {
  return codecs_of(TypeList<Pvq2, Pvq2_5, Pvq3, Pvq3_25, Pvq4>{});
}

}  // namespace lowbit::pipeline
