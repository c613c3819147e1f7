// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "lowbit/core/type_list.hpp"
#include "lowbit/format.hpp"
#include "lowbit/pipeline/codec_for.hpp"
#include "lowbit/pipeline/stored_types/any_group.hpp"
#include "lowbit/quantizer.hpp"

namespace lowbit::pipeline {

/// One scale per group times a table of points at other widths than four, and sums of signs, trits, phases and logarithms.
LOWBIT_CODEC_LIST std::vector<const Codec*> other_codecs() {
  return codecs_of(TypeList<detail::AnyGroup<NormalFloat<2>>, detail::AnyGroup<NormalFloat<3>>,
                            detail::AnyGroup<HalfOffset<2>>, detail::AnyGroup<HalfOffset<3>>,
                            detail::AnyGroup<HalfOffset<4>>, TritPlanesScaled<f16, dynamic_group>,
                            detail::AnyGroup<E2M3>, detail::AnyGroup<E3M2>, detail::AnyGroup<E3M4>,
                            detail::AnyGroup<E4M3FN>, detail::AnyGroup<E5M2>, detail::AnyGroup<Dynamic8, float>,
                            BinaryScaled<1, f16, dynamic_group>, BinaryScaled<2, f16, dynamic_group>,
                            TernaryScaled<f16, dynamic_group>, PhaseScaled<1, f16, dynamic_group>,
                            PhaseScaled<2, f16, dynamic_group>, TwinLog<3, dynamic_group>,
                            TwinLog<4, dynamic_group>>{});
}

}  // namespace lowbit::pipeline
