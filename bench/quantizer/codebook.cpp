// SPDX-License-Identifier: MIT
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "lowbit/core/rng.hpp"
#include "lowbit/kernel/dequantize.hpp"
#include "lowbit/quantizer/codebook/glvq.hpp"
#include "lowbit/quantizer/codebook/kmeans1d.hpp"
#include "lowbit/quantizer/codebook/point_table.hpp"
#include "lowbit/quantizer/codebook/row_codebook.hpp"
#include "lowbit/quantizer/codebook/vector_codebook.hpp"
#include "lowbit/quantizer/nearest.hpp"

namespace lowbit::bench {
namespace {

constexpr std::size_t rows = 64, cols = 4096;

const std::vector<float>& weights() {
  static const std::vector<float> all = [] {
    Rng rng(1);
    std::vector<float> w(rows * cols);
    for (float& v : w) v = static_cast<float>(0.02 * rng.normal());
    return w;
  }();
  return all;
}

void rate(benchmark::State& state, std::size_t count) {
  state.counters["Gw"] =
      benchmark::Counter(static_cast<double>(count) * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

/// Rows: codebook_fit/<type>/<isa>/64x4096: learning the tables and rounding N(0, 1) weights to nearest, with the bits and the
/// error of the result; codebook_decode/…: dequantization. Gw: 10^9 weights a second.
template <class Q>
void quantizer_rows() {
  const std::string name = Q::storage_name() + "/" + isa::native::name + "/64x4096";
  benchmark::RegisterBenchmark(("codebook_fit/" + name).c_str(), [](benchmark::State& state) {
    double bits = 0.0, error = 0.0, square = 0.0;
    for (auto _ : state) {
      const auto m = quantize_nearest(Q{}, weights(), rows, cols).value();
      benchmark::DoNotOptimize(m.codes().data());
      state.PauseTiming();
      std::vector<float> there(rows * cols);
      dequantize(m.view(), 0, rows, there);
      bits = m.bits_per_weight();
      error = square = 0.0;
      for (std::size_t i = 0; i < there.size(); ++i) {
        const double x = static_cast<double>(weights()[i]), e = x - static_cast<double>(there[i]);
        error += e * e;
        square += x * x;
      }
      state.ResumeTiming();
    }
    rate(state, rows * cols);
    state.counters["bpw"] = bits;
    state.counters["nmse"] = error / square;
  })->Unit(benchmark::kMillisecond)->Iterations(1);
  benchmark::RegisterBenchmark(("codebook_decode/" + name).c_str(), [](benchmark::State& state) {
    const auto m = quantize_nearest(Q{}, weights(), rows, cols).value();
    std::vector<float> there(rows * cols);
    for (auto _ : state) {
      dequantize(m.view(), 0, rows, there);
      benchmark::ClobberMemory();
    }
    rate(state, rows * cols);
  })->Unit(benchmark::kMillisecond);
}

/// kmeans1d/<levels>/4096: the exact weighted k-means of a row.
void kmeans_row(benchmark::State& state) {
  std::vector<float> centers(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(codebook::kmeans1d({weights().data(), cols}, {}, centers));
  rate(state, cols);
}
BENCHMARK(kmeans_row)->Name("kmeans1d")->Arg(4)->Arg(8)->Arg(16)->Unit(benchmark::kMillisecond);

/// nearest_point/<points>/8d: the search of a vector among points, by registers and as defined.
template <bool Registers>
void nearest_rows(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const codebook::PointTable table({weights().data(), 8 * count}, 8);
  std::size_t at = 0, sum = 0;
  for (auto _ : state) {
    const float* x = weights().data() + (at += 8) % (rows * cols - 8);
    sum += Registers ? table.nearest(x) : codebook::nearest_point(table.points(), 8, x);
  }
  benchmark::DoNotOptimize(sum);
  rate(state, 8);
}
BENCHMARK(nearest_rows<true>)->Name(std::string("nearest_point/") + isa::native::name)->Arg(256)->Arg(4096);
BENCHMARK(nearest_rows<false>)->Name("nearest_point/scalar")->Arg(256)->Arg(4096);

const bool registered = [] {
  quantizer_rows<RowCodebook<2>>();
  quantizer_rows<RowCodebook<3>>();
  quantizer_rows<RowCodebook<4>>();
  quantizer_rows<VectorCodebook<4, 8>>();
  quantizer_rows<VectorCodebook<8, 12>>();
  quantizer_rows<Glvq<8, 2>>();
  quantizer_rows<Glvq<8, 2, true>>();
  quantizer_rows<Glvq<8, 4>>();
  return true;
}();

}  // namespace
}  // namespace lowbit::bench
