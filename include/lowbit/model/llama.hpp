// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/core/result.hpp"
#include "lowbit/io/safetensors_set.hpp"
#include "lowbit/linalg/executor.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/model/cache.hpp"
#include "lowbit/model/config.hpp"
#include "lowbit/model/layer.hpp"
#include "lowbit/model/norm.hpp"
#include "lowbit/model/rope.hpp"
#include "lowbit/model/weights.hpp"

namespace lowbit::model {

/// Every id below the vocabulary size, or out_of_range_token with the id as `value` and its position as `row`.
inline Result<> check_tokens(std::span<const std::uint32_t> tokens, std::size_t vocab_size) {
  for (std::size_t i = 0; i < tokens.size(); ++i)
    if (tokens[i] >= vocab_size)
      return Error{.code = Errc::out_of_range_token,
                   .message = "token id " + std::to_string(tokens[i]) + " at position " + std::to_string(i) +
                              "; the vocabulary has " + std::to_string(vocab_size),
                   .row = i,
                   .value = static_cast<double>(tokens[i])};
  return {};
}

/// What Llama::use did.
struct ChangedProjections {
  std::size_t changed = 0;  ///< multiplied in the new mode
  std::size_t left = 0;     ///< as before: their weights are not packed
};

/// A decoder-only transformer of the Llama family: RMS norms, rotary positions (halves rotated), grouped keys and
/// values, SwiGLU. Weights sit behind Linear, so a float and a quantized model are the same class.
///
/// Source   Touvron et al., "LLaMA", 2023, arXiv:2302.13971; rotary: Su et al., arXiv:2104.09864; grouped heads:
///          Ainslie et al., arXiv:2305.13245.
class Llama {
 public:
  /// Errors   missing, shape_mismatch: a part that the configuration asks for. A null head is legal and means a tied
  ///          one.
  static Result<Llama> make(LlamaConfig config, LlamaWeights weights) {
    const auto vocab = static_cast<Index>(config.vocab_size), hidden = static_cast<Index>(config.hidden_size);
    if (weights.embedding == nullptr || weights.embedding->rows() != vocab || weights.embedding->cols() != hidden)
      return Error{.code = Errc::shape_mismatch,
                   .message = "the embedding is [vocab_size, hidden_size]",
                   .tensor = std::string(embedding_name)};
    if (weights.final_norm.size() != hidden)
      return Error{.code = Errc::shape_mismatch,
                   .message = "the final norm is [hidden_size]",
                   .tensor = std::string(final_norm_name)};
    if (weights.layers.size() != config.num_hidden_layers)
      return Error{.code = Errc::shape_mismatch,
                   .message = "the weights hold " + std::to_string(weights.layers.size()) +
                              " layers, the configuration asks for " + std::to_string(config.num_hidden_layers)};
    for (std::size_t i = 0; i < weights.layers.size(); ++i) LOWBIT_CHECK(check_layer(config, weights.layers[i], i));
    if (weights.head != nullptr &&
        (weights.head->rows() != config.vocab_size || weights.head->cols() != config.hidden_size))
      return Error{.code = Errc::shape_mismatch,
                   .message = "the head is [vocab_size, hidden_size]",
                   .tensor = std::string(head_name)};
    return Llama(std::move(config), std::move(weights));
  }

  /// A float checkpoint in Hugging Face layout: config.json and safetensors, in one file or in shards.
  /// Errors   those of read_config, SafetensorsSet::open and load_layer; unsupported for a quantized checkpoint.
  static Result<Llama> load(const std::filesystem::path& dir) {
    LOWBIT_TRY(config, read_config(dir));
    if (!config.quant_method.empty())
      return Error{
          .code = Errc::unsupported,
          .message = "Llama::load reads float checkpoints; this one is quantized with \"" + config.quant_method + "\"",
          .file = (dir / "config.json").string()};
    LOWBIT_TRY(set, io::SafetensorsSet::open(dir));
    const auto here = [&](Error error) { return std::move(error).in_file(dir.string()); };
    auto weights = load_frame(set, config);
    if (!weights) return here(std::move(weights).error());
    for (std::size_t i = 0; i < config.num_hidden_layers; ++i) {
      auto layer = load_layer(set, config, i);
      if (!layer) return here(std::move(layer).error());
      weights->layers.push_back(std::move(*layer));
    }
    return make(std::move(config), std::move(*weights));
  }

  const LlamaConfig& config() const noexcept { return config_; }
  const LlamaWeights& weights() const noexcept { return weights_; }
  /// Slots may be refilled with weights of the same shape.
  DecoderLayer& layer(std::size_t i) {
    LOWBIT_EXPECTS(i < weights_.layers.size(), "a layer of this model");
    return weights_.layers[i];
  }
  const DecoderLayer& layer(std::size_t i) const { return const_cast<Llama*>(this)->layer(i); }
  /// Multiplies packed projections in another mode from now on; from Compute::f32, with which models are loaded.
  /// Errors   those of Linear::in, with the projection as `tensor`; the model may then compute with either.
  Result<ChangedProjections> use(Compute mode) {
    ChangedProjections count;
    for (std::size_t i = 0; i < weights_.layers.size(); ++i)
      for (const Projection p : projections) {
        std::unique_ptr<Linear>& linear = weights_.layers[i][p].linear;
        auto other = linear->in(mode);
        if (!other) return std::move(other).error().in_tensor(hf_name(i, p));
        (*other != nullptr ? count.changed : count.left) += 1;
        if (*other != nullptr) linear = std::move(*other);
      }
    return count;
  }
  /// Hands the weights back; the model is empty then.
  LlamaWeights release() && { return std::move(weights_); }

