// SPDX-License-Identifier: MIT
#include <benchmark/benchmark.h>

#include <cstddef>
#include <string>

#include "lowbit/format/e8p.hpp"
#include "lowbit/format/nf4.hpp"
#include "lowbit/kernel/gemm_bf16.hpp"
#include "lowbit/quantizer.hpp"
#include "lowbit/quantizer/scaled.hpp"
#include "lowbit/quantizer/vector_scaled.hpp"
#include "support/layer.hpp"
#include "support/machine.hpp"

namespace lowbit::bench {
namespace {

/// gemm of Q in compute::bf16 with weights in the last cache, activations rounded inside.
template <class Q, class Isa = isa::native>
void bf16_rows(const std::string& name) {
  constexpr std::size_t rows = 4096, cols = 4096;
  for (const std::size_t tokens : {8, 32, 128, 512}) {
    const std::string row = label("gemm_bf16", name, gemm_bf16_isa<Isa, Q>::name, rows, cols, tokens, Residence::cache);
    benchmark::RegisterBenchmark(row.c_str(), [=](benchmark::State& state) {
      Layer<Q> layer(rows, cols, tokens, Residence::cache);
      Bf16Activations activations(tokens, cols);
      const auto multiply = [&] {
        round_activations(layer.x(), activations.view());
        gemm<Isa>(layer.weights(), activations.view(), layer.y());
      };
      multiply();
      double measure = bf16_rate(1);
      for (auto _ : state) {
        multiply();
        benchmark::ClobberMemory();
      }
      measure = 0.5 * (measure + bf16_rate(1));
      const double flops = 2e-9 * static_cast<double>(rows * cols * tokens);
      using benchmark::Counter;
      state.counters["GFLOPs"] = Counter(flops, Counter::kIsIterationInvariantRate);
      state.counters["share"] = Counter(flops / measure, Counter::kIsIterationInvariantRate);
      state.counters["bpw"] = layer.bits_per_weight();
      state.counters["nmse"] = layer.nmse();
    })->Unit(benchmark::kMicrosecond)->UseRealTime();
  }
}

const bool registered = [] {
  bf16_rows<Uniform<Int4, UniformOptions{.group_size = 128}>>("int4_g128");
  bf16_rows<Uniform<Int8, UniformOptions{.group_size = per_row}>>("int8_row");
  bf16_rows<Scaled<NF4, float, 64>>("nf4_g64");
  bf16_rows<Mxfp4>("mxfp4");
  bf16_rows<Nvfp4>("nvfp4");
  bf16_rows<GgufQ4K>("gguf_q4_k");
  bf16_rows<GgufQ6K>("gguf_q6_k");
  bf16_rows<VectorScaled<E8P>>("e8p");
  return true;
}();

}  // namespace
}  // namespace lowbit::bench
