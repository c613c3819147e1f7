// SPDX-License-Identifier: MIT
#include "lowbit/kernel/dequantize.hpp"

#include "support/layer.hpp"

namespace lowbit::bench {
namespace {

template <class Q, class Isa>
void dequantize_rows(std::size_t rows, std::size_t cols) {
  benchmark::RegisterBenchmark(
      label("dequantize", quantizer_name<Q>(), Isa::name, rows, cols, 1, Residence::cache).c_str(),
      [=](benchmark::State& state) {
        Layer<Q> layer(rows, cols, 1, Residence::cache);
        std::vector<float> out(rows * cols);
        for (auto _ : state) {
          dequantize<Isa>(layer.weights(), 0, rows, out);
          benchmark::ClobberMemory();
        }
        gemv(layer.weights(), layer.x(), layer.y());
        report(state, layer);
        state.counters.erase("GFLOPs");
      })
      ->Unit(benchmark::kMicrosecond);
}

const bool registered = [] {
  const auto each = []<class Q>(std::type_identity<Q>) {
    dequantize_rows<Q, isa::scalar>(64, 4096);
    if constexpr (!std::is_same_v<dequantize_isa<isa::native, Q>, isa::scalar>)
      dequantize_rows<Q, dequantize_isa<isa::native, Q>>(64, 4096);
  };
  each(std::type_identity<W4>{});
  each(std::type_identity<W3>{});
  each(std::type_identity<W8>{});
  return true;
}();

}  // namespace
}  // namespace lowbit::bench
