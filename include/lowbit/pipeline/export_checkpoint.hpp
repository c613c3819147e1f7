// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "lowbit/core/version.hpp"
#include "lowbit/io/json.hpp"
#include "lowbit/io/safetensors_writer.hpp"
#include "lowbit/pipeline/import_checkpoint.hpp"
#include "lowbit/pipeline/output_directory.hpp"
#include "lowbit/pipeline/side_files.hpp"
#include "lowbit/pipeline/stored_matrix.hpp"

namespace lowbit::pipeline {

enum class Layout : std::uint8_t { lowbit, gptq, gptq_v2, awq, compressed_tensors };

inline constexpr std::pair<Layout, std::string_view> layout_names[] = {{Layout::lowbit, "lowbit"},
                                                                       {Layout::gptq, "gptq"},
                                                                       {Layout::gptq_v2, "gptq_v2"},
                                                                       {Layout::awq, "awq"},
                                                                       {Layout::compressed_tensors, "compressed-tensors"}};
inline std::string_view to_string(Layout layout) {
  for (const auto& [value, name] : layout_names)
    if (value == layout) return name;
  return "unknown";
}
/// Errors: invalid_argument.
inline Result<Layout> parse_layout(std::string_view text) {
  for (const auto& [value, name] : layout_names)
    if (name == text) return value;
  return Error{.code = Errc::invalid_argument, .message = "no layout is called '" + std::string(text) + "'"};
}

/// What a config must say about one module.
struct ModuleScheme {
  enum class Kind : std::uint8_t { integer, nvfp4, mxfp4 } kind = Kind::integer;
  unsigned bits = 4;
  std::size_t group_size = io::whole_row;
  bool per_tensor = false, symmetric = true, scattered = false;
  auto operator<=>(const ModuleScheme&) const = default;
};

inline ModuleScheme scheme_of(const io::CodeMatrix& m) {
  return {.bits = m.bits, .group_size = m.group_size, .per_tensor = m.per_tensor, .symmetric = m.zeros.empty(), .scattered = !m.g_idx.empty()};
}

namespace detail {

inline io::Json group_json(std::size_t group_size) {
  return group_size == io::whole_row ? io::Json(-1) : io::Json(group_size);
}

/// The scheme of most modules; among equals the least.
inline ModuleScheme common_scheme(const std::map<std::string, ModuleScheme>& modules) {
  std::map<ModuleScheme, std::size_t> counts;
  for (const auto& [name, scheme] : modules) ++counts[scheme];
  ModuleScheme best;
  std::size_t most = 0;
  for (const auto& [scheme, count] : counts)
    if (count > most) best = scheme, most = count;
  return best;
}

inline io::Json writer_note() { return {{"quantizer", {std::string("lowbit:") + version.string}}}; }

/// plain: float modules that a reader would otherwise take for quantized ones.
inline io::Json gptq_config(const std::map<std::string, ModuleScheme>& modules, const std::vector<std::string>& plain, bool v2) {
  const ModuleScheme base = common_scheme(modules);
  bool scattered = false, head = false;
  io::Json dynamic = io::Json::object();
  for (const auto& [name, scheme] : modules) {
    scattered = scattered || scheme.scattered;
    head = head || name == "lm_head";
    if (scheme.bits == base.bits && scheme.group_size == base.group_size && scheme.symmetric == base.symmetric) continue;
    dynamic["+:" + exact_pattern(name)] = {
        {"bits", scheme.bits}, {"group_size", group_json(scheme.group_size)}, {"sym", scheme.symmetric}};
  }
  for (const std::string& name : plain)
    if (name != "lm_head") dynamic["-:" + exact_pattern(name)] = io::Json::object();
  io::Json config = {{"quant_method", "gptq"},
                     {"bits", base.bits},
                     {"group_size", group_json(base.group_size)},
                     {"sym", base.symmetric},
                     {"desc_act", scattered},
                     {"static_groups", false},
                     {"true_sequential", true},
                     {"lm_head", head},
                     {"checkpoint_format", v2 ? "gptq_v2" : "gptq"},
                     {"pack_dtype", "int32"},
                     {"meta", writer_note()}};
  if (!dynamic.empty()) config["dynamic"] = std::move(dynamic);
  return config;
}

inline io::Json awq_config(const std::map<std::string, ModuleScheme>& modules, const std::vector<std::string>& plain) {
  io::Json config = {{"quant_method", "awq"},
                     {"bits", 4},
                     {"group_size", group_json(common_scheme(modules).group_size)},
                     {"zero_point", true},
                     {"version", "gemm"}};
  config["modules_to_not_convert"] = plain.empty() ? io::Json(nullptr) : io::Json(plain);
  return config;
}

inline io::Json ct_config(const std::map<std::string, ModuleScheme>& modules, const std::vector<std::string>& plain) {
  std::map<ModuleScheme, std::vector<std::string>> by_scheme;
  for (const auto& [name, scheme] : modules) by_scheme[scheme].push_back(name);
  const ModuleScheme base = common_scheme(modules);
  const auto format = [](const ModuleScheme& s) {
    return s.kind == ModuleScheme::Kind::integer ? "pack-quantized"
           : s.kind == ModuleScheme::Kind::nvfp4 ? "nvfp4-pack-quantized"
                                                 : "mxfp4-pack-quantized";
  };
  bool mixed = false;
  io::Json groups = io::Json::object();
  std::size_t next = 1;
  for (const auto& [scheme, names] : by_scheme) {
    const bool is_base = scheme == base;
    mixed = mixed || scheme.kind != base.kind;
    io::Json weights = {{"dynamic", false}, {"observer", "minmax"}, {"observer_kwargs", io::Json::object()}, {"block_structure", nullptr}};
    if (scheme.kind == ModuleScheme::Kind::integer) {
      weights["num_bits"] = scheme.bits;
      weights["type"] = "int";
      weights["symmetric"] = scheme.symmetric;
      weights["strategy"] = scheme.per_tensor ? "tensor" : scheme.group_size == io::whole_row ? "channel" : "group";
      weights["group_size"] = scheme.group_size == io::whole_row ? io::Json(nullptr) : io::Json(scheme.group_size);
      weights["actorder"] = scheme.scattered ? io::Json("group") : io::Json(nullptr);
    } else {
      const bool nv = scheme.kind == ModuleScheme::Kind::nvfp4;
      weights["num_bits"] = 4;
      weights["type"] = "float";
      weights["symmetric"] = true;
      weights["strategy"] = nv ? "tensor_group" : "group";
      weights["group_size"] = nv ? 16 : 32;
      weights["actorder"] = nullptr;
      if (!nv) weights["scale_dtype"] = "torch.uint8";
    }
    groups["group_" + std::to_string(is_base ? 0 : next++)] = {
        {"targets", is_base ? io::Json::array({"Linear"}) : io::Json(names)},
        {"weights", std::move(weights)},
        {"format", format(scheme)},
        {"input_activations", nullptr},
        {"output_activations", nullptr}};
  }
  return {{"quant_method", "compressed-tensors"},
          {"format", mixed ? "mixed-precision" : format(base)},
          {"quantization_status", "compressed"},
          {"kv_cache_scheme", nullptr},
          {"ignore", plain},
          {"config_groups", std::move(groups)}};
}

}  // namespace detail

/// A checkpoint directory in one of the layouts, written module by module. Nothing appears under the final name before
/// finish() succeeds. Other engines find what they need: config.json with its quantization_config (for GPTQ also
/// quantize_config.json), tokenizer files, one safetensors file.
class CheckpointWriter {
 public:
  struct Options {
    bool overwrite = false;
    io::CtPacking packing = io::CtPacking::by_shape;  ///< of compressed-tensors words: dense unless padded is asked for
  };

