// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/calib/moments.hpp"
#include "lowbit/linalg/executor.hpp"
#include "lowbit/model/llama.hpp"
#include "lowbit/pipeline/basis.hpp"
#include "lowbit/pipeline/resolve_recipe.hpp"
#include "lowbit/pipeline/sink.hpp"
#include "lowbit/ptq/recipe_string.hpp"

namespace lowbit::pipeline {

struct QuantizeOptions {
  std::size_t window = 0;             ///< calibration window in tokens; 0: min(2048, max_position_embeddings)
  std::size_t batch_tokens = 4096;    ///< tokens that run through a layer at once; bounds the scratch memory
  bool overwrite = false;
  /// Called before each weight matrix is quantized, and once at the end.
  std::function<void(std::size_t done, std::size_t total, const std::string& name)> progress{};
};

/// One weight matrix's row of the report.
struct LayerOutcome {
  std::string name;
  std::string type;  ///< storage name, or the float type
  std::size_t rows = 0, cols = 0;
  double bits_per_weight = 0.0;
  ptq::RoundingReport report;
  double seconds = 0.0;
};

struct QuantizeOutcome {
  std::string recipe;
  std::vector<LayerOutcome> layers;
  double bits_per_weight = 0.0;  ///< over all quantized matrices
  std::size_t calibration_tokens = 0;
  std::size_t window = 0;
  std::vector<std::string> warnings;
};

/// Lists every reason why a recipe cannot run on these shapes, before any work. Errors: invalid_argument, naming the
/// matrices.
inline Result<> check_plan(const ptq::RecipeSpec& spec, const model::LlamaConfig& config) {
  if (spec.rounding == ptq::RoundingKind::none) return {};
  LOWBIT_TRY(codec, find_codec(spec.storage));
  if (!spec.storage.starts_with("gguf_")) return {};
  const std::size_t block = codec->traits().fixed_group;
  std::string problems;
  for (const model::Projection p : model::projections) {
    const std::size_t cols = model::shape_of(config, p).cols;
    if (cols % block != 0)
      problems += (problems.empty() ? "" : ", ") + std::string(model::module_name(p)) + " has " + std::to_string(cols);
  }
  if (problems.empty()) return {};
  return Error{.code = Errc::invalid_argument, .message = spec.storage + " needs a multiple of " + std::to_string(block) + " inputs; " + problems};
}

namespace detail {

/// One decoder layer at a time: collects what its inputs look like, rounds its matrices, hands them to the sink, and
/// carries the hidden states through the rounded layer.
class LayerwiseQuantizer {
 public:
  LayerwiseQuantizer(const model::LlamaConfig& config, const ptq::RecipeSpec& spec, const QuantizeOptions& options,
                     Executor& executor, Sink& sink, QuantizeOutcome& outcome)
      : config_(config), spec_(spec), options_(options), executor_(executor), sink_(sink), outcome_(outcome) {}

  /// hidden: [tokens × hidden] embeddings of whole windows of `window` tokens, or empty without calibration.
  Result<> run(const io::SafetensorsSet& set, Matrix hidden, std::size_t window) {
    const model::RopeTable rope(config_, std::max<std::size_t>(window, 1));
    const std::size_t total = config_.num_hidden_layers * model::projections.size();
    for (std::size_t i = 0; i < config_.num_hidden_layers; ++i) {
      LOWBIT_TRY(layer, model::load_layer(set, config_, i));
      for (const auto& group : site_groups()) {
        std::map<model::Site, calib::Moments> moments;
        if (hidden.size() != 0) LOWBIT_CHECK(collect(layer, i, rope, hidden, window, group, moments));
        for (const model::Projection p : model::projections) {
          const model::Site site = model::site_of(p);
          if (std::find(group.begin(), group.end(), site) == group.end()) continue;
          if (options_.progress) options_.progress(outcome_.layers.size(), total, model::hf_name(i, p));
          LOWBIT_CHECK(quantize(layer, i, p, moments[site]));
        }
      }
      if (hidden.size() != 0 && i + 1 < config_.num_hidden_layers)
        over_batches(hidden, window, [&](MatrixRef batch) {
          model::run_layer(config_, layer, rope, batch, window, executor_);
          return Result<>{};
        }).value();
    }
    if (options_.progress) options_.progress(total, total, "");
    return {};
  }