  /// Rows of the embedding, [tokens × hidden].
  /// Errors   out_of_range_token.
  Result<Matrix> embed(std::span<const std::uint32_t> tokens) const {
    LOWBIT_CHECK(check_tokens(tokens, config_.vocab_size));
    Matrix hidden(static_cast<Index>(tokens.size()), static_cast<Index>(config_.hidden_size));
    for (std::size_t t = 0; t < tokens.size(); ++t)
      hidden.row(static_cast<Index>(t)) = weights_.embedding->row(static_cast<Index>(tokens[t]));
    return hidden;
  }

  /// The last layer's output for windows of `length` tokens each (the last norm is not applied), [tokens × hidden].
  /// Errors   out_of_range_token, shape_mismatch (not whole windows).
  Result<Matrix> hidden_states(std::span<const std::uint32_t> tokens, std::size_t length, Executor& executor) const {
    if (length == 0 || tokens.size() % length != 0)
      return Error{
          .code = Errc::shape_mismatch,
          .message = std::to_string(tokens.size()) + " tokens do not make whole windows of " + std::to_string(length)};
    LOWBIT_TRY(hidden, embed(tokens));
    const RopeTable rope(config_, length);
    for (const DecoderLayer& layer : weights_.layers) run_layer(config_, layer, rope, hidden, length, executor);
    return std::move(hidden);
  }

  /// Final norm and head: [tokens × hidden] to [tokens × vocab].
  Matrix logits(ConstMatrixRef hidden, Executor& executor) const {
    const Matrix normed = rms_norm(hidden, weights_.final_norm, config_.rms_norm_eps, executor);
    Matrix result(hidden.rows(), static_cast<Index>(config_.vocab_size));
    if (weights_.head != nullptr)
      weights_.head->apply(normed, result, executor);
    else
      float_product(*weights_.embedding, normed, result, executor);
    return result;
  }

  /// Logits of every token of one sequence, [tokens × vocab].
  Result<Matrix> forward(std::span<const std::uint32_t> tokens, Executor& executor) const {
    if (tokens.empty()) return Matrix(0, static_cast<Index>(config_.vocab_size));
    LOWBIT_TRY(hidden, hidden_states(tokens, tokens.size(), executor));
    return logits(hidden, executor);
  }

  /// Appends tokens to a cached sequence; logits of the last one, [vocab].
  /// Errors   out_of_range_token; out_of_bounds when the cache is full; invalid_argument without a token. The cache is
  ///          unchanged then.
  Result<Vector> append(std::span<const std::uint32_t> tokens, KvCache& cache, Executor& executor) const {
    if (tokens.empty()) return Error{.code = Errc::invalid_argument, .message = "append needs a token"};
    LOWBIT_CHECK(check_room(cache, tokens.size()));
    LOWBIT_TRY(hidden, embed(tokens));
    SequenceSlice slice{.count = static_cast<Index>(tokens.size()), .first = static_cast<Index>(cache.length_)};
    for (std::size_t i = 0; i < weights_.layers.size(); ++i) {
      slice.cache = &cache.layers_[i];
      run_layer(config_, weights_.layers[i], cache.rope_, hidden, std::span(&slice, 1), executor);
    }
    cache.length_ += tokens.size();
    return Vector(logits(hidden.bottomRows(1), executor).row(0).transpose());
  }

  Result<Vector> step(std::uint32_t token, KvCache& cache, Executor& executor) const {
    return append(std::span(&token, 1), cache, executor);
  }

  /// One token for each of several sequences at once; logits [sequences × vocab]. The caches have equal capacity.
  Result<Matrix> step(std::span<const std::uint32_t> tokens, std::span<KvCache> caches, Executor& executor) const {
    LOWBIT_EXPECTS(tokens.size() == caches.size(), "one token per sequence");
    if (tokens.empty()) return Matrix(0, static_cast<Index>(config_.vocab_size));
    for (const KvCache& cache : caches) LOWBIT_CHECK(check_room(cache, 1));
    LOWBIT_TRY(hidden, embed(tokens));
    std::vector<SequenceSlice> slices(tokens.size());
    for (std::size_t i = 0; i < weights_.layers.size(); ++i) {
      for (std::size_t s = 0; s < slices.size(); ++s)
        slices[s] = {.begin = static_cast<Index>(s),
                     .count = 1,
                     .first = static_cast<Index>(caches[s].length_),
                     .cache = &caches[s].layers_[i]};
      run_layer(config_, weights_.layers[i], caches.front().rope_, hidden, slices, executor);
    }
    for (KvCache& cache : caches) ++cache.length_;
    return logits(hidden, executor);
  }

 private:
  Llama(LlamaConfig config, LlamaWeights weights) : config_(std::move(config)), weights_(std::move(weights)) {}

  static Result<> check_room(const KvCache& cache, std::size_t tokens) {
    if (tokens <= cache.capacity() - cache.length()) return {};
    return Error{.code = Errc::out_of_bounds,
                 .message = "the cache holds " + std::to_string(cache.length()) + " of " +
                            std::to_string(cache.capacity()) + " positions; no room for " + std::to_string(tokens)};
  }

  LlamaConfig config_;
  LlamaWeights weights_;
};

}  // namespace lowbit::model
