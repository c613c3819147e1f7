// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/result.hpp"
#include "lowbit/io/safetensors_set.hpp"
#include "lowbit/model/llama.hpp"
#include "lowbit/model/weights.hpp"
#include "lowbit/pipeline/stored_types.hpp"

namespace lowbit::pipeline {

/// A model ready to run, and what its file says about size.
struct LoadedModel {
  model::Llama model;
  double bits_per_weight = 0.0;         ///< of the decoder layers' linear weights, all side information included
  std::uint64_t tensor_bytes = 0;       ///< of all tensors
  std::map<std::string, std::string> metadata;
};

/// Stored bits of the projections of all decoder layers, per weight. Counts every tensor that belongs to one, so a
/// float checkpoint and a packed one are measured alike.
inline double projection_bits_per_weight(const io::SafetensorsSet& set, const model::LlamaConfig& config) {
  std::uint64_t bytes = 0;
  double weights = 0.0;
  for (std::size_t i = 0; i < config.num_hidden_layers; ++i)
    for (const model::Projection p : model::projections) {
      const model::ProjectionShape shape = model::shape_of(config, p);
      weights += static_cast<double>(shape.rows) * static_cast<double>(shape.cols);
      const std::string name = model::hf_name(i, p) + ".weight";
      for (const char* suffix : {"", ".codes", ".scales", ".zeros", ".column_order"})
        if (const io::TensorView* tensor = set.find(name + suffix)) bytes += tensor->bytes.size();
    }
  return weights > 0.0 ? 8.0 * static_cast<double>(bytes) / weights : 0.0;
}

namespace detail {

inline Result<std::unique_ptr<model::Linear>> load_projection(const io::SafetensorsSet& set,
                                                              const model::LlamaConfig& config, std::size_t layer,
                                                              model::Projection p) {
  const std::string name = model::hf_name(layer, p) + ".weight";
  const model::ProjectionShape expected = model::shape_of(config, p);
  const auto entry = set.metadata().find(std::string(metadata_prefix) + name);
  if (entry == set.metadata().end()) {
    LOWBIT_TRY(weight, model::load_matrix(set, name, expected.rows, expected.cols));
    return std::unique_ptr<model::Linear>(std::make_unique<model::FloatLinear>(std::move(weight)));
  }
  auto shape = parse_stored_shape(entry->second);
  if (!shape) {
    Error error = std::move(shape).error();
    if (!error.tensor.empty()) error.message += " (key " + error.tensor + ")";
    error.tensor = name;
    return error;
  }
  if (shape->rows != expected.rows || shape->cols != expected.cols)
    return Error{.code = Errc::shape_mismatch,
                 .message = "is stored as " + std::to_string(shape->rows) + " x " + std::to_string(shape->cols) +
                            ", the configuration asks for " + std::to_string(expected.rows) + " x " +
                            std::to_string(expected.cols),
                 .tensor = name};
  auto codec = find_codec(shape->type);
  if (!codec) return std::move(codec).error().in_tensor(name);
  auto linear = (*codec)->load(set, name, *shape);
  if (!linear) return std::move(linear).error().in_tensor(name);
  return linear;
}

}  // namespace detail

/// Reads a checkpoint directory, float or packed by this library.
///
/// Errors: those of the readers, naming file and tensor; unsupported for checkpoints quantized by somebody else or by a
/// later naming version. Memory: the weights as they are stored, plus float embeddings and head.
inline Result<LoadedModel> load_model(const std::filesystem::path& dir) {
  LOWBIT_TRY(config, model::read_config(dir));
  LOWBIT_TRY(set, io::SafetensorsSet::open(dir));
  const auto here = [&](Error error) { return std::move(error).in_file(dir.string()); };
  if (!config.quant_method.empty() && config.quant_method != "lowbit")
    return here(Error{.code = Errc::unsupported, .message = "the checkpoint is quantized with '" + config.quant_method + "'"});
  if (config.quant_method == "lowbit") {
    const auto version = set.metadata().find(std::string(metadata_version_key));
    if (version == set.metadata().end() || version->second != metadata_version)
      return here(Error{.code = Errc::unsupported,
                        .message = "packed tensors use naming version '" +
                                   (version == set.metadata().end() ? std::string("none") : version->second) +
                                   "', this library reads '" + std::string(metadata_version) + "'"});
  }
  auto weights = model::load_frame(set, config);
  if (!weights) return here(std::move(weights).error());
  for (std::size_t i = 0; i < config.num_hidden_layers; ++i) {
    auto layer = model::load_layer_frame(set, config, i);
    if (!layer) return here(std::move(layer).error());
    for (const model::Projection p : model::projections) {
      auto linear = detail::load_projection(set, config, i, p);
      if (!linear) return here(std::move(linear).error());
      (*layer)[p].linear = std::move(*linear);
    }
    weights->layers.push_back(std::move(*layer));
  }
  std::uint64_t bytes = 0;
  for (const io::TensorView& tensor : set.tensors()) bytes += tensor.bytes.size();
  const double bits = projection_bits_per_weight(set, config);
  auto built = model::Llama::make(std::move(config), std::move(*weights));
  if (!built) return here(std::move(built).error());
  return LoadedModel{std::move(*built), bits, bytes, set.metadata()};
}

}  // namespace lowbit::pipeline
