// SPDX-License-Identifier: MIT
#include <benchmark/benchmark.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lowbit/kernel.hpp"
#include "support/machine.hpp"
#include "support/rate_plot.hpp"
#include "support/roofline.hpp"

namespace {

/// Shows rows as they come, and keeps the rates of products.
class Kept final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context& context) override { return shown_->ReportContext(context); }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      const auto rate = [&](const char* name) {
        const auto found = run.counters.find(name);
        return found == run.counters.end() ? 0.0 : static_cast<double>(found->second);
      };
      if (run.run_type == Run::RT_Iteration) rows_[run.benchmark_name()].push_back({rate("GFLOPs"), rate("GBps")});
    }
    shown_->ReportRuns(runs);
  }
  void Finalize() override { shown_->Finalize(); }

  /// The median of the repetitions of each row.
  bool write_roofline(const std::string& path) const {
    std::vector<tool::RooflineRow> rows;
    for (auto [name, rates] : rows_) {
      std::sort(rates.begin(), rates.end());
      rows.push_back({name, rates[rates.size() / 2].second, rates[rates.size() / 2].first});
    }
    using namespace lowbit::bench;
    std::ofstream file(path);
    file << tool::roofline_svg(rows, read_rate(), {{"vnni", int8_rate()}, {"bf16", bf16_rate()}, {"fma", fma_rate()}});
    return static_cast<bool>(file.flush());
  }

 private:
  std::unique_ptr<benchmark::BenchmarkReporter> shown_{benchmark::CreateDefaultDisplayReporter()};
  std::map<std::string, std::vector<std::pair<double, double>>> rows_;
};

}  // namespace

/// Beside Google Benchmark's options: --rate_plot=FILE.svg draws the rate_distortion rows that ran, --roofline=FILE.svg the
/// products that ran under the limits of one thread of the machine.
int main(int argc, char** argv) {
  // A row needs no second: the shortest run still multiplies hundreds of millions of weights.
  std::string min_time = "--benchmark_min_time=0.2", tabular = "--benchmark_counters_tabular=true";
  std::vector<char*> args(argv, argv + argc);
  std::string plot, roofline;
  std::erase_if(args, [&](const char* arg) {
    for (const auto& [option, path] : {std::pair{"--rate_plot=", &plot}, std::pair{"--roofline=", &roofline}})
      if (std::string_view(arg).rfind(option, 0) == 0) {
        *path = std::string_view(arg).substr(std::string_view(option).size());
        return true;
      }
    return false;
  });
  args.insert(args.begin() + 1, {min_time.data(), tabular.data()});
  int count = static_cast<int>(args.size());
  benchmark::Initialize(&count, args.data());
  if (benchmark::ReportUnrecognizedArguments(count, args.data())) return 1;
  benchmark::AddCustomContext("isa", lowbit::active_isa());
  benchmark::AddCustomContext("read/stream GB/s", std::to_string(lowbit::bench::machine().read_gbps));
  benchmark::AddCustomContext("peak/fma GFLOP/s", std::to_string(lowbit::bench::machine().fma_gflops));
  Kept rows;
  benchmark::RunSpecifiedBenchmarks(&rows);
  benchmark::Shutdown();
  if (!plot.empty() && !lowbit::bench::write_rate_plot(plot)) {
    std::cerr << "cannot write " << plot << "\n";
    return 1;
  }
  if (!roofline.empty() && !rows.write_roofline(roofline)) {
    std::cerr << "cannot write " << roofline << "\n";
    return 1;
  }
  return 0;
}
