// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/io/gguf.hpp"
#include "lowbit/model/llama.hpp"
#include "lowbit/model/weights.hpp"
#include "lowbit/pipeline/gguf_llama.hpp"
#include "lowbit/pipeline/load_model.hpp"
#include "lowbit/pipeline/stored_types.hpp"

namespace lowbit::pipeline {

namespace detail {

/// Reads the parts of a llama-architecture GGUF file under their Hugging Face names.
class GgufReader {
 public:
  explicit GgufReader(const io::GgufFile& file) : file_(file) {}

  Result<model::LlamaConfig> config() const {
    LOWBIT_TRY(architecture, file_.get<std::string>("general.architecture"));
    if (architecture != "llama")
      return Error{.code = Errc::unsupported, .message = "the architecture is '" + architecture + "', not llama"};
    io::Json json = {{"model_type", "llama"}};
    const auto number = [&](const char* key, const char* gguf, bool required) -> Result<> {
      if (!required && file_.find_value(gguf) == nullptr) return {};
      LOWBIT_TRY(value, file_.get<std::uint64_t>(gguf));
      json[key] = value;
      return {};
    };
    LOWBIT_CHECK(number("hidden_size", "llama.embedding_length", true));
    LOWBIT_CHECK(number("intermediate_size", "llama.feed_forward_length", true));
    LOWBIT_CHECK(number("num_hidden_layers", "llama.block_count", true));
    LOWBIT_CHECK(number("num_attention_heads", "llama.attention.head_count", true));
    LOWBIT_CHECK(number("num_key_value_heads", "llama.attention.head_count_kv", false));
    LOWBIT_CHECK(number("head_dim", "llama.rope.dimension_count", false));
    LOWBIT_CHECK(number("max_position_embeddings", "llama.context_length", true));
    const io::GgufTensor* embedding = file_.find("token_embd.weight");
    if (embedding == nullptr || embedding->dims.size() != 2)
      return Error{.code = Errc::missing, .message = "a matrix is missing", .tensor = "token_embd.weight"};
    json["vocab_size"] = embedding->dims[1];
    LOWBIT_TRY(eps, file_.get<float>("llama.attention.layer_norm_rms_epsilon"));
    LOWBIT_TRY(theta, file_.get<float>("llama.rope.freq_base", 10000.0f));
    json["rms_norm_eps"] = static_cast<double>(eps);
    json["rope_theta"] = static_cast<double>(theta);
    LOWBIT_TRY(scaling, file_.get<std::string>("llama.rope.scaling.type", std::string("none")));
    if (scaling == "linear") {
      LOWBIT_TRY(factor, file_.get<float>("llama.rope.scaling.factor"));
      json["rope_scaling"] = {{"rope_type", "linear"}, {"factor", static_cast<double>(factor)}};
    } else if (scaling != "none" || file_.find("rope_freqs.weight") != nullptr) {
      return Error{.code = Errc::unsupported, .message = "rotary scaling of GGUF files other than linear is not read"};
    }
    json["tie_word_embeddings"] = file_.find("output.weight") == nullptr;
    json["attention_bias"] = file_.find("blk.0.attn_q.bias") != nullptr;
    json["mlp_bias"] = file_.find("blk.0.ffn_gate.bias") != nullptr;
    LOWBIT_CHECK(number("bos_token_id", "tokenizer.ggml.bos_token_id", false));
    LOWBIT_CHECK(number("eos_token_id", "tokenizer.ggml.eos_token_id", false));
    return model::parse_config(json);
  }

  /// The bytes of a tensor of this shape, q and k rows back in Hugging Face order. cols 0: a vector of `rows`.
  struct Rows {
    io::GgmlType type;
    std::vector<std::uint8_t> bytes;
  };
  Result<Rows> rows(const std::string& hf_name, std::size_t rows, std::size_t cols, std::size_t heads) const {
    const std::string name = *gguf_name(hf_name);
    const io::GgufTensor* tensor = file_.find(name);
    if (tensor == nullptr) return Error{.code = Errc::missing, .message = "a tensor is missing", .tensor = name};
    const std::vector<std::uint64_t> expected = cols == 0 ? std::vector<std::uint64_t>{rows} : std::vector<std::uint64_t>{cols, rows};
    if (tensor->dims != expected)
      return Error{.code = Errc::shape_mismatch, .message = "has another shape than the metadata asks for", .tensor = name};
    Rows out{tensor->type, {tensor->bytes.begin(), tensor->bytes.end()}};
    if (gguf_permutes_rows(hf_name)) out.bytes = permute_rotary_rows(out.bytes, heads, rows, false);
    return out;
  }

  /// Dequantized or converted to float, all finite.
  Result<Matrix> matrix(const std::string& hf_name, std::size_t rows_, std::size_t cols, std::size_t heads = 1) const {
    LOWBIT_TRY(raw, rows(hf_name, rows_, cols, heads));
    Matrix values(static_cast<Index>(rows_), static_cast<Index>(cols == 0 ? 1 : cols));
    if (!is_float(raw.type)) {
      LOWBIT_TRY(linear, blocks(raw, hf_name, rows_, cols));
      values = linear->dequantized();
    } else {
      const io::Dtype dtype = raw.type == io::GgmlType::F32 ? io::Dtype::F32 : raw.type == io::GgmlType::F16 ? io::Dtype::F16 : io::Dtype::BF16;
      LOWBIT_CHECK(io::to_floats(dtype, raw.bytes, std::span(values.data(), static_cast<std::size_t>(values.size()))));
    }
    LOWBIT_CHECK(model::check_finite(values, hf_name));
    return values;
  }
  Result<Vector> vector(const std::string& hf_name, std::size_t size, std::size_t heads = 1) const {
    LOWBIT_TRY(values, matrix(hf_name, size, 0, heads));
    return Vector(Eigen::Map<const Vector>(values.data(), values.size()));
  }