 private:
  /// Sites whose matrices are rounded against the same pass: one at a time when sequential, otherwise all.
  std::vector<std::vector<model::Site>> site_groups() const {
    if (!spec_.by_moments() || !spec_.true_sequential)
      return {{model::sites.begin(), model::sites.end()}};
    std::vector<std::vector<model::Site>> groups;
    for (const model::Site site : model::sites) groups.push_back({site});
    return groups;
  }

  /// Calls visit(rows) over whole windows, about batch_tokens tokens at a time.
  template <class Visit>
  Result<> over_batches(Matrix& hidden, std::size_t window, Visit visit) const {
    const auto step = static_cast<Index>(std::max<std::size_t>(1, options_.batch_tokens / window) * window);
    for (Index begin = 0; begin < hidden.rows(); begin += step)
      LOWBIT_CHECK(visit(hidden.middleRows(begin, std::min(step, hidden.rows() - begin))));
    return {};
  }

  Result<> collect(const model::DecoderLayer& layer, std::size_t index, const model::RopeTable& rope, Matrix& hidden,
                   std::size_t window, const std::vector<model::Site>& group,
                   std::map<model::Site, calib::Moments>& moments) const {
    for (const model::Projection p : model::projections)
      if (std::find(group.begin(), group.end(), model::site_of(p)) != group.end())
        moments.try_emplace(model::site_of(p), static_cast<Index>(model::shape_of(config_, p).cols));
    return over_batches(hidden, window, [&](MatrixRef batch) -> Result<> {
      Result<> status;
      std::set<model::Site> seen;
      model::LayerHooks hooks;
      hooks.stop_after = group.back();
      hooks.before = [&](model::Projection p, ConstMatrixRef inputs) {
        const model::Site site = model::site_of(p);
        const auto target = moments.find(site);
        if (!status || target == moments.end() || !seen.insert(site).second) return;
        if (auto added = target->second.add(inputs, executor_); !added)
          status = std::move(added).error().in_tensor(model::hf_name(index, p));
      };
      model::run_layer(config_, layer, rope, batch, window, executor_, hooks);
      return status;
    });
  }

  Result<> quantize(model::DecoderLayer& layer, std::size_t index, model::Projection p, const calib::Moments& moments) {
    const auto started = std::chrono::steady_clock::now();
    const std::string name = model::hf_name(index, p) + ".weight";
    const Matrix W = layer[p].linear->dequantized();
    LayerOutcome row;
    row.name = name;
    row.type = spec_.storage;
    row.rows = static_cast<std::size_t>(W.rows());
    row.cols = static_cast<std::size_t>(W.cols());
    if (spec_.rounding == ptq::RoundingKind::none) {
      LOWBIT_CHECK(round_floats(layer, p, name, W, row));
    } else {
      LOWBIT_TRY(codec, find_codec(spec_.storage));
      auto weights = quantize_in_basis(*codec, spec_, name, W, moments, executor_);
      if (!weights) return std::move(weights).error().in_tensor(name);
      LOWBIT_CHECK(sink_.packed(name, *codec, *weights));
      row.bits_per_weight = weights->bits_per_weight;
      row.report = std::move(weights->report);
      // Thousands of calibration tokens run through the layer next: floats of the same values are faster there.
      layer[p].linear = std::make_unique<model::FloatLinear>(weights->linear->dequantized());
    }
    row.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    outcome_.layers.push_back(std::move(row));
    return {};
  }

  Result<> round_floats(model::DecoderLayer& layer, model::Projection p, const std::string& name, const Matrix& W,
                        LayerOutcome& row) {
    const io::Dtype dtype = spec_.storage == "f32" ? io::Dtype::F32 : spec_.storage == "f16" ? io::Dtype::F16 : io::Dtype::BF16;
    Matrix rounded = W;
    for (float& x : rounded.reshaped<Eigen::RowMajor>())
      x = dtype == io::Dtype::F32 ? x : dtype == io::Dtype::F16 ? static_cast<float>(f16(x)) : static_cast<float>(bf16(x));
    LOWBIT_CHECK(model::check_finite(rounded, name));
    LOWBIT_CHECK(sink_.floats(name, dtype, rounded));
    row.bits_per_weight = dtype == io::Dtype::F32 ? 32.0 : 16.0;
    row.report.error = linalg::squared_distance(W, rounded);
    row.report.reference = linalg::squared_norm(W);
    layer[p].linear = std::make_unique<model::FloatLinear>(std::move(rounded));
    return {};
  }