  static Result<CheckpointWriter> create(const std::filesystem::path& source, const std::filesystem::path& destination, Layout layout,
                                         Options options) {
    LOWBIT_TRY(directory, OutputDirectory::create(destination, options.overwrite));
    LOWBIT_TRY(writer, io::SafetensorsWriter::create(directory.staging() / "model.safetensors", false));
    return CheckpointWriter(source, layout, options, std::move(directory), std::move(writer));
  }

  /// A tensor that stays as it is.
  Result<> plain(const io::TensorView& tensor) {
    note_plain(tensor.name, tensor.shape.size());
    return writer_.add(tensor);
  }
  Result<> plain(const std::string& name, io::Dtype dtype, std::vector<std::uint64_t> shape, std::span<const std::uint8_t> bytes) {
    note_plain(name, shape.size());
    return writer_.add(name, dtype, std::move(shape), bytes);
  }

  /// A quantized module, exactly. Errors: unsupported, saying why the layout cannot hold it; then nothing was written.
  Result<> add(const std::string& module, const io::CodeMatrix& m) {
    if (layout_ == Layout::lowbit) {
      LOWBIT_CHECK(add_stored(module, to_stored(m)));
    } else {
      auto tensors = layout_ == Layout::awq                  ? io::write_awq(m)
                     : layout_ == Layout::compressed_tensors ? io::write_pack_quantized(m, options_.packing)
                                                             : io::write_gptq(m, layout_ == Layout::gptq ? io::GptqVersion::v1 : io::GptqVersion::v2);
      if (!tensors) return std::move(tensors).error();
      LOWBIT_CHECK(add_tensors(module, *tensors));
    }
    schemes_[module] = scheme_of(m);
    return {};
  }
  Result<> add(const std::string& module, const io::Fp4Matrix& m) {
    if (layout_ == Layout::lowbit) {
      LOWBIT_CHECK(add_stored(module, to_stored(m)));
    } else if (layout_ == Layout::compressed_tensors) {
      LOWBIT_TRY(tensors, io::write_fp4(m));
      LOWBIT_CHECK(add_tensors(module, tensors));
    } else {
      return Error{.code = Errc::unsupported, .message = "the layout has no four-bit floats"};
    }
    schemes_[module] = {.kind = m.kind == io::Fp4Kind::nvfp4 ? ModuleScheme::Kind::nvfp4 : ModuleScheme::Kind::mxfp4,
                        .group_size = m.group_size()};
    return {};
  }

