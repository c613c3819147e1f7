// SPDX-License-Identifier: MIT
#include "lowbit/format/d4_ball.hpp"
#include "lowbit/format/e8_ball.hpp"
#include "lowbit/format/e8p.hpp"
#include "lowbit/format/e8p_residual.hpp"
#include "lowbit/format/trellis/hyb.hpp"
#include "lowbit/format/trellis/one_mad.hpp"
#include "lowbit/format/trellis/three_inst.hpp"
#include "lowbit/format/voronoi_code.hpp"
#include "lowbit/quantizer/pvq.hpp"
#include "lowbit/quantizer/trellis/trellis_scaled.hpp"
#include "lowbit/quantizer/vector_scaled.hpp"
#include "support/rate_presets.hpp"
#include "support/rate_table.hpp"

namespace lowbit::test {

std::vector<RateRow> vector_rate_rows() {
  constexpr auto g = per_tensor;
  return {
      LOWBIT_RATE_ROW("d4 ball 8, 2 bit", 0.0, 0.0, VectorScaled<D4Ball<8>, f16, g>{}, w),
      LOWBIT_RATE_ROW("d4 ball 12, 3 bit", 0.0, 0.0, VectorScaled<D4Ball<12>, f16, g>{}, w),
      LOWBIT_RATE_ROW("e8 ball 8, 1 bit", 0.0, 0.0, VectorScaled<E8Ball<8>, f16, g>{}, w),
      LOWBIT_RATE_ROW("e8 ball 12, 1.5 bit", 0.0, 0.0, VectorScaled<E8Ball<12>, f16, g>{}, w),
      LOWBIT_RATE_ROW("e8p, 2 bit", 0.0914, 0.0, VectorScaled<E8P, f16, g>{}, w),
      LOWBIT_RATE_ROW("e8p, 3 bit", 0.0, 0.0, VectorScaled<E8P3, f16, g>{}, w),
      LOWBIT_RATE_ROW("e8p, 4 bit", 0.0, 0.0, VectorScaled<E8P4, f16, g>{}, w),
      LOWBIT_RATE_ROW("e8 voronoi 8, 3 bit", 0.0, 0.0, VectorScaled<E8Voronoi<8>, f16, g>{}, w),
      LOWBIT_RATE_ROW("e8 voronoi 16, 4 bit", 0.0, 0.0, VectorScaled<E8Voronoi<16>, f16, g>{}, w),
      LOWBIT_RATE_ROW("pvq 2 bit", 0.0, 0.0, Pvq2{}, w),
      LOWBIT_RATE_ROW("pvq 2.5 bit", 0.0, 0.0, Pvq2_5{}, w),
      LOWBIT_RATE_ROW("pvq 3 bit", 0.0, 0.0, Pvq3{}, w),
      LOWBIT_RATE_ROW("pvq 3.25 bit", 0.0, 0.0, Pvq3_25{}, w),
      LOWBIT_RATE_ROW("pvq 4 bit", 0.0, 0.0, Pvq4{}, w),
      LOWBIT_RATE_ROW("trellis 1mad L=12, 1 bit", 0.0, 0.0, TrellisScaled<trellis::OneMad, 12, 1, f16, g>{}, w),
      LOWBIT_RATE_ROW("trellis 1mad L=12, 2 bit", 0.0757, 0.0, TrellisScaled<trellis::OneMad, 12, 2, f16, g>{}, w),
      LOWBIT_RATE_ROW("trellis 1mad L=12, 3 bit", 0.0, 0.0, TrellisScaled<trellis::OneMad, 12, 3, f16, g>{}, w),
      LOWBIT_RATE_ROW("trellis 1mad L=12, 4 bit", 0.0, 0.0, TrellisScaled<trellis::OneMad, 12, 4, f16, g>{}, w),
      LOWBIT_RATE_ROW("trellis 1mad L=16, 2 bit", 0.0, 0.0, TrellisScaled<trellis::OneMad, 16, 2, f16, g>{}, w),
      LOWBIT_RATE_ROW("trellis hyb L=12, 1.5 bit", 0.0, 0.0, TrellisScaled<trellis::Hyb<9>, 12, 1, f16, g, 3>{}, w),
      LOWBIT_RATE_ROW("trellis hyb L=12, 2.5 bit", 0.0, 0.0, TrellisScaled<trellis::Hyb<9>, 12, 2, f16, g, 5>{}, w),
      LOWBIT_RATE_ROW("trellis hyb L=16, 2 bit", 0.0, 0.0, TrellisScaled<trellis::Hyb<9>, 16, 2, f16, g>{}, w),
      LOWBIT_RATE_ROW("trellis 3inst L=16, 2 bit", 0.0, 0.0, TrellisScaled<trellis::ThreeInst, 16, 2, f16, g>{}, w),
  };
}

}  // namespace lowbit::test
