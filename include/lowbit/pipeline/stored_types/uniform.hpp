// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "lowbit/core/type_list.hpp"
#include "lowbit/format/int.hpp"
#include "lowbit/pipeline/codec_for.hpp"
#include "lowbit/quantizer/uniform.hpp"

namespace lowbit::pipeline {

/// The uniform quantizers of one width: symmetric, asymmetric and real zero points; f16, bf16 and f32 scales.
template <int Bits>
std::vector<const Codec*> uniform_codecs() {
  using F = Int<Bits>;
  constexpr auto with = [](ZeroPoint zero, ScaleStorage scale) {
    return UniformOptions{.group_size = dynamic_group, .zero_point = zero, .scale = scale};
  };
  return codecs_of(TypeList<Uniform<F, with(ZeroPoint::none, ScaleStorage::f16)>,
                            Uniform<F, with(ZeroPoint::none, ScaleStorage::bf16)>,
                            Uniform<F, with(ZeroPoint::none, ScaleStorage::f32)>,
                            Uniform<F, with(ZeroPoint::integer, ScaleStorage::f16)>,
                            Uniform<F, with(ZeroPoint::integer, ScaleStorage::bf16)>,
                            Uniform<F, with(ZeroPoint::integer, ScaleStorage::f32)>,
                            Uniform<F, with(ZeroPoint::real, ScaleStorage::f16)>>{});
}

}  // namespace lowbit::pipeline
