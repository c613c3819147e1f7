// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "lowbit/io/checkpoint/compressed_tensors.hpp"
#include "lowbit/io/checkpoint/fp4.hpp"
#include "lowbit/io/checkpoint/gptq.hpp"
#include "lowbit/io/json.hpp"

/// How a checkpoint says that it is quantized: `quantization_config` of config.json (or quantize_config.json, whose whole
/// object it is) for GPTQ, AWQ, compressed-tensors and Model Optimizer, `quantization` of config.json for MLX.
///
/// Every value is checked against what the readers of this folder can read, and what they cannot is an error that names
/// key and value. Unknown keys are ignored. Patterns are kept as text: matching them needs regular expressions, which
/// this folder does without.

namespace lowbit::io {

struct GptqConfig {
  /// One entry of `dynamic`: the first pattern that matches the beginning of a module's name decides.
  struct Rule {
    std::string pattern;   ///< a regular expression, without its sign
    bool excludes = false; ///< "-:": the module is not quantized
    std::optional<unsigned> bits{};
    std::optional<std::size_t> group_size{};
    std::optional<bool> symmetric{};
  };
  GptqParams params{};
  bool desc_act = false;
  std::vector<Rule> rules{};  ///< in the order of the file
};

struct AwqConfig {
  std::size_t group_size = 128;
  std::vector<std::string> not_converted{};  ///< a module whose name contains one of these is not quantized
};

enum class CtFormat : std::uint8_t { pack_quantized, nvfp4, mxfp4 };

struct CtConfig {
  struct Scheme {
    std::string name;                   ///< key in config_groups
    std::vector<std::string> targets{}; ///< module names, "re:" patterns, or class names such as "Linear"
    CtFormat format = CtFormat::pack_quantized;
    CtParams params{};                  ///< for pack_quantized
  };
  std::vector<Scheme> schemes{};
  std::vector<std::string> ignore{};  ///< names, "re:" patterns, or class names
};

struct MlxConfig {
  struct Widths {
    unsigned bits = 4;
    std::size_t group_size = 64;
  };
  Widths widths{};
  std::map<std::string, std::optional<Widths>> modules{};  ///< overrides; nothing: the module is not quantized
};

struct QuantizationConfig {
  std::variant<GptqConfig, AwqConfig, CtConfig, MlxConfig> method;
  std::vector<std::string> warnings{};
};

namespace detail {

/// The keys of the object at `path` in the order in which the text has them: Json keeps them sorted.
class KeyOrder : public JsonEvents {
 public:
  KeyOrder(std::vector<std::string> path, std::size_t max_depth) : JsonEvents(max_depth), path_(std::move(path)) {}

  bool null() { return true; }
  bool boolean(bool) { return true; }
  bool number_integer(number_integer_t) { return true; }
  bool number_unsigned(number_unsigned_t) { return true; }
  bool number_float(number_float_t, const string_t&) { return true; }
  bool string(string_t&) { return true; }
  bool start_object(std::size_t) { return push(); }
  bool start_array(std::size_t) { return push(); }
  bool end_object() { return pop(); }
  bool end_array() { return pop(); }
  bool key(string_t& name) {
    if (at_.size() == path_.size() + 1 && std::equal(path_.begin(), path_.end(), at_.begin())) keys.push_back(name);
    at_.back() = std::move(name);
    return true;
  }

  std::vector<std::string> keys;

 private:
  bool push() {
    at_.emplace_back();
    return enter();
  }
  bool pop() {
    at_.pop_back();
    leave();
    return true;
  }

