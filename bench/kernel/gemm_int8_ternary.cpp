// SPDX-License-Identifier: MIT
#include "lowbit/pack/gguf.hpp"
#include "support/panel_layer.hpp"

namespace lowbit::bench {
namespace {

using Dense = TernaryScaled<f16, per_row>;
using TwoBits = TernaryScaled<f16, per_row, pack::GgufTQ2_0>;

const bool registered = [] {
  panel_rows<Dense>("ternary_base3_row");
  panel_rows<TwoBits>("ternary_2bit_row");
  panel_rows<TernaryScaled<>>("ternary_base3_g128");
  panel_row<GgufTq1_0, isa::native>("gguf_tq1_0", 4096, 4096, 1, 1, Residence::dram);
#if LOWBIT_HAS_AVX512
  for (const std::size_t tokens : {1, 8}) {
    panel_row<Dense, isa::avx2>("ternary_base3_row", 4096, 4096, tokens, 1, Residence::dram);
    panel_row<Dense, isa::avx2_vnni>("ternary_base3_row", 4096, 4096, tokens, 1, Residence::dram);
    panel_row<Dense, isa::avx512_vnni>("ternary_base3_row", 4096, 4096, tokens, 1, Residence::dram);
  }
#endif
  return true;
}();

}  // namespace
}  // namespace lowbit::bench
