// SPDX-License-Identifier: MIT
#pragma once

#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/io/decode.hpp"
#include "lowbit/io/gguf_writer.hpp"
#include "lowbit/model/config.hpp"
#include "lowbit/model/rope.hpp"
#include "lowbit/model/tokenizer.hpp"
#include "lowbit/pipeline/gguf_llama.hpp"
#include "lowbit/pipeline/sink.hpp"

namespace lowbit::pipeline {

/// One GGUF file of the llama architecture: metadata and tokenizer from the source directory, norms in F32, other floats in
/// the type they have, packed matrices as blocks. Rows of q and k go into GGUF's rotary order.
class GgufSink final : public Sink {
 public:
  /// Errors: unsupported for a tokenizer without SentencePiece-style tokens; those of the readers and the writer.
  static Result<std::unique_ptr<Sink>> create(const std::filesystem::path& source, const std::filesystem::path& destination,
                                              const std::string& recipe, bool overwrite) {
    LOWBIT_TRY(config, model::read_config(source));
    LOWBIT_TRY(tokenizer, model::Tokenizer::read(source / "tokenizer.json"));
    LOWBIT_TRY(writer, io::GgufWriter::create(destination, overwrite));
    auto sink = std::unique_ptr<GgufSink>(new GgufSink(std::move(config), std::move(writer)));
    LOWBIT_CHECK(sink->write_metadata(recipe));
    LOWBIT_CHECK(sink->write_tokenizer(tokenizer));
    LOWBIT_CHECK(sink->write_rope_factors());
    return std::unique_ptr<Sink>(std::move(sink));
  }

  Result<> plain(const io::TensorView& tensor) override {
    if (tensor.name.ends_with("rotary_emb.inv_freq")) return {};
    const auto name = gguf_name(tensor.name);
    if (!name)
      return Error{.code = Errc::unsupported, .message = "GGUF's llama architecture has no such tensor", .tensor = tensor.name};
    if (tensor.name == "lm_head.weight" && config_.tie_word_embeddings) return {};
    if (tensor.shape.size() == 1) {  // norms and biases
      Matrix values(1, static_cast<Index>(tensor.element_count()));
      LOWBIT_CHECK(io::to_floats(tensor, std::span(values.data(), static_cast<std::size_t>(values.size()))));
      return add(tensor.name, *name, {tensor.shape[0]}, io::GgmlType::F32, float_bytes(io::Dtype::F32, values), tensor.shape[0]);
    }
    if (tensor.shape.size() != 2)
      return Error{.code = Errc::unsupported, .message = "only vectors and matrices are exported", .tensor = tensor.name};
    LOWBIT_TRY(type, type_of(tensor.dtype, tensor.name));
    return add(tensor.name, *name, {tensor.shape[1], tensor.shape[0]}, type,
               {tensor.bytes.begin(), tensor.bytes.end()}, tensor.shape[0]);
  }

  Result<> floats(const std::string& name, io::Dtype dtype, const Matrix& rounded) override {
    LOWBIT_TRY(type, type_of(dtype, name));
    return add(name, *gguf_name(name), {static_cast<std::uint64_t>(rounded.cols()), static_cast<std::uint64_t>(rounded.rows())},
               type, float_bytes(dtype, rounded), static_cast<std::size_t>(rounded.rows()));
  }

  Result<> packed(const std::string& name, const Codec& codec, const QuantizedWeights& weights) override {
    if (weights.shape.transformed())
      return Error{.code = Errc::unsupported,
                   .message = "GGUF cannot say that a matrix is stored in another basis (" + weights.shape.transform.kind + ")",
                   .tensor = name};
    auto rows = codec.to_gguf(*weights.linear);
    if (!rows) return std::move(rows).error().in_tensor(name);
    if (!rows->shared.empty()) {
      const std::string weight = *gguf_name(name);
      std::vector<std::uint8_t> bytes(sizeof(float));
      std::memcpy(bytes.data(), rows->shared.data(), bytes.size());
      LOWBIT_CHECK(writer_.add(weight.substr(0, weight.rfind(".weight")) + ".scale", {1}, io::GgmlType::F32, bytes));
    }
    return add(name, *gguf_name(name), {weights.shape.cols, weights.shape.rows}, rows->type, std::move(rows->bytes),
               weights.shape.rows);
  }

  Result<> finish() override { return writer_.finish(); }

 private:
  GgufSink(model::LlamaConfig config, io::GgufWriter writer) : config_(std::move(config)), writer_(std::move(writer)) {}

  static Result<io::GgmlType> type_of(io::Dtype dtype, const std::string& name) {
    if (dtype == io::Dtype::F32) return io::GgmlType::F32;
    if (dtype == io::Dtype::F16) return io::GgmlType::F16;
    if (dtype == io::Dtype::BF16) return io::GgmlType::BF16;
    return Error{.code = Errc::unsupported, .message = "GGUF export takes F32, F16 and BF16 tensors", .tensor = name};
  }

  Result<> add(const std::string& source, const std::string& name, std::vector<std::uint64_t> dims, io::GgmlType type,
               std::vector<std::uint8_t> bytes, std::size_t rows) {
    if (gguf_permutes_rows(source)) {
      const std::size_t heads =
          source.find(".q_proj.") != std::string::npos ? config_.num_attention_heads : config_.num_key_value_heads;
      bytes = permute_rotary_rows(bytes, heads, rows, true);
    }
    return writer_.add(name, std::move(dims), type, bytes);
  }

