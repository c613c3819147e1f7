// SPDX-License-Identifier: MIT
#include "lowbit/quantizer/nearest.hpp"

#include "lowbit/format/nf4.hpp"
#include "lowbit/quantizer/mx.hpp"
#include "lowbit/quantizer/nvfp4.hpp"
#include "lowbit/quantizer/scaled.hpp"

#include "support/layer.hpp"
#include "support/rate_table.hpp"

namespace lowbit::bench {
namespace {

/// Rows: quantize/<type>/<isa>/<search>/16x4096/cache. One matrix of 16 × 4096 Gaussian weights is rounded again and again,
/// packing included. Gw: 10^9 weights a second.
template <class Q>
void quantize(benchmark::State& state, const ScaleSearch& search) {
  const std::size_t rows = 16, cols = 4096;
  Rng rng(1);
  std::vector<float> w(rows * cols);
  for (float& v : w) v = static_cast<float>(0.02 * rng.normal());
  for (auto _ : state) benchmark::DoNotOptimize(quantize_nearest(Q{}, w, rows, cols, search));
  const test::Distortion lost = test::distortion_of(quantize_nearest(Q{}, w, rows, cols, search).value(), w);
  using benchmark::Counter;
  state.counters["Gw"] = Counter(static_cast<double>(w.size()) * 1e-9, Counter::kIsIterationInvariantRate);
  state.counters["bpw"] = lost.bits_per_weight;
  state.counters["nmse"] = lost.nmse;
}

template <class Q>
void row(const char* name, const ScaleSearch& search) {
  const std::string isa = detail::HasLanes<Q> ? isa::native::name : isa::scalar::name;
  benchmark::RegisterBenchmark(("quantize/" + quantizer_name<Q>() + "/" + isa + "/" + name + "/16x4096/cache").c_str(),
                               [search](benchmark::State& s) { quantize<Q>(s, search); })
      ->Unit(benchmark::kMillisecond);
}

template <class Q>
void rows() {
  row<Q>("absmax", AbsMax{});
  row<Q>("lp2", LpGrid{.p = 2.0f});
  row<Q>("lp2.4", LpGrid{});
  row<Q>("golden", GoldenSection{});
}

const bool registered = [] {
  rows<W4>();
  rows<Uniform<Int4, UniformOptions{.zero_point = ZeroPoint::integer}>>();
  row<W8>("absmax", AbsMax{});
  row<Uniform<Int8, UniformOptions{.zero_point = ZeroPoint::integer}>>("absmax", AbsMax{});
  row<W4>("pct99.9", Percentile{});
  row<Uniform<Int4, UniformOptions{.zero_point = ZeroPoint::real}>>("hqq", Hqq{});
  row<W4>("ggml", GgmlSearch{});
  row<Mxfp4>("absmax", AbsMax{});
  row<Nvfp4>("absmax", AbsMax{});
  row<Scaled<NF4, float, 64>>("absmax", AbsMax{});
  return true;
}();

}  // namespace
}  // namespace lowbit::bench
