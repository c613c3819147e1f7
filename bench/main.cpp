// SPDX-License-Identifier: MIT
#include <benchmark/benchmark.h>

#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "lowbit/kernel.hpp"
#include "support/machine.hpp"
#include "support/rate_plot.hpp"

/// Beside Google Benchmark's options: --rate_plot=FILE.svg draws the rate_distortion rows that ran.
int main(int argc, char** argv) {
  // A row needs no second: the shortest run still multiplies hundreds of millions of weights.
  std::string min_time = "--benchmark_min_time=0.2", tabular = "--benchmark_counters_tabular=true";
  std::vector<char*> args(argv, argv + argc);
  std::string plot;
  std::erase_if(args, [&](const char* arg) {
    if (std::string_view(arg).rfind("--rate_plot=", 0) != 0) return false;
    plot = std::string_view(arg).substr(12);
    return true;
  });
  args.insert(args.begin() + 1, {min_time.data(), tabular.data()});
  int count = static_cast<int>(args.size());
  benchmark::Initialize(&count, args.data());
  if (benchmark::ReportUnrecognizedArguments(count, args.data())) return 1;
  benchmark::AddCustomContext("isa", lowbit::active_isa());
  benchmark::AddCustomContext("read/stream GB/s", std::to_string(lowbit::bench::machine().read_gbps));
  benchmark::AddCustomContext("peak/fma GFLOP/s", std::to_string(lowbit::bench::machine().fma_gflops));
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  if (!plot.empty() && !lowbit::bench::write_rate_plot(plot)) {
    std::cerr << "cannot write " << plot << "\n";
    return 1;
  }
  return 0;
}
