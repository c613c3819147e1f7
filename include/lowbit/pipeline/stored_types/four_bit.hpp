// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "lowbit/core/type_list.hpp"
#include "lowbit/format.hpp"
#include "lowbit/pipeline/codec_for.hpp"
#include "lowbit/pipeline/stored_types/any_group.hpp"
#include "lowbit/quantizer.hpp"

namespace lowbit::pipeline {

/// One scale per group times a table of points: four-bit formats.
LOWBIT_CODEC_LIST std::vector<const Codec*> four_bit_codecs() {
  return codecs_of(TypeList<detail::AnyGroup<E2M1>, detail::AnyGroup<E2M1, float>, detail::AnyGroup<E1M2>, detail::AnyGroup<E3M0>,
                            detail::AnyGroup<E2M1, UE4M3>, detail::AnyGroup<E2M1, UE5M3>, detail::AnyGroup<NF4>,
                            detail::AnyGroup<NF4, float>, DoubleQuantized<NF4, dynamic_group>,
                            detail::AnyGroup<BnbFp4>, detail::AnyGroup<DInt<4>>, DIntScaled<4, f16, dynamic_group>, PowerScaled<4, f16, dynamic_group>, detail::AnyGroup<PowerOfTwo<4>>,
                            detail::AnyGroup<Apot<4>>, detail::AnyGroup<Post<4>>>{});
}

}  // namespace lowbit::pipeline
