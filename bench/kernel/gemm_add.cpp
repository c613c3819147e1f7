// SPDX-License-Identifier: MIT
#include "support/add_layer.hpp"

namespace lowbit::bench {
namespace {

template <class Q>
void rows(const std::string& name) {
  add_row<Q, isa::native>(name, 4096, 4096, 1, 1, Residence::dram);
#if LOWBIT_HAS_AVX512
  add_row<Q, isa::avx2>(name, 4096, 4096, 1, 1, Residence::dram);
#endif
  add_row<Q, isa::native>(name, 4096, 4096, 1, 2, Residence::dram);
  add_row<Q, isa::native>(name, 1024, 4096, 1, 1, Residence::cache);
  for (const std::size_t tokens : {2, 8}) add_row<Q, isa::native>(name, 4096, 4096, tokens, 1, Residence::dram);
}

const bool registered = [] {
  rows<TernaryScaled<f16, per_row>>("ternary_row");
  rows<TernaryScaled<>>("ternary_g128");
  rows<TritPlanesScaled<>>("ternary2_g128");
  rows<BinaryScaled<1>>("binary_g128");
  rows<BinaryScaled<2>>("binary2_g128");
  rows<PhaseScaled<1>>("phase_g128");
  return true;
}();

}  // namespace
}  // namespace lowbit::bench
