// SPDX-License-Identifier: MIT
#include "lowbit/pipeline/convert.hpp"

#include <unistd.h>

#include "common.hpp"
#include "table.hpp"

namespace tool {

using namespace lowbit;

namespace {

std::string scientific(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2e", value);
  return text;
}

void print(const pipeline::ConversionReport& report, const ConvertRequest& request) {
  using Outcome = pipeline::ConvertedModule::Outcome;
  Table table({"matrix", "shape", "source", "outcome", "max error"});
  for (const pipeline::ConvertedModule& m : report.modules)
    if (m.outcome != Outcome::exact)
      table.add({m.name, std::to_string(m.rows) + " x " + std::to_string(m.cols), m.source, to_string(m.outcome),
                 m.outcome == Outcome::refused ? "-" : scientific(m.max_error)});
  if (report.count(Outcome::exact) != report.modules.size()) std::printf("%s\n", table.text().c_str());
  std::printf("%s: %s to %s, %zu matrices exact, %zu requantized, %zu dequantized, %zu refused, %zu tensors copied\n",
              report.written ? request.output.string().c_str() : "nothing written", report.from.c_str(), report.to.c_str(),
              report.count(Outcome::exact), report.count(Outcome::requantized), report.count(Outcome::dequantized),
              report.count(Outcome::refused), report.copied.size());
}

/// Reasons and warnings, each once, with how many matrices share it.
void print_reasons(const pipeline::ConversionReport& report) {
  std::map<std::string, std::pair<std::size_t, std::string>> lines;
  const auto add = [&](const std::string& line, const std::string& module) {
    auto& [count, first] = lines[line];
    if (count++ == 0) first = module;
  };
  for (const pipeline::ConvertedModule& m : report.modules) {
    if (!m.reason.empty()) add(std::string(to_string(m.outcome)) + ": " + m.reason, m.name);
    for (const std::string& warning : m.warnings) add("warning: " + warning, m.name);
  }
  for (const auto& [line, where] : lines)
    std::fprintf(stderr, "lowbit: %s [%s%s]\n", line.c_str(), where.second.c_str(),
                 where.first == 1 ? "" : (" and " + std::to_string(where.first - 1) + " more").c_str());
  for (const std::string& warning : report.warnings) std::fprintf(stderr, "lowbit: warning: %s\n", warning.c_str());
}

}  // namespace

int convert(const ConvertRequest& request) {
  auto layout = pipeline::parse_layout(request.to);
  if (!layout) return report(layout.error());
  pipeline::ConvertOptions options{.overwrite = request.force, .requantize = request.requantize};
  if (request.packing != "auto")
    options.packing = request.packing == "dense" ? io::CtPacking::dense : io::CtPacking::padded;
  if (!request.quiet && isatty(STDERR_FILENO) != 0)
    options.progress = [](std::size_t at, std::size_t total, const std::string& name) {
      std::fprintf(stderr, at == total ? "\r\033[K" : "\r\033[K%zu/%zu %s", at, total, name.c_str());
      std::fflush(stderr);
    };
  const auto outcome = pipeline::convert_checkpoint(request.input, request.output, *layout, options);
  if (!outcome) return report(outcome.error());
  if (!request.json.empty()) {
    auto file = io::AtomicFile::create(request.json, true);
    if (!file) return report(file.error());
    if (auto written = file->write(to_json(*outcome).dump(1) + "\n"); !written) return report(written.error());
    if (auto committed = file->commit(); !committed) return report(committed.error());
  }
  print(*outcome, request);
  print_reasons(*outcome);
  return outcome->written ? done : failed;
}

}  // namespace tool
