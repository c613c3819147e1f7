// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/result.hpp"
#include "lowbit/io/decode.hpp"
#include "lowbit/io/safetensors_set.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/model/config.hpp"
#include "lowbit/model/layer.hpp"
#include "lowbit/model/linear.hpp"
#include "lowbit/model/projection.hpp"

/// From named tensors to the parts of a Llama, one tensor at a time, so that a caller may hold one decoder layer at
/// once.

namespace lowbit::model {

/// All that a Llama computes with.
struct LlamaWeights {
  std::shared_ptr<const Matrix> embedding;  ///< [vocab × hidden]
  std::vector<DecoderLayer> layers;
  Vector final_norm;                    ///< [hidden]
  std::unique_ptr<Linear> head;         ///< [vocab × hidden]; null: tied, the embedding is the head
  std::vector<std::string> warnings{};  ///< what a reader should tell its user
};

/// Calls visit(name, layer index, projection, slot) for every projection, in the order in which the model runs them;
/// name is the Hugging Face module, "model.layers.0.self_attn.q_proj".
template <class Visitor>
void for_each_slot(LlamaWeights& weights, Visitor visit) {
  for (std::size_t i = 0; i < weights.layers.size(); ++i)
    for (const Projection p : projections) visit(hf_name(i, p), i, p, weights.layers[i][p]);
}
template <class Visitor>
void for_each_slot(const LlamaWeights& weights, Visitor visit) {
  for (std::size_t i = 0; i < weights.layers.size(); ++i)
    for (const Projection p : projections) visit(hf_name(i, p), i, p, weights.layers[i][p]);
}

/// The first NaN or infinity as an error that names tensor, row and column.
inline Result<> check_finite(ConstMatrixRef values, std::string_view tensor) {
  for (Index r = 0; r < values.rows(); ++r)
    for (Index c = 0; c < values.cols(); ++c)
      if (!std::isfinite(values(r, c)))
        return Error{.code = Errc::not_finite,
                     .message = "a weight is NaN or infinite",
                     .tensor = std::string(tensor),
                     .row = static_cast<std::uint64_t>(r),
                     .column = static_cast<std::uint64_t>(c),
                     .value = static_cast<double>(values(r, c))};
  return {};
}

/// A float tensor of exactly this shape, all values finite.
/// Errors   missing, shape_mismatch, unsupported (not floats), not_finite; all name the tensor.
inline Result<Matrix> load_matrix(const io::SafetensorsSet& set, const std::string& name, std::size_t rows,
                                  std::size_t cols) {
  const io::TensorView* tensor = set.find(name);
  if (tensor == nullptr)
    return Error{.code = Errc::missing, .message = "the checkpoint lacks a tensor", .tensor = name};
  if (tensor->shape.size() != 2 || tensor->shape[0] != rows || tensor->shape[1] != cols) {
    std::string found;
    for (const std::uint64_t extent : tensor->shape) found += (found.empty() ? "" : ", ") + std::to_string(extent);
    return Error{.code = Errc::shape_mismatch,
                 .message = "the tensor is [" + found + "], the configuration asks for [" + std::to_string(rows) +
                            ", " + std::to_string(cols) + "]",
                 .tensor = name};
  }
  Matrix values(static_cast<Index>(rows), static_cast<Index>(cols));
  LOWBIT_CHECK(io::to_floats(*tensor, std::span(values.data(), rows * cols)));
  LOWBIT_CHECK(check_finite(values, name));
  return values;
}

/// The same for a vector; the error's column counts its elements.
inline Result<Vector> load_vector(const io::SafetensorsSet& set, const std::string& name, std::size_t size) {
  const io::TensorView* tensor = set.find(name);
  if (tensor == nullptr)
    return Error{.code = Errc::missing, .message = "the checkpoint lacks a tensor", .tensor = name};
  if (tensor->shape.size() != 1 || tensor->shape[0] != size)
    return Error{.code = Errc::shape_mismatch,
                 .message = "the configuration asks for [" + std::to_string(size) + "]",
                 .tensor = name};
  Vector values(static_cast<Index>(size));
  LOWBIT_CHECK(io::to_floats(*tensor, std::span(values.data(), size)));
  LOWBIT_CHECK(check_finite(Eigen::Map<const Matrix>(values.data(), 1, values.size()), name));
  return values;
}

/// A projection's bias, empty where the configuration has none.
/// Errors   those of load_vector; malformed for a bias that the configuration denies.
inline Result<Vector> load_bias(const io::SafetensorsSet& set, const LlamaConfig& config, std::size_t layer,
                                Projection projection) {
  const std::string name = hf_name(layer, projection) + ".bias";
  if (has_bias(config, projection)) return load_vector(set, name, shape_of(config, projection).rows);
  if (set.find(name) != nullptr)
    return Error{.code = Errc::malformed,
                 .message = "the configuration denies a bias that the checkpoint holds",
                 .tensor = name};
  return Vector();
}

/// Everything of a layer but its seven matrices: norms and biases.
inline Result<DecoderLayer> load_layer_frame(const io::SafetensorsSet& set, const LlamaConfig& config,
                                             std::size_t index) {
  DecoderLayer layer;
  LOWBIT_TRY(input_norm, load_vector(set, input_norm_name(index), config.hidden_size));
  LOWBIT_TRY(post_norm, load_vector(set, post_attention_norm_name(index), config.hidden_size));
  layer.input_norm = std::move(input_norm);
  layer.post_attention_norm = std::move(post_norm);
  for (const Projection p : projections) {
    LOWBIT_TRY(bias, load_bias(set, config, index, p));
    layer[p].bias = std::move(bias);
  }
  return layer;
}

/// One decoder layer with float weights.
inline Result<DecoderLayer> load_layer(const io::SafetensorsSet& set, const LlamaConfig& config, std::size_t index) {
  LOWBIT_TRY(layer, load_layer_frame(set, config, index));
  for (const Projection p : projections) {
    const ProjectionShape shape = shape_of(config, p);
    LOWBIT_TRY(weight, load_matrix(set, hf_name(index, p) + ".weight", shape.rows, shape.cols));
    layer[p].linear = std::make_unique<FloatLinear>(std::move(weight));
  }
  return std::move(layer);
}

/// Everything outside the decoder layers: embedding, final norm, head.
///
/// With tie_word_embeddings a missing or equal lm_head.weight makes the embedding the head; one that differs is kept,
/// with a warning. Without it lm_head.weight is required.
inline Result<LlamaWeights> load_frame(const io::SafetensorsSet& set, const LlamaConfig& config) {
  LlamaWeights weights;
  LOWBIT_TRY(embedding, load_matrix(set, std::string(embedding_name), config.vocab_size, config.hidden_size));
  LOWBIT_TRY(final_norm, load_vector(set, std::string(final_norm_name), config.hidden_size));
  weights.embedding = std::make_shared<const Matrix>(std::move(embedding));
  weights.final_norm = std::move(final_norm);
  if (config.tie_word_embeddings && set.find(head_name) == nullptr) return weights;
  LOWBIT_TRY(head, load_matrix(set, std::string(head_name), config.vocab_size, config.hidden_size));
  if (config.tie_word_embeddings) {
    if (head == *weights.embedding) return weights;
    weights.warnings.push_back(
        "tie_word_embeddings is true, but lm_head.weight differs from the embedding: lm_head.weight is used");
  }
  weights.head = std::make_unique<FloatLinear>(std::move(head));
  return weights;
}

}  // namespace lowbit::model
