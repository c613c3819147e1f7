// SPDX-License-Identifier: MIT
#include "lowbit/format/d4_ball.hpp"
#include "lowbit/format/e8p.hpp"
#include "lowbit/quantizer/codebook/vector_codebook.hpp"
#include "lowbit/quantizer/trellis/trellis_scaled.hpp"
#include "lowbit/quantizer/vector_scaled.hpp"
#include "support/panel_layer.hpp"

namespace lowbit::bench {
namespace {

const bool registered = [] {
  panel_rows<VectorScaled<E8P>>("e8p");
  panel_rows<VectorScaled<D4Ball<8>>>("d4_ball8");
  panel_rows<VectorCodebook<4, 8>>("codebook4d8b");
  panel_rows<VectorCodebook<8, 8>>("codebook8d8b");
  panel_rows<TrellisScaled<trellis::OneMad, 12, 2, f16, per_row>>("trellis_k2_l12");
  panel_rows<TrellisScaled<trellis::OneMad, 12, 3, f16, per_row>>("trellis_k3_l12");
  return true;
}();

}  // namespace
}  // namespace lowbit::bench