  /// Packed where the file is packed, float otherwise.
  Result<std::unique_ptr<model::Linear>> linear(const std::string& hf_name, std::size_t rows_, std::size_t cols,
                                                std::size_t heads) const {
    LOWBIT_TRY(raw, rows(hf_name, rows_, cols, heads));
    if (!is_float(raw.type)) return blocks(raw, hf_name, rows_, cols);
    LOWBIT_TRY(values, matrix(hf_name, rows_, cols, heads));
    return std::unique_ptr<model::Linear>(std::make_unique<model::FloatLinear>(std::move(values)));
  }

 private:
  static bool is_float(io::GgmlType type) {
    return type == io::GgmlType::F32 || type == io::GgmlType::F16 || type == io::GgmlType::BF16;
  }

  Result<std::unique_ptr<model::Linear>> blocks(const Rows& raw, const std::string& hf_name, std::size_t rows,
                                                std::size_t cols) const {
    auto codec = find_codec(gguf_storage_name(raw.type));
    if (!codec)
      return Error{.code = Errc::unsupported,
                   .message = "tensors of type " + std::string(io::name(raw.type)) + " are not read",
                   .tensor = hf_name};
    LOWBIT_TRY(scale, tensor_scale(hf_name));
    auto linear = (*codec)->from_gguf(raw.bytes, rows, cols, scale);
    if (!linear) return std::move(linear).error().in_tensor(hf_name);
    return linear;
  }

  /// The companion tensor of NVFP4: NAME.scale where the matrix is NAME.weight (some writers: NAME.weight.scale).
  Result<float> tensor_scale(const std::string& hf_name) const {
    const std::string weight = *gguf_name(hf_name);
    for (const std::string& name : {weight.substr(0, weight.rfind(".weight")) + ".scale", weight + ".scale"}) {
      const io::GgufTensor* tensor = file_.find(name);
      if (tensor == nullptr) continue;
      float scale = 1.0f;
      if (tensor->type != io::GgmlType::F32 || tensor->bytes.size() != sizeof scale)
        return Error{.code = Errc::malformed, .message = "a tensor scale is one F32", .tensor = name};
      std::memcpy(&scale, tensor->bytes.data(), sizeof scale);
      if (!std::isfinite(scale))
        return Error{.code = Errc::not_finite, .message = "a tensor scale must be finite", .tensor = name,
                     .value = static_cast<double>(scale)};
      return scale;
    }
    return 1.0f;
  }

  const io::GgufFile& file_;
};

}  // namespace detail

/// Reads a GGUF file of the llama architecture whose matrices are F32, F16, BF16 or of a block type in the list of
/// stored types; packed matrices stay packed, except embedding and head. Errors: those of the reader; unsupported, missing, shape_mismatch naming the tensor.
inline Result<LoadedModel> load_gguf(const std::filesystem::path& path) {
  LOWBIT_TRY(file, io::GgufFile::open(path));
  const auto here = [&](Error error) { return std::move(error).in_file(path.string()); };
  const detail::GgufReader reader(file);
  auto loaded = [&]() -> Result<LoadedModel> {
    LOWBIT_TRY(config, reader.config());
    model::LlamaWeights weights;
    LOWBIT_TRY(embedding, reader.matrix(std::string(model::embedding_name), config.vocab_size, config.hidden_size));
    weights.embedding = std::make_shared<const Matrix>(std::move(embedding));
    LOWBIT_TRY(final_norm, reader.vector(std::string(model::final_norm_name), config.hidden_size));
    weights.final_norm = std::move(final_norm);
    if (!config.tie_word_embeddings) {
      LOWBIT_TRY(head, reader.matrix(std::string(model::head_name), config.vocab_size, config.hidden_size));
      weights.head = std::make_unique<model::FloatLinear>(std::move(head));
    }
    double bits = 0.0, count = 0.0;
    for (std::size_t i = 0; i < config.num_hidden_layers; ++i) {
      model::DecoderLayer layer;
      LOWBIT_TRY(input_norm, reader.vector(model::input_norm_name(i), config.hidden_size));
      LOWBIT_TRY(post_norm, reader.vector(model::post_attention_norm_name(i), config.hidden_size));
      layer.input_norm = std::move(input_norm);
      layer.post_attention_norm = std::move(post_norm);
      for (const model::Projection p : model::projections) {
        const model::ProjectionShape shape = model::shape_of(config, p);
        const std::size_t heads = p == model::Projection::q ? config.num_attention_heads : config.num_key_value_heads;
        const std::string name = model::hf_name(i, p);
        LOWBIT_TRY(linear, reader.linear(name + ".weight", shape.rows, shape.cols, heads));
        layer[p].linear = std::move(linear);
        if (model::has_bias(config, p)) {
          LOWBIT_TRY(bias, reader.vector(name + ".bias", shape.rows, heads));
          layer[p].bias = std::move(bias);
        }
        bits += 8.0 * static_cast<double>(file.find(*gguf_name(name + ".weight"))->bytes.size());
        count += static_cast<double>(shape.rows) * static_cast<double>(shape.cols);
      }
      weights.layers.push_back(std::move(layer));
    }
    std::uint64_t bytes = 0;
    for (const io::GgufTensor& tensor : file.tensors()) bytes += tensor.bytes.size();
    LOWBIT_TRY(built, model::Llama::make(std::move(config), std::move(weights)));
    return LoadedModel{std::move(built), count > 0.0 ? bits / count : 0.0, bytes, {}};
  }();
  if (!loaded) return here(std::move(loaded).error());
  return loaded;
}

}  // namespace lowbit::pipeline
