// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "lowbit/core/type_list.hpp"
#include "lowbit/format/trellis/hyb.hpp"
#include "lowbit/format/trellis/one_mad.hpp"
#include "lowbit/format/trellis/three_inst.hpp"
#include "lowbit/pipeline/codec_for.hpp"
#include "lowbit/quantizer/trellis/trellis_scaled.hpp"

namespace lowbit::pipeline {

/// Trellis codes of 2^12 and 2^16 states.
LOWBIT_CODEC_LIST std::vector<const Codec*> trellis_codecs() {
  return codecs_of(TypeList<TrellisScaled<trellis::OneMad, 12, 1>, TrellisScaled<trellis::OneMad, 12, 2>,
                            TrellisScaled<trellis::OneMad, 12, 3>, TrellisScaled<trellis::OneMad, 12, 4>,
                            TrellisScaled<trellis::OneMad, 16, 1>, TrellisScaled<trellis::OneMad, 16, 2>,
                            TrellisScaled<trellis::OneMad, 16, 3>, TrellisScaled<trellis::OneMad, 16, 4>,
                            TrellisScaled<trellis::Hyb<9>, 12, 1, f16, dynamic_group, 3>,
                            TrellisScaled<trellis::Hyb<9>, 16, 1, f16, dynamic_group, 3>,
                            TrellisScaled<trellis::Hyb<9>, 12, 2, f16, dynamic_group, 5>,
                            TrellisScaled<trellis::Hyb<9>, 16, 2>, TrellisScaled<trellis::ThreeInst, 16, 2>>{});
}

}  // namespace lowbit::pipeline