  std::vector<std::string> path_;
  std::vector<std::string> at_;  ///< for each container entered, its current key
};

inline Error config_refusal(std::string_view key, const std::string& why, Errc code = Errc::unsupported) {
  return {.code = code, .message = "quantization config: " + why, .tensor = std::string(key)};
}

inline Result<unsigned> config_bits(const Json& object, std::string_view key) {
  LOWBIT_TRY(value, get_u64(object, key));
  if (value < 1 || value > 64)
    return Error{.code = Errc::out_of_bounds, .message = "quantization config: a width outside 1 … 64", .tensor = std::string(key),
                 .value = static_cast<double>(value)};
  return static_cast<unsigned>(value);
}

/// −1 is whole_row.
inline Result<std::size_t> config_group_size(const Json& object, std::string_view key) {
  LOWBIT_TRY(value, get_i64(object, key));
  if (value == -1) return std::size_t{whole_row};
  if (value < 1 || value > static_cast<std::int64_t>(max_extent))
    return Error{.code = Errc::out_of_bounds, .message = "quantization config: a group size is -1, or 1 … 2^31",
                 .tensor = std::string(key), .value = static_cast<double>(value)};
  return static_cast<std::size_t>(value);
}

inline Result<std::vector<std::string>> config_strings(const Json& object, std::string_view key) {
  std::vector<std::string> out;
  if (find_member(object, key) == nullptr) return out;
  LOWBIT_TRY(array, get_array(object, key));
  for (const Json& item : *array) {
    LOWBIT_TRY(text, to_text(item, key));
    out.push_back(std::move(text));
  }
  return out;
}

inline std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return text;
}

inline Result<QuantizationConfig> parse_gptq(const Json& json, const std::vector<std::string>& dynamic_order) {
  GptqConfig config;
  LOWBIT_TRY(bits, config_bits(json, "bits"));
  if (!gptq_has_bits(bits)) return config_refusal("bits", std::to_string(bits) + " bits are not read; 2, 3, 4 and 8 are");
  config.params.bits = bits;
  LOWBIT_TRY(group_size, config_group_size(json, "group_size"));
  config.params.group_size = group_size;
  LOWBIT_TRY(symmetric, get_bool(json, "sym", true));
  config.params.symmetric = symmetric;
  LOWBIT_TRY(desc_act, get_bool(json, "desc_act", false));
  config.desc_act = desc_act;
  LOWBIT_TRY(newer, get_string(json, "format", "gptq"));
  LOWBIT_TRY(format, get_string(json, "checkpoint_format", newer));
  if (format != "gptq" && format != "gptq_v2")
    return config_refusal("checkpoint_format", "GPTQ format '" + format + "' is not read; gptq and gptq_v2 are");
  config.params.version = format == "gptq" ? GptqVersion::v1 : GptqVersion::v2;
  LOWBIT_TRY(pack_dtype, get_string(json, "pack_dtype", "int32"));
  if (pack_dtype != "int32" && pack_dtype != "torch.int32")
    return config_refusal("pack_dtype", "words of '" + pack_dtype + "' are not read; int32 is");
  LOWBIT_TRY(marlin, get_bool(json, "is_marlin_format", false));
  if (marlin) return config_refusal("is_marlin_format", "the Marlin layout is not read");
  if (find_member(json, "dynamic") != nullptr) {
    LOWBIT_TRY(dynamic, get_object(json, "dynamic"));
    for (const std::string& key : dynamic_order) {
      GptqConfig::Rule rule;
      rule.excludes = key.starts_with("-:");
      rule.pattern = key.starts_with("-:") || key.starts_with("+:") ? key.substr(2) : key;
      const Json* values = find_member(*dynamic, key);
      if (!rule.excludes && values != nullptr) {
        if (!values->is_object()) return wrong_type("dynamic " + key, *values, "an object");
        if (find_member(*values, "bits") != nullptr) {
          LOWBIT_TRY(own, config_bits(*values, "bits"));
          if (!gptq_has_bits(own)) return config_refusal("dynamic " + key, std::to_string(own) + " bits are not read");
          rule.bits = own;
        }
        if (find_member(*values, "group_size") != nullptr) {
          LOWBIT_TRY(own, config_group_size(*values, "group_size"));
          rule.group_size = own;
        }
        if (find_member(*values, "sym") != nullptr) {
          LOWBIT_TRY(own, get_bool(*values, "sym"));
          rule.symmetric = own;
        }
      }
      config.rules.push_back(std::move(rule));
    }
  }
  return QuantizationConfig{std::move(config), {}};
}

inline Result<QuantizationConfig> parse_awq(const Json& json) {
  AwqConfig config;
  const bool old_names = find_member(json, "bits") == nullptr && find_member(json, "w_bit") != nullptr;
  LOWBIT_TRY(bits, config_bits(json, old_names ? "w_bit" : "bits"));
  if (bits != 4) return config_refusal("bits", "AWQ files of " + std::to_string(bits) + " bits are not read; 4 are");
  LOWBIT_TRY(group_size, config_group_size(json, old_names ? "q_group_size" : "group_size"));
  config.group_size = group_size;
  LOWBIT_TRY(version, get_string(json, "version", "gemm"));
  if (lower(version) != "gemm") return config_refusal("version", "AWQ version '" + version + "' is not read; gemm is");
  LOWBIT_TRY(zero_point, get_bool(json, "zero_point", true));
  if (!zero_point) return config_refusal("zero_point", "AWQ files without zero points are not read");
  LOWBIT_TRY(backend, get_string(json, "backend", "autoawq"));
  if (lower(backend) != "autoawq") return config_refusal("backend", "AWQ backend '" + backend + "' is not read; autoawq is");
  LOWBIT_TRY(not_converted, config_strings(json, "modules_to_not_convert"));
  config.not_converted = std::move(not_converted);
  return QuantizationConfig{std::move(config), {}};
}

inline Result<CtFormat> parse_ct_format(const std::string& format, const std::string& key) {
  if (format == "pack-quantized") return CtFormat::pack_quantized;
  if (format == "nvfp4-pack-quantized") return CtFormat::nvfp4;
  if (format == "mxfp4-pack-quantized") return CtFormat::mxfp4;
  return config_refusal(key, "format '" + format +
                                 "' is not read; pack-quantized, nvfp4-pack-quantized and mxfp4-pack-quantized are");
}

inline Result<CtConfig::Scheme> parse_ct_scheme(const std::string& name, const Json& json, const std::string& global_format) {
  CtConfig::Scheme scheme;
  scheme.name = name;
  if (!json.is_object()) return wrong_type("config_groups " + name, json, "an object");
  const auto key = [&](const char* member) { return "config_groups " + name + " " + member; };
  LOWBIT_TRY(targets, config_strings(json, "targets"));
  scheme.targets = std::move(targets);
  LOWBIT_TRY(format_name, get_string(json, "format", global_format));
  LOWBIT_TRY(format, parse_ct_format(format_name, key("format")));
  scheme.format = format;
  LOWBIT_TRY(weights, get_object(json, "weights"));
  LOWBIT_TRY(bits, config_bits(*weights, "num_bits"));
  LOWBIT_TRY(type, get_string(*weights, "type", "int"));
  LOWBIT_TRY(symmetric, get_bool(*weights, "symmetric", true));
  std::size_t group_size = whole_row;
  if (find_member(*weights, "group_size") != nullptr) {
    LOWBIT_TRY(own, config_group_size(*weights, "group_size"));
    group_size = own;
  }
  LOWBIT_TRY(strategy, get_string(*weights, "strategy", group_size == whole_row ? "tensor" : "group"));
  if (scheme.format != CtFormat::pack_quantized) {
    const bool nv = scheme.format == CtFormat::nvfp4;
    if (bits != 4 || type != "float")
      return config_refusal(key("weights"), format_name + " holds 4-bit floats, not " + std::to_string(bits) + " bits of type '" + type + "'");
    if (group_size != (nv ? 16u : 32u))
      return config_refusal(key("group_size"), format_name + " has groups of " + (nv ? "16" : "32"));
    if (strategy != "tensor_group" && strategy != "group")
      return config_refusal(key("strategy"), "strategy '" + strategy + "' is not read for " + format_name);
    return scheme;
  }
  if (type != "int") return config_refusal(key("type"), "pack-quantized weights of type '" + type + "' are not read; int is");
  if (bits < 2 || bits > 8) return config_refusal(key("num_bits"), std::to_string(bits) + " bits are not read; 2 to 8 are");
  if (strategy != "tensor" && strategy != "channel" && strategy != "group")
    return config_refusal(key("strategy"), "strategy '" + strategy + "' is not read; tensor, channel and group are");
  if (strategy == "group" && group_size == whole_row && find_member(*weights, "group_size") == nullptr)
    return Error{.code = Errc::missing, .message = "quantization config: strategy 'group' needs a group_size", .tensor = key("group_size")};
  scheme.params = {.bits = bits,
                   .group_size = strategy == "group" ? group_size : whole_row,
                   .per_tensor = strategy == "tensor",
                   .symmetric = symmetric};
  if (const Json* order = find_member(*weights, "actorder"); order != nullptr && !order->is_boolean()) {
    LOWBIT_TRY(actorder, get_string(*weights, "actorder"));
    if (actorder != "weight" && actorder != "static" && actorder != "group" && actorder != "dynamic")
      return config_refusal(key("actorder"), "actorder '" + actorder + "' is not known");
    scheme.params.scattered = actorder == "group" || actorder == "dynamic";
  } else if (order != nullptr) {
    scheme.params.scattered = order->get<bool>();
  }
  return scheme;
}

inline Result<QuantizationConfig> parse_ct(const Json& json) {
  QuantizationConfig out{CtConfig{}, {}};
  CtConfig& config = std::get<CtConfig>(out.method);
  LOWBIT_TRY(status, get_string(json, "quantization_status", "compressed"));
  if (status != "compressed") return config_refusal("quantization_status", "weights of status '" + status + "' are not packed");
  LOWBIT_TRY(format, get_string(json, "format"));
  LOWBIT_TRY(groups, get_object(json, "config_groups"));
  for (const auto& [name, group] : groups->items()) {
    LOWBIT_TRY(scheme, parse_ct_scheme(name, group, format));
    config.schemes.push_back(std::move(scheme));
    for (const char* part : {"input_activations", "output_activations"})
      if (find_member(group, part) != nullptr)
        out.warnings.push_back("config_groups " + name + " has " + part + ": only weights are read");
  }
  if (config.schemes.empty()) return Error{.code = Errc::missing, .message = "quantization config: no config group", .tensor = "config_groups"};
  if (find_member(json, "kv_cache_scheme") != nullptr) out.warnings.push_back("kv_cache_scheme is not read");
  LOWBIT_TRY(ignore, config_strings(json, "ignore"));
  config.ignore = std::move(ignore);
  return out;
}

/// Model Optimizer: only NVFP4, whose tensors are compressed-tensors' under other names.
inline Result<QuantizationConfig> parse_modelopt(const Json& json) {
  LOWBIT_TRY(algorithm, get_string(json, "quant_algo"));
  if (algorithm != "NVFP4") return config_refusal("quant_algo", "algorithm '" + algorithm + "' is not read; NVFP4 is");
  CtConfig config;
  config.schemes.push_back({.name = "NVFP4", .targets = {"Linear"}, .format = CtFormat::nvfp4});
  return QuantizationConfig{std::move(config), {}};
}

inline Result<QuantizationConfig> parse_mlx(const Json& json) {
  MlxConfig config;
  LOWBIT_TRY(mode, get_string(json, "mode", "affine"));
  if (mode != "affine") return config_refusal("mode", "MLX mode '" + mode + "' is not read; affine is");
  const auto widths = [](const Json& object) -> Result<MlxConfig::Widths> {
    LOWBIT_TRY(bits, config_bits(object, "bits"));
    LOWBIT_TRY(group_size, config_group_size(object, "group_size"));
    return MlxConfig::Widths{bits, group_size};
  };
  LOWBIT_TRY(base, widths(json));
  config.widths = base;
  for (const auto& [name, value] : json.items()) {
    if (value.is_boolean() && !value.get<bool>()) config.modules[name] = std::nullopt;
    if (!value.is_object()) continue;
    LOWBIT_TRY(own_mode, get_string(value, "mode", "affine"));
    if (own_mode != "affine") return config_refusal(name, "MLX mode '" + own_mode + "' is not read; affine is");
    LOWBIT_TRY(own, widths(value));
    config.modules[name] = own;
  }
  return QuantizationConfig{std::move(config), {}};
}

}  // namespace detail

