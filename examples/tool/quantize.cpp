// SPDX-License-Identifier: MIT
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>

#include "common.hpp"
#include "quantize.hpp"
#include "table.hpp"

namespace tool {

using namespace lowbit;

namespace {

/// A bar on stderr that keeps to one line.
void draw_progress(std::size_t done, std::size_t total, const std::string& name) {
  constexpr std::size_t width = 30;
  const std::size_t filled = total == 0 ? width : width * done / total;
  std::fprintf(stderr, "\r\033[K[%s%s] %zu/%zu %s", std::string(filled, '#').c_str(), std::string(width - filled, '.').c_str(),
               done, total, name.c_str());
  if (done == total) std::fprintf(stderr, "\r\033[K");
  std::fflush(stderr);
}

}  // namespace

io::Json to_json(const pipeline::QuantizeOutcome& outcome) {
  io::Json layers = io::Json::array();
  for (const pipeline::LayerOutcome& row : outcome.layers)
    layers.push_back({{"name", row.name},
                      {"type", row.type},
                      {"rows", row.rows},
                      {"cols", row.cols},
                      {"bpw", row.bits_per_weight},
                      {"error", row.report.relative_error()},
                      {"damp", row.report.damp},
                      {"factorizations", row.report.factorizations},
                      {"dead_inputs", row.report.dead_inputs},
                      {"zero_groups", row.report.zero_groups},
                      {"moved_codes", row.report.moved_codes},
                      {"fallback", row.report.fallback},
                      {"seconds", row.seconds}});
  return {{"schema", "lowbit.quantize/1"},      {"recipe", outcome.recipe},
          {"bpw", outcome.bits_per_weight},     {"calibration_tokens", outcome.calibration_tokens},
          {"window", outcome.window},           {"layers", std::move(layers)},
          {"warnings", outcome.warnings}};
}

Result<pipeline::QuantizeOutcome> run_quantize(const QuantizeRequest& request, std::span<const std::uint32_t> calibration,
                                               Executor& executor) {
  LOWBIT_TRY(spec, pipeline::parse_recipe(request.recipe));
  LOWBIT_TRY(sink, request.format == "gguf"
                       ? pipeline::GgufSink::create(request.model, request.output, request.recipe, request.force)
                       : pipeline::HuggingFaceSink::create(request.model, request.output, request.recipe, request.force));
  pipeline::QuantizeOptions options{.window = request.window};
  if (!request.quiet && isatty(STDERR_FILENO) != 0) options.progress = draw_progress;
  return pipeline::quantize_checkpoint(request.model, spec, calibration, *sink, options, executor);
}

int quantize(const QuantizeRequest& request) {
  const auto started = std::chrono::steady_clock::now();
  Executor executor(request.threads);
  if (auto spec = pipeline::parse_recipe(request.recipe); !spec) return report(spec.error());
  auto calibration = read_tokens(request.calibration, request.model, request.window, {.tokens = request.calibration_tokens}, executor);
  if (!calibration) return report(calibration.error());
  if (calibration->size() > request.calibration_tokens) calibration->resize(request.calibration_tokens);
  auto outcome = run_quantize(request, *calibration, executor);
  if (!outcome) return report(outcome.error());
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const double peak_mib = static_cast<double>(usage.ru_maxrss) / 1024.0;
  if (request.json) {
    io::Json json = to_json(*outcome);
    json["seconds"] = seconds;
    json["peak_mib"] = peak_mib;
    json["threads"] = executor.threads();
    std::printf("%s\n", json.dump(1).c_str());
    return done;
  }
  Table table({"matrix", "shape", "type", "bits/weight", "relative error", "damp"});
  for (const pipeline::LayerOutcome& row : outcome->layers)
    table.add({row.name, std::to_string(row.rows) + " x " + std::to_string(row.cols), row.type, fixed(row.bits_per_weight, 4),
               fixed(row.report.relative_error(), 6), row.report.factorizations == 0 ? "-" : fixed(row.report.damp, 4)});
  std::printf("%s\n%s: %.4f bits per weight, %zu calibration tokens, %.1f s, peak %.0f MiB, %zu threads\n",
              table.text().c_str(), request.output.string().c_str(), outcome->bits_per_weight, outcome->calibration_tokens,
              seconds, peak_mib, executor.threads());
  for (const std::string& warning : outcome->warnings) std::fprintf(stderr, "lowbit: warning: %s\n", warning.c_str());
  return done;
}

}  // namespace tool
