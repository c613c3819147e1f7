// SPDX-License-Identifier: MIT
#include "lowbit/kernel/gemm.hpp"

#include "support/layer.hpp"

namespace lowbit::bench {
namespace {

template <class Q, class Isa>
void gemm_rows(std::size_t rows, std::size_t cols, std::size_t tokens) {
  benchmark::RegisterBenchmark(
      label("gemm", quantizer_name<Q>(), Isa::name, rows, cols, tokens, Residence::cache).c_str(),
      [=](benchmark::State& state) {
        Layer<Q> layer(rows, cols, tokens, Residence::cache);
        for (auto _ : state) {
          gemm<Isa>(layer.weights(), layer.x(), layer.y(), tokens);
          benchmark::ClobberMemory();
        }
        report(state, layer);
      })
      ->Unit(benchmark::kMillisecond);
}

const bool registered = [] {
  const auto wide = []<class Q>(std::type_identity<Q>) {
    for_each_isa<Q>([]<class Isa>(Isa) {
      if constexpr (!std::is_same_v<Isa, isa::scalar>) {
        gemm_rows<Q, Isa>(4096, 4096, 8);
        gemm_rows<Q, Isa>(4096, 4096, 32);
        gemm_rows<Q, Isa>(4096, 4096, 512);
      } else {
        gemm_rows<Q, Isa>(1024, 4096, 8);
      }
    });
  };
  wide(std::type_identity<W4>{});
  wide(std::type_identity<W8>{});
  return true;
}();

}  // namespace
}  // namespace lowbit::bench
