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
#include "lowbit/pipeline/basis.hpp"
#include "lowbit/pipeline/imported_linear.hpp"
#include "lowbit/pipeline/stored_matrix.hpp"
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
/// float checkpoint and a packed one are measured alike, and the seeds of transforms.
inline double projection_bits_per_weight(const io::SafetensorsSet& set, const model::LlamaConfig& config) {
  std::uint64_t bytes = 0;
  double weights = 0.0;
  for (std::size_t i = 0; i < config.num_hidden_layers; ++i)
    for (const model::Projection p : model::projections) {
      const model::ProjectionShape shape = model::shape_of(config, p);
      weights += static_cast<double>(shape.rows) * static_cast<double>(shape.cols);
      const std::string name = model::hf_name(i, p) + ".weight";
      for (const char* suffix : {"", ".codes", ".scales", ".zeros", ".shared", ".column_order", ".transform"})
        if (const io::TensorView* tensor = set.find(name + suffix)) bytes += tensor->bytes.size();
      if (const auto entry = set.metadata().find(std::string(metadata_prefix) + name); entry != set.metadata().end())
        if (const auto stored = parse_stored_shape(entry->second)) bytes += 8 * stored->transform.seeds.size();
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
  auto linear = load_packed(**codec, PartsInFile(set, name), name, *shape);
  if (!linear) return std::move(linear).error().in_tensor(name);
  return linear;
}

}  // namespace detail