  const std::map<std::string, ModuleScheme>& schemes() const noexcept { return schemes_; }

  /// Modules that one config of this layout cannot describe together with the others, each with the reason: AWQ has one
  /// group size for all.
  std::map<std::string, std::string> conflicts() const {
    std::map<std::string, std::string> out;
    if (layout_ != Layout::awq) return out;
    const ModuleScheme base = detail::common_scheme(schemes_);
    for (const auto& [name, scheme] : schemes_)
      if (scheme.group_size != base.group_size)
        out[name] = "AWQ has one group size for all modules, and most have another";
    return out;
  }

  Result<> finish() {
    metadata_["format"] = "pt";
    if (layout_ == Layout::lowbit) {
      metadata_[std::string(metadata_version_key)] = metadata_version;
      metadata_["lowbit.recipe"] = "converted";
    }
    writer_.set_metadata(std::move(metadata_));
    LOWBIT_CHECK(writer_.finish());
    const io::Json quantization = make_config();
    LOWBIT_TRY(text, io::read_text(source_ / "config.json", std::uint64_t{16} << 20));
    LOWBIT_TRY(json, io::parse_json(text));
    json.erase("quantization");  // MLX
    json["quantization_config"] = quantization;
    LOWBIT_CHECK(write_text(directory_.staging() / "config.json", json.dump(1) + "\n"));
    if (layout_ == Layout::gptq || layout_ == Layout::gptq_v2)
      LOWBIT_CHECK(write_text(directory_.staging() / "quantize_config.json", quantization.dump(1) + "\n"));
    LOWBIT_CHECK(copy_side_files(source_, directory_.staging()));
    return directory_.commit();
  }

 private:
  CheckpointWriter(std::filesystem::path source, Layout layout, Options options, OutputDirectory directory, io::SafetensorsWriter writer)
      : source_(std::move(source)), layout_(layout), options_(options), directory_(std::move(directory)), writer_(std::move(writer)) {}

  Result<> add_stored(const std::string& module, Result<StoredMatrix> stored) {
    if (!stored) return std::move(stored).error();
    const std::string name = module + ".weight";
    for (const StoredPart& part : stored->parts) LOWBIT_CHECK(writer_.add(name + part.suffix, part.dtype, part.shape, part.bytes));
    metadata_[std::string(metadata_prefix) + name] = to_json(stored->shape);
    return {};
  }
  Result<> add_tensors(const std::string& module, const std::vector<io::OwnedTensor>& tensors) {
    for (const io::OwnedTensor& t : tensors) LOWBIT_CHECK(writer_.add(module + t.suffix, t.dtype, t.shape, t.bytes));
    return {};
  }
  /// Float matrices that are no embeddings are linear layers that stay float.
  void note_plain(const std::string& name, std::size_t rank) {
    constexpr std::string_view weight = ".weight";
    if (rank == 2 && name.ends_with(weight) && name.find("embed") == std::string::npos)
      plain_.push_back(name.substr(0, name.size() - weight.size()));
  }
  io::Json make_config() {
    std::sort(plain_.begin(), plain_.end());
    if (schemes_.count("lm_head") == 0 && std::find(plain_.begin(), plain_.end(), "lm_head") == plain_.end())
      plain_.insert(plain_.begin(), "lm_head");  // a tied head is a linear layer as well
    if (layout_ == Layout::lowbit)
      return {{"quant_method", "lowbit"}, {"version", std::string(metadata_version)}, {"recipe", "converted"}};
    if (layout_ == Layout::awq) return detail::awq_config(schemes_, plain_);
    if (layout_ == Layout::compressed_tensors) return detail::ct_config(schemes_, plain_);
    return detail::gptq_config(schemes_, plain_, layout_ == Layout::gptq_v2);
  }

  std::filesystem::path source_;
  Layout layout_;
  Options options_;
  OutputDirectory directory_;
  io::SafetensorsWriter writer_;  // after directory_: its temporaries go before the staging directory does
  std::map<std::string, ModuleScheme> schemes_;
  std::vector<std::string> plain_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace lowbit::pipeline
