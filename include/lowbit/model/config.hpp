// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/result.hpp"
#include "lowbit/io/atomic_file.hpp"
#include "lowbit/io/json.hpp"

/// What config.json of a Llama checkpoint says, checked.

namespace lowbit::model {

/// How rotary frequencies are stretched for long contexts.
struct RopeScaling {
  enum class Kind : std::uint8_t {
    none,
    linear,  ///< every frequency divided by `factor`
    llama3,  ///< long wavelengths divided by `factor`, short ones kept, a blend between
  };
  Kind kind = Kind::none;
  double factor = 8.0;
  double low_freq_factor = 1.0;                           ///< llama3 only
  double high_freq_factor = 4.0;                          ///< llama3 only
  std::uint64_t original_max_position_embeddings = 8192;  ///< llama3 only
  friend bool operator==(const RopeScaling&, const RopeScaling&) = default;
};

struct LlamaConfig {
  std::size_t vocab_size = 0;
  std::size_t hidden_size = 0;
  std::size_t intermediate_size = 0;
  std::size_t num_hidden_layers = 0;
  std::size_t num_attention_heads = 0;
  std::size_t num_key_value_heads = 0;  ///< divides num_attention_heads
  std::size_t head_dim = 0;             ///< even
  std::size_t max_position_embeddings = 2048;
  double rms_norm_eps = 1e-6;
  double rope_theta = 10000.0;
  RopeScaling rope_scaling{};
  bool attention_bias = false;  ///< q, k, v and o have biases
  bool mlp_bias = false;        ///< gate, up and down have biases
  bool tie_word_embeddings = false;
  std::vector<std::uint32_t> bos_token_ids{};  ///< often one, sometimes none
  std::vector<std::uint32_t> eos_token_ids{};
  std::string torch_dtype{};   ///< as written; informational
  std::string quant_method{};  ///< quantization_config.quant_method; empty for a float checkpoint

