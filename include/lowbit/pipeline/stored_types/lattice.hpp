// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "lowbit/core/type_list.hpp"
#include "lowbit/format/d4_ball.hpp"
#include "lowbit/format/e8_ball.hpp"
#include "lowbit/format/e8p.hpp"
#include "lowbit/format/e8p_residual.hpp"
#include "lowbit/format/voronoi_code.hpp"
#include "lowbit/pipeline/codec_for.hpp"
#include "lowbit/quantizer/vector_scaled.hpp"

namespace lowbit::pipeline {

/// One scale per group times the points of a lattice.
LOWBIT_CODEC_LIST std::vector<const Codec*> lattice_codecs() {
  return codecs_of(TypeList<VectorScaled<E8P, f16, dynamic_group>, VectorScaled<E8P3, f16, dynamic_group>,
                            VectorScaled<E8P4, f16, dynamic_group>, VectorScaled<E8Ball<8>, f16, dynamic_group>,
                            VectorScaled<E8Ball<12>, f16, dynamic_group>,
                            VectorScaled<D4Ball<8>, f16, dynamic_group>,
                            VectorScaled<D4Ball<12>, f16, dynamic_group>,
                            VectorScaled<E8Voronoi<8>, f16, dynamic_group>,
                            VectorScaled<E8Voronoi<16>, f16, dynamic_group>>{});
}

}  // namespace lowbit::pipeline
