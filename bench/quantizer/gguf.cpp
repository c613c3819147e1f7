// SPDX-License-Identifier: MIT
#include "lowbit/core/type_list.hpp"
#include "lowbit/quantizer.hpp"
#include "support/layer.hpp"
#include "support/rate_table.hpp"

/// How fast GGUF's block types are written: rows of 4096 weights, one thread, without and with importance.

namespace lowbit::bench {
namespace {

using Blocks = TypeList<GgufQ4_0, GgufQ4_1, GgufQ5_0, GgufQ5_1, GgufQ8_0, GgufQ2K, GgufQ3K, GgufQ4K, GgufQ5K, GgufQ6K,
                        GgufIq4Nl, GgufIq4Xs, GgufTq1_0, GgufTq2_0, GgufMxfp4, GgufNvfp4, GgufQ1_0, GgufQ2_0>;

constexpr std::size_t rows = 16, cols = 4096;

std::vector<float> weights() {
  Rng rng(1);
  std::vector<float> w(rows * cols);
  for (float& v : w) v = static_cast<float>(0.02 * rng.normal());
  return w;
}

template <class Q>
void report(benchmark::State& state, const std::vector<float>& w, const QuantizedMatrix<Q>& m) {
  const test::Distortion lost = test::distortion_of(m, w);
  using benchmark::Counter;
  state.counters["Mw"] = Counter(static_cast<double>(w.size()) * 1e-6, Counter::kIsIterationInvariantRate);
  state.counters["bpw"] = lost.bits_per_weight;
  state.counters["nmse"] = lost.nmse;
}

template <class Q>
void nearest(benchmark::State& state) {
  const std::vector<float> w = weights();
  for (auto _ : state) benchmark::DoNotOptimize(quantize_nearest(Q{}, w, rows, cols));
  report(state, w, quantize_nearest(Q{}, w, rows, cols).value());
}

/// fit with importance and the codes; what a scale search with importance costs.
template <class Q>
void weighted(benchmark::State& state) {
  const std::vector<float> w = weights();
  std::vector<float> h(cols);
  Rng rng(2);
  for (float& v : h) v = static_cast<float>(0.1 + rng.uniform());
  QuantizedMatrix<Q> m(rows, cols);
  std::vector<std::uint8_t> codes(cols);
  for (auto _ : state) {
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t c = 0; c < cols; c += Q::group_size) {
        const std::span<const float> group(w.data() + r * cols + c, Q::group_size);
        const auto p = Q{}.fit(group, {.importance = std::span(h).subspan(c, Q::group_size), .row_mean_square = 4e-4f});
        m.set_params(r, c / Q::group_size, p);
        for (std::size_t i = 0; i < Q::group_size; ++i) codes[c + i] = Q{}.quantize(group[i], point_params(Q{}, p, i));
      }
      m.set_row_codes(r, codes);
    }
    benchmark::ClobberMemory();
  }
  report(state, w, m);
}

const bool registered = [] {
  Blocks::for_each([](auto type) {
    using Q = typename decltype(type)::type;
    benchmark::RegisterBenchmark(("nearest/" + Q::storage_name() + "/native/16x4096/cache").c_str(), nearest<Q>)
        ->Unit(benchmark::kMillisecond);
    if constexpr (WeightedFitting<Q>)
      benchmark::RegisterBenchmark(("nearest_importance/" + Q::storage_name() + "/native/16x4096/cache").c_str(),
                                   weighted<Q>)
          ->Unit(benchmark::kMillisecond);
  });
  return true;
}();

}  // namespace
}  // namespace lowbit::bench
