// SPDX-License-Identifier: MIT
#include "lowbit/quantizer/nearest.hpp"

#include "support/layer.hpp"

namespace lowbit::bench {
namespace {

template <class Q>
void nearest(benchmark::State& state, const ScaleSearch& search) {
  const std::size_t rows = 16, cols = 4096;
  Rng rng(1);
  std::vector<float> w(rows * cols), back(rows * cols);
  for (float& v : w) v = static_cast<float>(0.02 * rng.normal());
  for (auto _ : state) benchmark::DoNotOptimize(quantize_nearest(Q{}, w, rows, cols, search));
  const auto m = quantize_nearest(Q{}, w, rows, cols, search).value();
  dequantize(m.view(), 0, rows, back);
  double error = 0, power = 0;
  for (std::size_t i = 0; i < w.size(); ++i) {
    const double e = static_cast<double>(w[i]) - static_cast<double>(back[i]);
    error += e * e;
    power += static_cast<double>(w[i]) * static_cast<double>(w[i]);
  }
  using benchmark::Counter;
  state.counters["Gw"] = Counter(static_cast<double>(w.size()) * 1e-9, Counter::kIsIterationInvariantRate);
  state.counters["bpw"] = m.bits_per_weight();
  state.counters["nmse"] = error / power;
}

template <class Q>
void both() {
  const std::string name = quantizer_name<Q>();
  benchmark::RegisterBenchmark(("nearest/" + name + "/scalar/16x4096/cache").c_str(),
                               [](benchmark::State& s) { nearest<Q>(s, AbsMax{}); })
      ->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark(("nearest_grid2/" + name + "/scalar/16x4096/cache").c_str(),
                               [](benchmark::State& s) { nearest<Q>(s, LpGrid{.p = 2.0f}); })
      ->Unit(benchmark::kMillisecond);
}

const bool registered = [] {
  both<W4>();
  both<W4Asym32>();
  return true;
}();

}  // namespace
}  // namespace lowbit::bench
