// SPDX-License-Identifier: MIT
#include "support/panel_layer.hpp"

namespace lowbit::bench {
namespace {

template <int B, std::size_t G, ZeroPoint Z = ZeroPoint::none>
using Grid = Uniform<Int<B>, UniformOptions{.group_size = G, .zero_point = Z}>;

const bool registered = [] {
  panel_rows<Grid<4, per_row>>("int4_row");
  panel_rows<Grid<4, 128>>("int4_g128");
  panel_rows<Grid<4, 32>>("int4_g32");
  panel_rows<Grid<4, 128, ZeroPoint::integer>>("int4_asym_g128");
  panel_rows<Grid<4, 32, ZeroPoint::real>>("int4_asymreal_g32");
  panel_rows<Grid<8, per_row>>("int8_row");
  panel_rows<Grid<8, 128>>("int8_g128");
  panel_rows<Grid<8, 32>>("int8_g32");
  panel_rows<Grid<2, 128>>("int2_g128");
  panel_rows<Grid<2, 32>>("int2_g32");
  panel_rows<Grid<3, 128>>("int3_g128");
  panel_rows<Grid<5, 128>>("int5_g128");
  panel_rows<Grid<6, 128>>("int6_g128");
  panel_rows<Grid<7, 128>>("int7_g128");
#if LOWBIT_HAS_AVX512
  panel_rows<Grid<4, 128>, isa::avx2>("int4_g128");
  panel_rows<Grid<4, 128>, isa::avx2_vnni>("int4_g128");
  panel_rows<Grid<8, 128>, isa::avx2>("int8_g128");
  panel_rows<Grid<4, 128>, isa::avx512>("int4_g128");
#endif
  return true;
}();

}  // namespace
}  // namespace lowbit::bench