  Result<> write_metadata(const std::string& recipe) {
    const auto u32 = [&](const char* key, std::size_t value) {
      return writer_.set_u32(key, static_cast<std::uint32_t>(value));
    };
    LOWBIT_CHECK(writer_.set_string("general.architecture", "llama"));
    LOWBIT_CHECK(writer_.set_string("general.type", "model"));
    LOWBIT_CHECK(writer_.set_string("lowbit.recipe", recipe));
    LOWBIT_CHECK(u32("general.quantization_version", 2));
    LOWBIT_CHECK(u32("general.alignment", 32));
    LOWBIT_CHECK(u32("llama.vocab_size", config_.vocab_size));
    LOWBIT_CHECK(u32("llama.context_length", config_.max_position_embeddings));
    LOWBIT_CHECK(u32("llama.embedding_length", config_.hidden_size));
    LOWBIT_CHECK(u32("llama.block_count", config_.num_hidden_layers));
    LOWBIT_CHECK(u32("llama.feed_forward_length", config_.intermediate_size));
    LOWBIT_CHECK(u32("llama.attention.head_count", config_.num_attention_heads));
    LOWBIT_CHECK(u32("llama.attention.head_count_kv", config_.num_key_value_heads));
    LOWBIT_CHECK(u32("llama.attention.key_length", config_.head_dim));
    LOWBIT_CHECK(u32("llama.attention.value_length", config_.head_dim));
    LOWBIT_CHECK(u32("llama.rope.dimension_count", config_.head_dim));
    LOWBIT_CHECK(writer_.set_f32("llama.attention.layer_norm_rms_epsilon", static_cast<float>(config_.rms_norm_eps)));
    LOWBIT_CHECK(writer_.set_f32("llama.rope.freq_base", static_cast<float>(config_.rope_theta)));
    if (config_.rope_scaling.kind == model::RopeScaling::Kind::linear) {
      LOWBIT_CHECK(writer_.set_string("llama.rope.scaling.type", "linear"));
      LOWBIT_CHECK(writer_.set_f32("llama.rope.scaling.factor", static_cast<float>(config_.rope_scaling.factor)));
    }
    return {};
  }

  Result<> write_tokenizer(const model::Tokenizer& tokenizer) {
    if (!tokenizer.byte_fallback())
      return Error{.code = Errc::unsupported, .message = "GGUF export knows SentencePiece-style tokenizers (byte fallback) only"};
    std::vector<std::string> tokens, merges;
    std::vector<float> scores;
    std::vector<std::int32_t> kinds;
    for (std::uint32_t id = 0; id < config_.vocab_size; ++id) {
      const bool known = id < tokenizer.vocab_size();
      tokens.push_back(known ? tokenizer.token(id) : "[PAD" + std::to_string(id) + "]");
      kinds.push_back(known ? static_cast<std::int32_t>(tokenizer.kind(id)) : 5);
      scores.push_back(-static_cast<float>(id));  // rank order: what merges earlier scores higher
    }
    for (std::size_t rank = 0; rank < tokenizer.merges().size(); ++rank) {
      merges.push_back(tokenizer.merge_text(rank));
    }
    LOWBIT_CHECK(writer_.set_string("tokenizer.ggml.model", "llama"));
    LOWBIT_CHECK(writer_.set_string("tokenizer.ggml.pre", "default"));
    LOWBIT_CHECK(writer_.set_string_array("tokenizer.ggml.tokens", tokens));
    LOWBIT_CHECK(writer_.set_f32_array("tokenizer.ggml.scores", scores));
    LOWBIT_CHECK(writer_.set_i32_array("tokenizer.ggml.token_type", kinds));
    LOWBIT_CHECK(writer_.set_string_array("tokenizer.ggml.merges", merges));
    if (tokenizer.bos()) LOWBIT_CHECK(writer_.set_u32("tokenizer.ggml.bos_token_id", *tokenizer.bos()));
    if (tokenizer.eos()) LOWBIT_CHECK(writer_.set_u32("tokenizer.ggml.eos_token_id", *tokenizer.eos()));
    if (tokenizer.unknown()) LOWBIT_CHECK(writer_.set_u32("tokenizer.ggml.unknown_token_id", *tokenizer.unknown()));
    LOWBIT_CHECK(writer_.set_bool("tokenizer.ggml.add_bos_token", true));
    return writer_.set_bool("tokenizer.ggml.add_space_prefix", tokenizer.adds_space_prefix());
  }

  /// llama3 scaling as a tensor of divisors, one per frequency.
  Result<> write_rope_factors() {
    if (config_.rope_scaling.kind != model::RopeScaling::Kind::llama3) return {};
    const std::vector<double> factors = model::rope_factors(config_);
    Matrix values(1, static_cast<Index>(factors.size()));
    for (std::size_t i = 0; i < factors.size(); ++i) values(0, static_cast<Index>(i)) = static_cast<float>(factors[i]);
    return writer_.add("rope_freqs.weight", {factors.size()}, io::GgmlType::F32, float_bytes(io::Dtype::F32, values));
  }

  model::LlamaConfig config_;
  io::GgufWriter writer_;
};

}  // namespace lowbit::pipeline
