// SPDX-License-Identifier: MIT
#include "lowbit/kernel/gemv.hpp"

#include "support/layer.hpp"

namespace lowbit::bench {
namespace {

template <class Q, class Isa>
void gemv_rows(std::size_t rows, std::size_t cols, Residence residence) {
  benchmark::RegisterBenchmark(
      label("gemv", quantizer_name<Q>(), Isa::name, rows, cols, 1, residence).c_str(),
      [=](benchmark::State& state) {
        Layer<Q> layer(rows, cols, 1, residence);
        for (auto _ : state) {
          gemv<Isa>(layer.weights(), layer.x(), layer.y());
          benchmark::ClobberMemory();
        }
        report(state, layer);
      })
      ->Unit(benchmark::kMicrosecond);
}

/// The yardstick: floats, no codes; rows are summed in 16 lanes.
void gemv_f32(benchmark::State& state, std::size_t rows, std::size_t cols) {
  const std::size_t copies = dram_bytes / (rows * cols * 4) + 1;
  std::vector<float> w(copies * rows * cols, 0.5f), x(cols, 1.0f), y(rows);
  std::size_t next = 0;
  for (auto _ : state) {
    next = next + 1 == copies ? 0 : next + 1;
    for (std::size_t r = 0; r < rows; ++r) {
      float lanes[kernel::sum_lanes] = {};
      kernel::accumulate(w.data() + (next * rows + r) * cols, x.data(), cols, lanes);
      y[r] = kernel::add_lanes(lanes);
    }
    benchmark::ClobberMemory();
  }
  using benchmark::Counter;
  const double bytes = 4e-9 * static_cast<double>(rows * cols);
  state.counters["GBps"] = Counter(bytes, Counter::kIsIterationInvariantRate);
  state.counters["GFLOPs"] = Counter(bytes / 2, Counter::kIsIterationInvariantRate);
  state.counters["bpw"] = 32.0;
  state.counters["nmse"] = 0.0;
  state.counters["share"] = Counter(bytes / machine().read_gbps, Counter::kIsIterationInvariantRate);
}

const bool registered = [] {
  benchmark::RegisterBenchmark("gemv/f32/native/4096x4096",
                               [](benchmark::State& state) { gemv_f32(state, 4096, 4096); })
      ->Unit(benchmark::kMicrosecond);
  const auto both = []<class Q>(std::type_identity<Q>) {
    for_each_isa<Q>([]<class Isa>(Isa) {
      gemv_rows<Q, Isa>(4096, 4096, Residence::dram);
      gemv_rows<Q, Isa>(1024, 4096, Residence::cache);
    });
  };
  both(std::type_identity<W4>{});
  both(std::type_identity<W4Asym32>{});
  both(std::type_identity<W3>{});
  both(std::type_identity<W8>{});
  return true;
}();

}  // namespace
}  // namespace lowbit::bench