/// The quantization config in the text of a config.json, or of a quantize_config.json (whole_object).
/// Errors   missing (no config, or a key of it), unsupported (anything that is not read, naming key and value), malformed,
///          out_of_bounds.
inline Result<QuantizationConfig> parse_quantization_config(std::string_view text, bool whole_object = false) {
  LOWBIT_TRY(json, parse_json(text));
  if (!json.is_object()) return Error{.code = Errc::malformed, .message = "a configuration is a JSON object"};
  const Json* config = whole_object ? &json : find_member(json, "quantization_config");
  const bool mlx = !whole_object && find_member(json, "quantization") != nullptr &&
                   (config == nullptr || find_member(*config, "quant_method") == nullptr);
  if (mlx) {
    LOWBIT_TRY(quantization, get_object(json, "quantization"));
    return detail::parse_mlx(*quantization);
  }
  if (config == nullptr) return detail::no_member("quantization_config");
  if (!config->is_object()) return detail::wrong_type("quantization_config", *config, "an object");
  LOWBIT_TRY(method, whole_object ? get_string(*config, "quant_method", "gptq") : get_string(*config, "quant_method"));
  if (method == "gptq") {
    detail::KeyOrder order(whole_object ? std::vector<std::string>{"dynamic"}
                                        : std::vector<std::string>{"quantization_config", "dynamic"},
                           JsonLimits{}.max_depth);
    LOWBIT_CHECK(detail::run_json(text, order));
    return detail::parse_gptq(*config, order.keys);
  }
  if (method == "awq") return detail::parse_awq(*config);
  if (method == "compressed-tensors") return detail::parse_ct(*config);
  if (method == "modelopt") return detail::parse_modelopt(*config);
  return detail::config_refusal("quant_method", "method '" + method + "' is not read; gptq, awq, compressed-tensors and modelopt are");
}

}  // namespace lowbit::io