  const model::LlamaConfig& config_;
  const ptq::RecipeSpec& spec_;
  const QuantizeOptions& options_;
  Executor& executor_;
  Sink& sink_;
  QuantizeOutcome& outcome_;
};

}  // namespace detail

/// Quantizes the linear layers of a float Llama checkpoint, decoder layer by decoder layer; embeddings, norms and head stay
/// as they are.
///
///   source       directory in Hugging Face layout
///   calibration  token ids; cut into windows, the tail dropped. Empty is legal for recipes that look at no inputs; then
///                errors in the report are plain squared weight errors
///   sink         where the result goes
///
/// Memory: one decoder layer in float, its packed form, its second moments, and [calibration tokens × hidden] floats.
/// Inputs of a layer come from the layers before it as quantized; with true_sequential also from the sites before it in
/// the same layer. Deterministic for any number of threads.
/// Errors: invalid_argument, unsupported, and those of the readers and rounding policies, naming tensor and place.
inline Result<QuantizeOutcome> quantize_checkpoint(const std::filesystem::path& source, const ptq::RecipeSpec& recipe,
                                                   std::span<const std::uint32_t> calibration, Sink& sink,
                                                   const QuantizeOptions& options, Executor& executor) {
  LOWBIT_TRY(spec, resolve(recipe));
  LOWBIT_TRY(config, model::read_config(source));
  if (!config.quant_method.empty())
    return Error{.code = Errc::unsupported,
                 .message = "the source is already quantized with '" + config.quant_method + "'",
                 .file = source.string()};
  LOWBIT_CHECK(check_plan(spec, config));
  LOWBIT_TRY(set, io::SafetensorsSet::open(source));
  const auto here = [&](Error error) { return std::move(error).in_file(source.string()); };

  QuantizeOutcome outcome;
  outcome.recipe = spec.text;
  outcome.window = options.window != 0 ? options.window : std::min<std::size_t>(2048, config.max_position_embeddings);
  if (outcome.window > config.max_position_embeddings)
    return Error{.code = Errc::invalid_argument, .message = "the window exceeds max_position_embeddings"};
  const std::size_t tokens = calibration.size() / outcome.window * outcome.window;
  if (spec.by_moments() && tokens == 0)
    return Error{.code = Errc::invalid_argument,
                 .message = "this recipe needs calibration tokens, at least one window of " + std::to_string(outcome.window)};
  outcome.calibration_tokens = tokens;

  Matrix hidden;
  if (tokens != 0) {
    if (auto valid = model::check_tokens(calibration.first(tokens), config.vocab_size); !valid) return std::move(valid).error();
    auto frame = model::load_frame(set, config);
    if (!frame) return here(std::move(frame).error());
    outcome.warnings = frame->warnings;
    hidden.resize(static_cast<Index>(tokens), static_cast<Index>(config.hidden_size));
    for (std::size_t t = 0; t < tokens; ++t)
      hidden.row(static_cast<Index>(t)) = frame->embedding->row(static_cast<Index>(calibration[t]));
  }

  std::set<std::string> replaced;
  for (std::size_t i = 0; i < config.num_hidden_layers; ++i)
    for (const model::Projection p : model::projections) replaced.insert(model::hf_name(i, p) + ".weight");
  for (const io::TensorView& tensor : set.tensors())
    if (!replaced.contains(tensor.name)) LOWBIT_CHECK(sink.plain(tensor));

  detail::LayerwiseQuantizer quantizer(config, spec, options, executor, sink, outcome);
  if (auto done = quantizer.run(set, std::move(hidden), outcome.window); !done) return here(std::move(done).error());
  LOWBIT_CHECK(sink.finish());

  double bits = 0.0, weights = 0.0;
  for (const LayerOutcome& row : outcome.layers) {
    const double count = static_cast<double>(row.rows) * static_cast<double>(row.cols);
    bits += row.bits_per_weight * count;
    weights += count;
    if (!row.report.fallback.empty()) outcome.warnings.push_back(row.name + " was rounded to nearest: " + row.report.fallback);
  }
  outcome.bits_per_weight = weights > 0.0 ? bits / weights : 0.0;
  return outcome;
}

}  // namespace lowbit::pipeline
