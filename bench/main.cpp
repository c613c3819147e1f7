// SPDX-License-Identifier: MIT
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "lowbit/kernel.hpp"
#include "support/machine.hpp"

int main(int argc, char** argv) {
  // A row needs no second: the shortest run still multiplies hundreds of millions of weights.
  std::string min_time = "--benchmark_min_time=0.2", tabular = "--benchmark_counters_tabular=true";
  std::vector<char*> args(argv, argv + argc);
  args.insert(args.begin() + 1, {min_time.data(), tabular.data()});
  int count = static_cast<int>(args.size());
  benchmark::Initialize(&count, args.data());
  if (benchmark::ReportUnrecognizedArguments(count, args.data())) return 1;
  benchmark::AddCustomContext("isa", lowbit::active_isa());
  benchmark::AddCustomContext("read/stream GB/s", std::to_string(lowbit::bench::machine().read_gbps));
  benchmark::AddCustomContext("peak/fma GFLOP/s", std::to_string(lowbit::bench::machine().fma_gflops));
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
