// SPDX-License-Identifier: MIT
#include <benchmark/benchmark.h>

#include <cmath>
#include <fstream>
#include <string>
#include <vector>

#include "support/plot.hpp"
#include "support/rate_plot.hpp"
#include "support/rate_table.hpp"

namespace lowbit::bench {
namespace {

std::vector<tool::PlotPoint>& measured() {
  static std::vector<tool::PlotPoint> points;
  return points;
}

void add_rows(const std::vector<test::RateRow>& rows, const std::string& family) {
  for (const test::RateRow& row : rows)
    benchmark::RegisterBenchmark(("rate_distortion/" + row.name).c_str(), [row, family](benchmark::State& state) {
      static const auto gauss = test::gaussian_weights(), laplace = test::laplacian_weights();
      test::Distortion d;
      for (auto _ : state) d = row.measure(gauss);
      state.counters["bpw"] = d.bits_per_weight;
      state.counters["gauss"] = d.nmse;
      state.counters["laplace"] = row.measure(laplace).nmse;
      state.counters["gap_dB"] = 10.0 * std::log10(d.nmse) + 20.0 * std::log10(2.0) * d.bits_per_weight;
      measured().push_back({row.name, d.bits_per_weight, d.nmse, family});
    })->Iterations(1)->Unit(benchmark::kMillisecond);
}

/// rate_distortion/NAME: bits per weight, NMSE on N(0, 1) and Laplace weights, and how many dB the Gaussian NMSE lies
/// above the rate-distortion limit 2^(−2·bits). The time is that of one quantization.
const bool registered = [] {
  add_rows(test::rate_rows(), "scalar and block formats");
  add_rows(test::vector_rate_rows(), "vector formats");
  return true;
}();

}  // namespace

bool write_rate_plot(const std::string& path) {
  std::vector<tool::PlotPoint> points = measured();
  for (int bits = 1; bits <= 8; ++bits) points.push_back({"", static_cast<double>(bits), std::pow(2.0, -2 * bits), "limit"});
  std::ofstream file(path);
  file << tool::svg_plot("N(0, 1): error against size", "bits per weight", "NMSE", points, {.lines_only_for = "limit"});
  return static_cast<bool>(file.flush());
}

}  // namespace lowbit::bench
