// SPDX-License-Identifier: MIT
#include <cstdio>

#include "lowbit/format.hpp"
#include "lowbit/kernel.hpp"
#include "lowbit/quantizer.hpp"
#include "tool.hpp"

namespace tool {

namespace {

using namespace lowbit;

template <class Q>
void print_row(const char* name) {
  const auto columns = []<class Isa>(Isa) {
    std::printf(" %s | %s | %s | %s |", gemv_isa<Isa, Q>::name, gemm_isa<Isa, Q>::name, dequantize_isa<Isa, Q>::name,
                gemm_bf16_isa<Isa, Q>::name);
    if constexpr (PanelQuantizer<Q>)
      std::printf(" %s |", gemm_int8_isa<Isa, Q>::name);
    else
      std::printf(" %s, packed |", gemm_int8_isa_of<Isa, PackedView<Q>>::name);
  };
  std::printf("| %s |", name);
  columns(isa::avx2_vnni{});
  columns(isa::avx512_bf16{});
  std::printf("\n");
}

}  // namespace

int support() {
  std::printf("| weights | avx2, VNNI: gemv | gemm | dequantize | bf16 | int8 | avx512, VNNI, VBMI, BF16: gemv | gemm | dequantize | bf16 "
              "| int8 |\n|---|---|---|---|---|---|---|---|---|---|---|\n");
  print_row<Uniform<Int2>>("int2, every zero point, scale and group size");
  print_row<Uniform<Int3>>("int3, likewise");
  print_row<Uniform<Int4>>("int4, likewise");
  print_row<Uniform<Int5>>("int5, likewise");
  print_row<Uniform<Int6>>("int6, likewise");
  print_row<Uniform<Int7>>("int7, likewise");
  print_row<Uniform<Int8>>("int8, likewise");
  print_row<Mxfp4>("MXFP4");
  print_row<Mxfp6E3M2>("MXFP6");
  print_row<Mxfp8E4M3>("MXFP8");
  print_row<Nvfp4>("NVFP4");
  print_row<Scaled<NF4>>("NF4 and other formats of at most 16 points");
  print_row<Scaled<Dynamic8, float>>("8-bit tables");
  print_row<TernaryScaled<>>("ternary");
  print_row<BinaryScaled<>>("binary, phase, twin-log");
  print_row<GgufQ4_0>("GGUF Q4_0");
  print_row<GgufQ8_0>("GGUF Q8_0");
  print_row<GgufQ4K>("GGUF Q4_K");
  print_row<GgufQ6K>("GGUF Q6_K");
  print_row<GgufIq4Xs>("GGUF IQ4_XS");
  print_row<VectorScaled<E8P>>("E8P");
  print_row<VectorScaled<D4Ball<8>>>("balls of at most 256 points");
  print_row<VectorScaled<E8P4>>("E8P with residuals, larger balls, Voronoi cells");
  print_row<Pvq2>("PVQ");
  print_row<TrellisScaled<trellis::OneMad, 12, 2>>("trellis");
  print_row<RowCodebook<4>>("a table per row or per matrix");
  print_row<VectorCodebook<4, 8>>("256 learned vectors");
  print_row<Glvq<8, 2, true>>("GLVQ");
  return done;
}

}  // namespace tool