namespace detail {

/// Embedding, final norm and head of somebody else's quantized checkpoint; a quantized embedding becomes float.
inline Result<model::LlamaWeights> load_imported_frame(const QuantizedCheckpoint& checkpoint, const model::LlamaConfig& config) {
  constexpr const char *embedding_module = "model.embed_tokens", *head_module = "lm_head";
  const io::SafetensorsSet& set = checkpoint.tensors();
  const bool packed_embedding = checkpoint.is_quantized(embedding_module), packed_head = checkpoint.is_quantized(head_module);
  if (!packed_embedding && !packed_head) return model::load_frame(set, config);
  model::LlamaWeights weights;
  const auto read = [&](const char* module) -> Result<ImportedMatrix> {
    LOWBIT_TRY(imported, checkpoint.read(module));
    if (shape_of(imported.matrix) != std::pair(config.vocab_size, config.hidden_size))
      return Error{.code = Errc::shape_mismatch, .message = "the configuration asks for another shape", .tensor = module};
    for (const std::string& warning : imported.warnings) weights.warnings.push_back(std::string(module) + ": " + warning);
    return std::move(imported.matrix);
  };
  if (packed_embedding) {
    LOWBIT_TRY(matrix, read(embedding_module));
    Matrix values = dequantized(matrix);
    LOWBIT_CHECK(model::check_finite(values, embedding_module));
    weights.embedding = std::make_shared<const Matrix>(std::move(values));
  } else {
    LOWBIT_TRY(values, model::load_matrix(set, std::string(model::embedding_name), config.vocab_size, config.hidden_size));
    weights.embedding = std::make_shared<const Matrix>(std::move(values));
  }
  LOWBIT_TRY(final_norm, model::load_vector(set, std::string(model::final_norm_name), config.hidden_size));
  weights.final_norm = std::move(final_norm);
  if (packed_head) {
    LOWBIT_TRY(matrix, read(head_module));
    LOWBIT_TRY(head, to_linear(matrix, head_module, weights.warnings));
    weights.head = std::move(head);
  } else if (!config.tie_word_embeddings || set.find(model::head_name) != nullptr) {
    LOWBIT_TRY(values, model::load_matrix(set, std::string(model::head_name), config.vocab_size, config.hidden_size));
    weights.head = std::make_unique<model::FloatLinear>(std::move(values));
  }
  return weights;
}

/// One projection, as it was packed where this library has the type.
inline Result<std::unique_ptr<model::Linear>> load_imported(const QuantizedCheckpoint& checkpoint, const model::LlamaConfig& config,
                                                            std::size_t layer, model::Projection p,
                                                            std::vector<std::string>& warnings) {
  const std::string module = model::hf_name(layer, p);
  const model::ProjectionShape expected = model::shape_of(config, p);
  if (!checkpoint.is_quantized(module)) {
    LOWBIT_TRY(weight, model::load_matrix(checkpoint.tensors(), module + ".weight", expected.rows, expected.cols));
    return std::unique_ptr<model::Linear>(std::make_unique<model::FloatLinear>(std::move(weight)));
  }
  LOWBIT_TRY(imported, checkpoint.read(module));
  if (const auto [rows, cols] = shape_of(imported.matrix); rows != expected.rows || cols != expected.cols)
    return Error{.code = Errc::shape_mismatch,
                 .message = "is stored as " + std::to_string(rows) + " x " + std::to_string(cols) + ", the configuration asks for " +
                            std::to_string(expected.rows) + " x " + std::to_string(expected.cols),
                 .tensor = module};
  for (const std::string& warning : imported.warnings) warnings.push_back(module + ": " + warning);
  auto linear = to_linear(imported.matrix, module, warnings);
  if (!linear) return std::move(linear).error().in_tensor(module);
  return linear;
}

/// A checkpoint that somebody else quantized: GPTQ, AWQ, compressed-tensors, MLX. What the readers warn about ends up in the
/// warnings of the weights.
inline Result<LoadedModel> load_imported_model(const std::filesystem::path& dir, model::LlamaConfig config) {
  LOWBIT_TRY(checkpoint, QuantizedCheckpoint::open(dir));
  LOWBIT_TRY(weights, load_imported_frame(checkpoint, config));
  for (std::string& warning : checkpoint.warnings()) weights.warnings.push_back(std::move(warning));
  double bits = 0.0, count = 0.0;
  for (std::size_t i = 0; i < config.num_hidden_layers; ++i) {
    LOWBIT_TRY(layer, model::load_layer_frame(checkpoint.tensors(), config, i));
    for (const model::Projection p : model::projections) {
      LOWBIT_TRY(linear, load_imported(checkpoint, config, i, p, weights.warnings));
      count += static_cast<double>(linear->rows()) * static_cast<double>(linear->cols());
      const std::string module = model::hf_name(i, p);
      const io::TensorView* plain = checkpoint.tensors().find(module + ".weight");
      bits += 8.0 * static_cast<double>(checkpoint.is_quantized(module) ? checkpoint.stored_bytes(module) : plain->bytes.size());
      layer[p].linear = std::move(linear);
    }
    weights.layers.push_back(std::move(layer));
  }
  std::uint64_t bytes = 0;
  for (const io::TensorView& tensor : checkpoint.tensors().tensors()) bytes += tensor.bytes.size();
  LOWBIT_TRY(built, model::Llama::make(std::move(config), std::move(weights)));
  return LoadedModel{std::move(built), count > 0.0 ? bits / count : 0.0, bytes, checkpoint.tensors().metadata()};
}

}  // namespace detail

/// Reads a checkpoint directory: float, packed by this library, or quantized by somebody else (GPTQ, AWQ, compressed-tensors,
/// MLX), whose matrices are repacked code by code.
///
/// Errors: those of the readers, naming file and tensor; unsupported for layouts that are not read and for a later naming
/// version. Memory: the weights as they are stored, plus float embeddings and head.
inline Result<LoadedModel> load_model(const std::filesystem::path& dir) {
  LOWBIT_TRY(config, model::read_config(dir));
  const auto here = [&](Error error) { return std::move(error).in_file(dir.string()); };
  LOWBIT_TRY(foreign, read_quantization_config(dir));
  if (foreign) {
    auto loaded = detail::load_imported_model(dir, std::move(config));
    if (!loaded) return here(std::move(loaded).error());
    return loaded;
  }
  LOWBIT_TRY(set, io::SafetensorsSet::open(dir));
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