  std::size_t query_size() const noexcept { return num_attention_heads * head_dim; }
  std::size_t key_value_size() const noexcept { return num_key_value_heads * head_dim; }
  friend bool operator==(const LlamaConfig&, const LlamaConfig&) = default;
};

namespace detail {

inline Error config_error(Errc code, std::string_view key, const std::string& message) {
  return Error{code, "config.json: " + std::string(key) + " " + message};
}

inline bool has(const io::Json& json, std::string_view key) { return io::find_member(json, key) != nullptr; }

/// An integer in [low, high]; Errc::missing when the key is absent or null and there is no default.
inline Result<std::uint64_t> integer_in(const io::Json& json, std::string_view key, std::uint64_t low,
                                        std::uint64_t high, const std::uint64_t* otherwise = nullptr) {
  if (!has(json, key)) {
    if (otherwise != nullptr) return *otherwise;
    return config_error(Errc::missing, key, "is missing");
  }
  LOWBIT_TRY(value, io::get_u64(json, key));
  if (value < low || value > high) {
    Error error =
        config_error(Errc::out_of_bounds, key, "must lie in " + std::to_string(low) + " .. " + std::to_string(high));
    error.value = static_cast<double>(value);
    return error;
  }
  return value;
}

/// A finite real in [low, high].
inline Result<double> real_in(const io::Json& json, std::string_view key, double low, double high, double otherwise) {
  if (!has(json, key)) return otherwise;
  LOWBIT_TRY(value, io::get_f64(json, key));
  if (!(value >= low && value <= high)) {
    Error error = config_error(Errc::out_of_bounds, key, "is out of range");
    error.value = value;
    return error;
  }
  return value;
}

/// One id or an array of ids, each below the vocabulary size.
inline Result<std::vector<std::uint32_t>> token_ids(const io::Json& json, std::string_view key,
                                                    std::size_t vocab_size) {
  std::vector<std::uint32_t> ids;
  if (!has(json, key)) return ids;
  const io::Json& value = *io::find_member(json, key);
  const auto take = [&](const io::Json& id) {
    const auto* number = id.get_ptr<const io::Json::number_unsigned_t*>();
    if (number == nullptr || *number >= vocab_size) return false;
    ids.push_back(static_cast<std::uint32_t>(*number));
    return true;
  };
  bool good = true;
  if (value.is_array()) {
    for (const io::Json& id : value) good = good && take(id);
  } else {
    good = take(value);
  }
  if (!good) return config_error(Errc::out_of_bounds, key, "must be a token id, or ids, below vocab_size");
  return ids;
}

inline Result<RopeScaling> rope_scaling(const io::Json& json) {
  RopeScaling scaling;
  if (!json.is_object()) return config_error(Errc::malformed, "rope_scaling", "must be null or an object");
  LOWBIT_TRY(old_name, io::get_string(json, "type", "default"));
  LOWBIT_TRY(kind, io::get_string(json, "rope_type", old_name));
  if (kind == "default") return scaling;
  if (kind == "linear") {
    scaling.kind = RopeScaling::Kind::linear;
  } else if (kind == "llama3") {
    scaling.kind = RopeScaling::Kind::llama3;
  } else {
    return config_error(Errc::unsupported, "rope_scaling.rope_type", "\"" + kind + "\" is not implemented");
  }
  if (scaling.kind == RopeScaling::Kind::linear && !has(json, "factor"))
    return config_error(Errc::missing, "rope_scaling.factor", "is missing");
  LOWBIT_TRY(factor, real_in(json, "factor", 1e-3, 1e6, scaling.factor));
  scaling.factor = factor;
  if (scaling.kind == RopeScaling::Kind::linear) return scaling;
  LOWBIT_TRY(low, real_in(json, "low_freq_factor", 1e-6, 1e6, scaling.low_freq_factor));
  LOWBIT_TRY(high, real_in(json, "high_freq_factor", 1e-6, 1e6, scaling.high_freq_factor));
  if (!(low < high))
    return config_error(Errc::out_of_bounds, "rope_scaling.low_freq_factor", "must be below high_freq_factor");
  LOWBIT_TRY(original, integer_in(json, "original_max_position_embeddings", 1, 1u << 30,
                                  &scaling.original_max_position_embeddings));
  scaling.low_freq_factor = low;
  scaling.high_freq_factor = high;
  scaling.original_max_position_embeddings = original;
  return scaling;
}

}  // namespace detail

/// Reads every key that the forward pass needs; other keys are ignored.
///
/// Accepts `rope_theta` and `rope_scaling` beside the others or inside `rope_parameters`, token ids as a number or an
/// array, `torch_dtype` under its newer name `dtype`. Bounds: vocabulary and widths up to 2^24, layers and heads up to
/// 2^16, head_dim even and up to 2^16, positions up to 2^30.
///
/// Errors   missing, malformed, out_of_bounds, each naming the key; unsupported, naming a model_type other than
///          "llama", a hidden_act other than "silu", or a rope type other than default, linear and llama3.
inline Result<LlamaConfig> parse_config(const io::Json& json) {
  using namespace detail;
  if (!json.is_object()) return Error{Errc::malformed, "config.json must hold an object"};
  constexpr std::uint64_t max_width = 1u << 24, max_count = 1u << 16, max_positions = 1u << 30;
  LlamaConfig config;

  LOWBIT_TRY(model_type, io::get_string(json, "model_type", ""));
  if (model_type.empty()) return config_error(Errc::missing, "model_type", "is missing");
  if (model_type != "llama")
    return config_error(Errc::unsupported, "model_type", "\"" + model_type + "\" is not implemented");
  LOWBIT_TRY(act, io::get_string(json, "hidden_act", "silu"));
  if (act != "silu") return config_error(Errc::unsupported, "hidden_act", "\"" + act + "\" is not implemented");

  LOWBIT_TRY(vocab, integer_in(json, "vocab_size", 1, max_width));
  LOWBIT_TRY(hidden, integer_in(json, "hidden_size", 1, max_width));
  LOWBIT_TRY(intermediate, integer_in(json, "intermediate_size", 1, max_width));
  LOWBIT_TRY(layers, integer_in(json, "num_hidden_layers", 1, max_count));
  LOWBIT_TRY(heads, integer_in(json, "num_attention_heads", 1, max_count));
  LOWBIT_TRY(kv_heads, integer_in(json, "num_key_value_heads", 1, max_count, &heads));
  if (heads % kv_heads != 0)
    return config_error(Errc::out_of_bounds, "num_key_value_heads", "must divide num_attention_heads");
  if (!has(json, "head_dim") && hidden % heads != 0)
    return config_error(Errc::out_of_bounds, "num_attention_heads", "must divide hidden_size where head_dim is absent");
  const std::uint64_t default_head_dim = hidden / heads;
  LOWBIT_TRY(head_dim, integer_in(json, "head_dim", 2, max_count, &default_head_dim));
  if (head_dim == 0 || head_dim % 2 != 0)
    return config_error(Errc::out_of_bounds, "head_dim", "must be even and positive");
  if (heads * head_dim > max_width)
    return config_error(Errc::out_of_bounds, "head_dim", "times num_attention_heads exceeds 2^24");
  constexpr std::uint64_t default_positions = 2048;
  LOWBIT_TRY(positions, integer_in(json, "max_position_embeddings", 1, max_positions, &default_positions));
  LOWBIT_TRY(eps, real_in(json, "rms_norm_eps", 0.0, 1.0, config.rms_norm_eps));

  config.vocab_size = vocab;
  config.hidden_size = hidden;
  config.intermediate_size = intermediate;
  config.num_hidden_layers = layers;
  config.num_attention_heads = heads;
  config.num_key_value_heads = kv_heads;
  config.head_dim = head_dim;
  config.max_position_embeddings = positions;
  config.rms_norm_eps = eps;

  LOWBIT_TRY(theta, real_in(json, "rope_theta", 1.0, 1e12, config.rope_theta));
  config.rope_theta = theta;
  if (has(json, "rope_scaling")) {
    LOWBIT_TRY(scaling, detail::rope_scaling(*io::find_member(json, "rope_scaling")));
    config.rope_scaling = scaling;
  }
  if (has(json, "rope_parameters")) {
    const io::Json& parameters = *io::find_member(json, "rope_parameters");
    LOWBIT_TRY(scaling, detail::rope_scaling(parameters));
    LOWBIT_TRY(inner_theta, real_in(parameters, "rope_theta", 1.0, 1e12, config.rope_theta));
    config.rope_scaling = scaling;
    config.rope_theta = inner_theta;
  }

  LOWBIT_TRY(attention_bias, io::get_bool(json, "attention_bias", false));
  LOWBIT_TRY(mlp_bias, io::get_bool(json, "mlp_bias", false));
  LOWBIT_TRY(tied, io::get_bool(json, "tie_word_embeddings", false));
  config.attention_bias = attention_bias;
  config.mlp_bias = mlp_bias;
  config.tie_word_embeddings = tied;

  LOWBIT_TRY(bos, token_ids(json, "bos_token_id", vocab));
  LOWBIT_TRY(eos, token_ids(json, "eos_token_id", vocab));
  config.bos_token_ids = std::move(bos);
  config.eos_token_ids = std::move(eos);
  LOWBIT_TRY(new_dtype, io::get_string(json, "dtype", ""));
  LOWBIT_TRY(dtype, io::get_string(json, "torch_dtype", new_dtype));
  config.torch_dtype = std::move(dtype);
  if (has(json, "quantization_config")) {
    const io::Json& quantization = *io::find_member(json, "quantization_config");
    if (!quantization.is_object()) return config_error(Errc::malformed, "quantization_config", "must be an object");
    LOWBIT_TRY(method, io::get_string(quantization, "quant_method", "unknown"));
    config.quant_method = std::move(method);
  }
  return config;
}

/// Reads `dir`/config.json (at most 16 MiB).
inline Result<LlamaConfig> read_config(const std::filesystem::path& dir) {
  const std::filesystem::path path = dir / "config.json";
  LOWBIT_TRY(content, io::read_text(path, std::uint64_t{16} << 20));
  auto json = io::parse_json(content);
  if (!json) return std::move(json).error().in_file(path.string());
  auto config = parse_config(*json);
  if (!config) return std::move(config).error().in_file(path.string());
  return config;
}

}  // namespace lowbit::model
