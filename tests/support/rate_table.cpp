// SPDX-License-Identifier: MIT
#include "support/rate_table.hpp"

#include "support/rate_presets.hpp"

namespace lowbit::test {

std::vector<RateRow> rate_rows() {
  constexpr auto asym = ZeroPoint::integer;
  constexpr auto gptq = SymmetricRule::gptq;
  return {
      LOWBIT_RATE_ROW("int2 sym s1 g128", 0.587, 0.610, uniform<Int2>(), w),
      LOWBIT_RATE_ROW("int2 asym g128", 0.2526, 0.321, uniform<Int2, asym>(), w),
      LOWBIT_RATE_ROW("int2 sym L2 grid g128", 0.1465, 0.198, uniform<Int2>(gptq), w, LpGrid{.p = 2.0f}),
      LOWBIT_RATE_ROW("int3 sym s1 g128", 0.0750, 0.1263, uniform<Int3>(), w),
      LOWBIT_RATE_ROW("int3 asym g128", 0.0465, 0.0744, uniform<Int3, asym>(), w),
      LOWBIT_RATE_ROW("int3 sym L2.4 grid g128", 0.03881, 0.0663, uniform<Int3>(gptq), w, LpGrid{.p = 2.4f}),
      LOWBIT_RATE_ROW("int3 sym L2 grid g128", 0.03815, 0.0642, uniform<Int3>(gptq), w, LpGrid{.p = 2.0f}),
      LOWBIT_RATE_ROW("int4 sym s1 g128", 0.01376, 0.0256, uniform<Int4>(), w),
      LOWBIT_RATE_ROW("int4 sym s2 g128", 0.01226, 0.0229, uniform<Int4>(gptq), w),
      LOWBIT_RATE_ROW("int4 asym g128", 0.01012, 0.0170, uniform<Int4, asym>(), w),
      LOWBIT_RATE_ROW("int4 sym L2.4 grid g128", 0.01029, 0.0192, uniform<Int4>(gptq), w, LpGrid{.p = 2.4f}),
      LOWBIT_RATE_ROW("int4 sym L2 grid g128", 0.01017, 0.0190, uniform<Int4>(gptq), w, LpGrid{.p = 2.0f}),
      LOWBIT_RATE_ROW("int5 sym s1 g128", 2.99e-3, 5.67e-3, uniform<Int5>(), w),
      LOWBIT_RATE_ROW("int6 sym s1 g128", 7.02e-4, 1.33e-3, uniform<Int6>(), w),
      LOWBIT_RATE_ROW("int7 sym s1 g128", 1.70e-4, 3.22e-4, uniform<Int7>(), w),
      LOWBIT_RATE_ROW("int8 sym s1 g128", 4.17e-5, 7.97e-5, uniform<Int8>(), w),
      LOWBIT_RATE_ROW("mxfp4 floor", 0.01322, 0.01592, mx<E2M1>(MxScaleRule::floor), w),
      LOWBIT_RATE_ROW("mxfp4 rceil", 0.01336, 0.01740, mx<E2M1>(MxScaleRule::rceil), w),
      LOWBIT_RATE_ROW("mxfp4 even", 0.01256, 0.01526, mx<E2M1>(MxScaleRule::even), w),
      LOWBIT_RATE_ROW("mxfp6 e2m3 floor", 8.05e-4, 9.32e-4, mx<E2M3>(MxScaleRule::floor), w),
      LOWBIT_RATE_ROW("mxfp6 e3m2 floor", 2.89e-3, 3.01e-3, mx<E3M2>(MxScaleRule::floor), w),
      LOWBIT_RATE_ROW_AVERAGED("mxfp8 e4m3 floor", 8.56e-4, 9.77e-4, mx<E4M3FN>(MxScaleRule::floor), w),
      LOWBIT_RATE_ROW("mxfp8 e4m3 rceil", 7.05e-4, 6.97e-4, mx<E4M3FN>(MxScaleRule::rceil), w),
      LOWBIT_RATE_ROW("mxfp8 e5m2 floor", 2.89e-3, 3.01e-3, mx<E5M2>(MxScaleRule::floor), w),
      LOWBIT_RATE_ROW("mxint8", 6.83e-5, 1.01e-4, mx<MxInt8>(MxScaleRule::floor), w),
      LOWBIT_RATE_ROW("nvfp4", 0.00905, 0.00861, nvfp4(Nvfp4Rule::six), w),
      LOWBIT_RATE_ROW("nvfp4 four over six", 0.00756, 0.00764, nvfp4(Nvfp4Rule::four_over_six), w),
      LOWBIT_RATE_ROW("nf4 f32 g64", 0.00846, 0.01074, Scaled<NF4, float, 64>{}, w),
      LOWBIT_RATE_ROW("nf4 f32 g32", 0.00761, 0.00872, Scaled<NF4, float, 32>{}, w),
      RateRow{"nf4 f32 g64, 81 clips", 0.00724, 0.00944,
              [](std::span<const float> w) { return clipped_distortion(Scaled<NF4, float, 64>{}, w, 64); }},
      LOWBIT_RATE_ROW("nf4 double-quantized g64", 0.0, 0.0, DoubleQuantized<NF4>{}, w),
      LOWBIT_RATE_ROW("bnb fp4 f32 g64", 0.0149, 0.0, Scaled<BnbFp4, float, 64>{}, w),
      LOWBIT_RATE_ROW("dynamic8 f32 g256", 1.17e-4, 1.67e-4, Scaled<Dynamic8, float, 256>{}, w),
      LOWBIT_RATE_ROW_AVERAGED("dynamic8 f32 g2048", 1.55e-4, 2.42e-4, Scaled<Dynamic8, float, 2048>{}, w),
      LOWBIT_RATE_ROW("dint4 g128", 0.01335, 0.0184, Scaled<DInt<4>>{}, w),
      LOWBIT_RATE_ROW("e2m1 ue4m3 g16, one level", 0.00907, 0.0, Scaled<E2M1, UE4M3, 16>{}, w),
      LOWBIT_RATE_ROW("e2m1 ue5m3 g16, one level", 0.00907, 0.0, Scaled<E2M1, UE5M3, 16>{}, w),
      LOWBIT_RATE_ROW("binary", 0.3638, 0.5009, BinaryScaled<1, float, per_tensor>{}, w),
      LOWBIT_RATE_ROW("binary, two planes g128", 0.0, 0.0, BinaryScaled<2>{}, w),
      LOWBIT_RATE_ROW("ternary absmean", 0.2638, 0.394, ternary(TernaryRule::absmean, false), w),
      LOWBIT_RATE_ROW("ternary absmean + LS", 0.2132, 0.318, ternary(TernaryRule::absmean, true), w),
      LOWBIT_RATE_ROW("ternary absmedian", 0.3189, 0.511, ternary(TernaryRule::absmedian, false), w),
      LOWBIT_RATE_ROW("ternary absmedian + LS", 0.2284, 0.360, ternary(TernaryRule::absmedian, true), w),
      LOWBIT_RATE_ROW("ternary optimal", 0.1901, 0.2645, ternary(TernaryRule::optimal, true), w),
      LOWBIT_RATE_ROW("phase {1, i, -1, -i}", 0.3643, 0.438, PhaseScaled<1, float, per_tensor>{}, w),
      LOWBIT_RATE_ROW("phase, two stages", 0.1306, 0.185, PhaseScaled<2, float, per_tensor>{}, w),
      LOWBIT_RATE_ROW("twin log 4 g1024", 0.0, 0.0, TwinLog<4>{}, w),
      LOWBIT_RATE_ROW("GGUF Q4_0", 0.00740, 0.01143, GgufQ4_0{}, w),
      LOWBIT_RATE_ROW("GGUF Q4_1", 0.00613, 0.00850, GgufQ4_1{}, w),
      LOWBIT_RATE_ROW("GGUF Q5_0", 0.00182, 0.00288, GgufQ5_0{}, w),
      LOWBIT_RATE_ROW("GGUF Q5_1", 0.0, 0.0, GgufQ5_1{}, w),
      LOWBIT_RATE_ROW("GGUF Q8_0", 2.86e-5, 4.55e-5, GgufQ8_0{}, w),
      LOWBIT_RATE_ROW("GGUF Q2_K", 0.0877, 0.1196, GgufQ2K{}, w),
      LOWBIT_RATE_ROW("GGUF Q3_K", 0.0228, 0.0311, GgufQ3K{}, w),
      LOWBIT_RATE_ROW("GGUF Q4_K", 0.00510, 0.00721, GgufQ4K{}, w),
      LOWBIT_RATE_ROW("GGUF Q5_K", 0.00131, 0.00185, GgufQ5K{}, w),
      LOWBIT_RATE_ROW("GGUF Q6_K", 3.15e-4, 4.69e-4, GgufQ6K{}, w),
      LOWBIT_RATE_ROW("GGUF IQ4_NL", 0.00621, 0.00802, GgufIq4Nl{}, w),
      LOWBIT_RATE_ROW("GGUF IQ4_XS", 0.00591, 0.00788, GgufIq4Xs{}, w),
      LOWBIT_RATE_ROW("GGUF MXFP4", 0.0, 0.0, GgufMxfp4{}, w),
      LOWBIT_RATE_ROW("GGUF NVFP4", 0.0, 0.0, GgufNvfp4{}, w),
  };
}

}  // namespace lowbit::test
