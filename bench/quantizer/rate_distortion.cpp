// SPDX-License-Identifier: MIT
#include <benchmark/benchmark.h>

#include <cmath>
#include <string>

#include "support/rate_table.hpp"

namespace lowbit::bench {
namespace {

/// rate_distortion/NAME: bits per weight, NMSE on N(0, 1) and Laplace weights, and how many dB the Gaussian NMSE lies
/// above the rate-distortion limit 2^(−2·bits). The time is that of one quantization.
const bool registered = [] {
  for (const test::RateRow& row : test::rate_rows())
    benchmark::RegisterBenchmark(("rate_distortion/" + row.name).c_str(), [row](benchmark::State& state) {
      static const auto gauss = test::gaussian_weights(), laplace = test::laplacian_weights();
      test::Distortion d;
      for (auto _ : state) d = row.measure(gauss);
      state.counters["bpw"] = d.bits_per_weight;
      state.counters["gauss"] = d.nmse;
      state.counters["laplace"] = row.measure(laplace).nmse;
      state.counters["gap_dB"] = 10.0 * std::log10(d.nmse) + 20.0 * std::log10(2.0) * d.bits_per_weight;
    })->Iterations(1)->Unit(benchmark::kMillisecond);
  return true;
}();

}  // namespace
}  // namespace lowbit::bench
