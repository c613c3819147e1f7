// SPDX-License-Identifier: MIT
#include <unistd.h>

#include <fstream>
#include <optional>

#include "eval.hpp"
#include "support/plot.hpp"
#include "quantize.hpp"
#include "table.hpp"

namespace tool {

using namespace lowbit;

namespace {

/// A directory that goes away at the end unless the caller named it.
struct WorkDirectory {
  std::filesystem::path path;
  bool keep = true;

  explicit WorkDirectory(const std::filesystem::path& named) : path(named), keep(!named.empty()) {
    if (keep) {
      std::filesystem::create_directories(path);
      return;
    }
    std::string pattern = (std::filesystem::temp_directory_path() / "lowbit-compare-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot create " + pattern);
    path = pattern;
  }
  WorkDirectory(const WorkDirectory&) = delete;
  WorkDirectory& operator=(const WorkDirectory&) = delete;
  ~WorkDirectory() {
    std::error_code ignored;
    if (!keep) std::filesystem::remove_all(path, ignored);
  }
};

std::string directory_name(std::string recipe) {
  for (char& c : recipe)
    if (c == ':') c = '-';
  return recipe;
}

Result<> write_text(const std::filesystem::path& path, const std::string& text) {
  if (path.has_parent_path()) {
    std::error_code ignored;
    std::filesystem::create_directories(path.parent_path(), ignored);
  }
  LOWBIT_TRY(file, io::AtomicFile::create(path, true));
  LOWBIT_CHECK(file.write(text));
  return file.commit();
}

}  // namespace

int compare(const CompareRequest& request) {
  Executor executor(request.threads), alone(1);
  for (const std::string& recipe : request.recipes)
    if (auto spec = pipeline::parse_recipe(recipe); !spec) return report(spec.error());
  auto reference = load(request.model);
  if (!reference) return report(reference.error());
  auto calibration = read_tokens(request.calibration, request.model, request.window, {.tokens = request.calibration_tokens}, executor);
  if (!calibration) return report(calibration.error());
  if (calibration->size() > request.calibration_tokens) calibration->resize(request.calibration_tokens);
  const auto tokens = read_tokens(request.tokens, request.model, request.window, {.windows = request.max_windows}, executor);
  if (!tokens) return report(tokens.error());

  const WorkDirectory work(request.output);
  Table table({"recipe", "bits/weight", "file MB", "KL nats", "perplexity", "top-1 %", "compute", "decode tok/s", "quantize s"});
  io::Json rows = io::Json::array();
  std::vector<PlotPoint> points;
  for (const std::string& recipe : request.recipes) {
    QuantizeRequest q;
    q.model = request.model;
    q.output = work.path / directory_name(recipe);
    q.recipe = recipe;
    q.window = request.window;
    q.force = true;
    const auto outcome = run_quantize(q, *calibration, executor);
    if (!outcome) return report(outcome.error());
    double seconds = 0.0;
    for (const auto& layer : outcome->layers) seconds += layer.seconds;

    auto loaded = load(q.output);
    if (!loaded) return report(loaded.error());
    const auto compute = use_compute(loaded->model, request.compute);
    if (!compute) return report(compute.error());
    const auto evaluation = model::evaluate(loaded->model, reference->model, *tokens,
                                            {.window = request.window, .max_windows = request.max_windows}, executor);
    if (!evaluation) return report(evaluation.error());
    const double speed = decode_speed(loaded->model, 64, alone);
    const auto bytes = static_cast<double>(std::filesystem::file_size(q.output / "model.safetensors"));

    io::Json row = to_json(*evaluation, loaded->bits_per_weight);
    row["recipe"] = recipe;
    row["file_bytes"] = bytes;
    row["compute"] = *compute;
    row["decode_tokens_per_second"] = speed;
    row["quantize"] = to_json(*outcome);
    rows.push_back(std::move(row));
    const model::Comparison& c = *evaluation->comparison;
    table.add({recipe, fixed(loaded->bits_per_weight, 3), fixed(bytes / 1e6, 2), fixed(c.kl.mean, 5), fixed(evaluation->ppl, 3),
               fixed(100.0 * c.top1_agreement, 2), *compute, fixed(speed, 0), fixed(seconds, 2)});
    points.push_back({recipe, loaded->bits_per_weight, c.kl.mean, recipe.substr(0, recipe.find(':'))});
    if (isatty(STDERR_FILENO) != 0) std::fprintf(stderr, "%s done\n", recipe.c_str());
  }
  std::printf("%s", table.text().c_str());
  const io::Json json = {{"schema", "lowbit.compare/1"}, {"model", request.model.filename().string()},
                         {"isa", isa::native::name},     {"threads", executor.threads()},
                         {"decode_threads", 1},          {"rows", std::move(rows)}};
  if (!request.json.empty())
    if (auto written = write_text(request.json, json.dump(1) + "\n"); !written) return report(written.error());
  if (!request.svg.empty())
    if (auto written = write_text(request.svg, svg_plot("Divergence from the float model against size", "bits per weight (linear layers)",
                                                        "KL(float || quantized), nats per token", points));
        !written)
      return report(written.error());
  return done;
}

}  // namespace tool
