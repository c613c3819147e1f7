// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "lowbit/io/atomic_file.hpp"
#include "lowbit/io/checkpoint/awq.hpp"
#include "lowbit/io/checkpoint/compressed_tensors.hpp"
#include "lowbit/io/checkpoint/config.hpp"
#include "lowbit/io/checkpoint/fp4.hpp"
#include "lowbit/io/checkpoint/gptq.hpp"
#include "lowbit/io/checkpoint/mlx.hpp"
#include "lowbit/io/safetensors_set.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/pipeline/basis.hpp"
#include "lowbit/pipeline/module_patterns.hpp"
#include "lowbit/pipeline/stored_codes.hpp"
#include "lowbit/pipeline/stored_matrix.hpp"
#include "lowbit/pipeline/stored_types.hpp"

namespace lowbit::pipeline {

/// A matrix of a type that has no scaled integer codes, as its values. `type` names what it was.
struct FloatMatrix {
  Matrix values;
  std::string type;
};

/// What a quantized module turns out to hold.
using ImportedMatrix = std::variant<io::CodeMatrix, io::Fp4Matrix, io::AffineMatrix, FloatMatrix>;

inline std::pair<std::size_t, std::size_t> shape_of(const ImportedMatrix& matrix) {
  if (const auto* m = std::get_if<io::CodeMatrix>(&matrix)) return {m->rows, m->cols};
  if (const auto* m = std::get_if<io::Fp4Matrix>(&matrix)) return {m->rows, m->cols};
  if (const auto* m = std::get_if<io::AffineMatrix>(&matrix)) return {m->codes.rows, m->codes.cols};
  const Matrix& values = std::get<FloatMatrix>(matrix).values;
  return {static_cast<std::size_t>(values.rows()), static_cast<std::size_t>(values.cols())};
}

/// The weights in float.
inline Matrix dequantized(const ImportedMatrix& matrix) {
  if (const auto* m = std::get_if<FloatMatrix>(&matrix)) return m->values;
  const auto [rows, cols] = shape_of(matrix);
  Matrix W(static_cast<Index>(rows), static_cast<Index>(cols));
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < cols; ++c) {
      float& w = W(static_cast<Index>(r), static_cast<Index>(c));
      if (const auto* m = std::get_if<io::CodeMatrix>(&matrix))
        w = m->weight(r, c);
      else if (const auto* fp4 = std::get_if<io::Fp4Matrix>(&matrix))
        w = io::fp4_weight(*fp4, r, c);
      else
        w = std::get<io::AffineMatrix>(matrix).weight(r, c);
    }
  return W;
}

/// The quantization config of somebody else's checkpoint in this directory: in config.json, or a quantize_config.json or
/// quant_config.json beside it. Nothing for float checkpoints and this library's own.
inline Result<std::optional<io::QuantizationConfig>> read_quantization_config(const std::filesystem::path& dir) {
  constexpr std::uint64_t limit = std::uint64_t{16} << 20;
  const auto parse = [](const std::filesystem::path& path, const std::string& text,
                        bool whole) -> Result<std::optional<io::QuantizationConfig>> {
    auto config = io::parse_quantization_config(text, whole);
    if (!config) return std::move(config).error().in_file(path.string());
    return std::optional(std::move(*config));
  };
  const std::filesystem::path main = dir / "config.json";
  LOWBIT_TRY(text, io::read_text(main, limit));
  auto json = io::parse_json(text);
  if (!json) return std::move(json).error().in_file(main.string());
  const io::Json* inner = io::find_member(*json, "quantization_config");
  if (inner != nullptr) {
    const io::Json* method = io::find_member(*inner, "quant_method");
    if (method != nullptr && method->is_string() && *method == "lowbit") return std::optional<io::QuantizationConfig>();
  }
  if (inner != nullptr || io::find_member(*json, "quantization") != nullptr) return parse(main, text, false);
  for (const char* leaf : {"quantize_config.json", "quant_config.json"}) {
    std::error_code failure;
    if (!std::filesystem::exists(dir / leaf, failure)) continue;
    LOWBIT_TRY(beside, io::read_text(dir / leaf, limit));
    return parse(dir / leaf, beside, true);
  }
  return std::optional<io::QuantizationConfig>();
}

struct ImportOptions {
  io::CtPacking packing = io::CtPacking::by_shape;  ///< for narrow compressed-tensors matrices of 3, 5, 6 or 7 bits
};

/// A quantized checkpoint, this library's or somebody else's: which modules are quantized, and what each holds.
///
/// Which modules are quantized is told by the tensors that lie there; how, by the configuration. A module with packed
/// tensors that the configuration excludes is an error, since one of the two is wrong.
class QuantizedCheckpoint {
 public:
  /// Errors: missing (no quantized module), unsupported and malformed configurations, those of the readers.
  static Result<QuantizedCheckpoint> open(const std::filesystem::path& dir, ImportOptions options = {}) {
    LOWBIT_TRY(config, read_quantization_config(dir));
    LOWBIT_TRY(set, io::SafetensorsSet::open(dir));
    QuantizedCheckpoint checkpoint(dir, std::move(config), std::move(set), options);
    if (auto found = checkpoint.find_modules(); !found) return std::move(found).error().in_file(dir.string());
    return checkpoint;
  }

  /// Names such as "model.layers.0.mlp.up_proj", sorted.
  const std::vector<std::string>& modules() const noexcept { return modules_; }
  bool is_quantized(const std::string& module) const {
    return std::binary_search(modules_.begin(), modules_.end(), module);
  }
  const io::SafetensorsSet& tensors() const noexcept { return set_; }
  /// True for the tensors that make up quantized modules; biases are not among them.
  bool is_part(const std::string& tensor) const { return parts_.contains(tensor); }
  /// Bytes of the tensors of one module.
  std::uint64_t stored_bytes(const std::string& module) const {
    std::uint64_t bytes = 0;
    for (const std::string_view suffix : suffixes())
      if (const io::TensorView* tensor = set_.find(module + std::string(suffix)); tensor != nullptr && is_part(tensor->name))
        bytes += tensor->bytes.size();
    return bytes;
  }
  /// "lowbit", "gptq", "gptq_v2", "awq", "compressed-tensors" or "mlx".
  std::string method() const {
    if (!config_) return "lowbit";
    if (const auto* gptq = std::get_if<io::GptqConfig>(&config_->method))
      return gptq->params.version == io::GptqVersion::v1 ? "gptq" : "gptq_v2";
    return std::holds_alternative<io::AwqConfig>(config_->method)  ? "awq"
           : std::holds_alternative<io::CtConfig>(config_->method) ? "compressed-tensors"
                                                                   : "mlx";
  }
  std::vector<std::string> warnings() const { return config_ ? config_->warnings : std::vector<std::string>{}; }

  /// Reads one of modules(). Errors: those of the layout's reader; malformed when the configuration excludes the module.
  Result<io::ReadMatrix<ImportedMatrix>> read(const std::string& module) const {
    auto matrix = config_ ? std::visit([&](const auto& config) { return read_with(config, module); }, config_->method)
                          : read_stored(module);
    if (matrix) return matrix;
    Error error = std::move(matrix).error();
    if (!error.tensor.starts_with(module)) error.tensor = module + (error.tensor.empty() ? "" : ".") + error.tensor;
    return error;
  }

 private:
  using Imported = io::ReadMatrix<ImportedMatrix>;

  QuantizedCheckpoint(std::filesystem::path dir, std::optional<io::QuantizationConfig> config, io::SafetensorsSet set,
                      ImportOptions options)
      : dir_(std::move(dir)), config_(std::move(config)), set_(std::move(set)), options_(options) {}

  std::vector<std::string_view> suffixes() const {
    if (!config_) return {".weight.codes", ".weight.scales", ".weight.zeros", ".weight.shared", ".weight.column_order"};
    if (std::holds_alternative<io::GptqConfig>(config_->method)) return {".qweight", ".qzeros", ".scales", ".g_idx"};
    if (std::holds_alternative<io::AwqConfig>(config_->method)) return {".qweight", ".qzeros", ".scales"};
    if (std::holds_alternative<io::CtConfig>(config_->method))
      return {".weight_packed",     ".weight",       ".weight_scale",        ".weight_shape", ".weight_zero_point",
              ".weight_g_idx",      ".weight_scale_2", ".weight_global_scale", ".input_scale",  ".input_global_scale"};
    return {".weight", ".scales", ".biases"};
  }

  Result<> find_modules() {
    std::set<std::string> found;
    const auto strip = [](std::string_view name, std::string_view suffix) {
      return std::string(name.substr(0, name.size() - suffix.size()));
    };
    if (!config_) {
      for (const auto& [key, value] : set_.metadata())
        if (key.starts_with(metadata_prefix) && key.ends_with(".weight"))
          found.insert(strip(std::string_view(key).substr(metadata_prefix.size()), ".weight"));
      const auto version = set_.metadata().find(std::string(metadata_version_key));
      if (!found.empty() && (version == set_.metadata().end() || version->second != metadata_version))
        return Error{.code = Errc::unsupported, .message = "packed tensors use another naming version than " + std::string(metadata_version)};
    } else {
      const bool gptq_or_awq = std::holds_alternative<io::GptqConfig>(config_->method) ||
                               std::holds_alternative<io::AwqConfig>(config_->method);
      const bool ct = std::holds_alternative<io::CtConfig>(config_->method);
      const std::vector<std::string_view> markers =
          gptq_or_awq ? std::vector<std::string_view>{".qweight"}
          : ct        ? std::vector<std::string_view>{".weight_packed", ".weight_scale_2"}
                      : std::vector<std::string_view>{".biases"};
      for (const io::TensorView& tensor : set_.tensors())
        for (const std::string_view marker : markers)
          if (tensor.name.ends_with(marker)) found.insert(strip(tensor.name, marker));
    }
    modules_.assign(found.begin(), found.end());
    if (modules_.empty())
      return Error{.code = Errc::missing,
                   .message = config_ ? "the configuration says " + method() + ", but no tensor is packed that way"
                                      : std::string("the checkpoint is not quantized")};
    for (const std::string& module : modules_)
      for (const std::string_view suffix : suffixes())
        if (set_.find(module + std::string(suffix)) != nullptr) parts_.insert(module + std::string(suffix));
    return {};
  }

  const io::TensorView* part(const std::string& module, const char* suffix) const { return set_.find(module + suffix); }

  static Error excluded(const std::string& module) {
    return {.code = Errc::malformed, .message = "has packed tensors, but the configuration excludes the module", .tensor = module};
  }
  template <class M>
  static Result<Imported> imported(Result<io::ReadMatrix<M>> read) {
    if (!read) return std::move(read).error();
    return Imported{ImportedMatrix(std::move(read->matrix)), std::move(read->warnings)};
  }

  Result<Imported> read_with(const io::GptqConfig& config, const std::string& module) const {
    LOWBIT_TRY(params, params_for(config, module));
    if (!params) return excluded(module);
    return imported(io::read_gptq(
        {part(module, ".qweight"), part(module, ".qzeros"), part(module, ".scales"), part(module, ".g_idx")}, *params));
  }
  Result<Imported> read_with(const io::AwqConfig& config, const std::string& module) const {
    LOWBIT_TRY(group_size, params_for(config, module));
    if (!group_size) return excluded(module);
    return imported(io::read_awq({part(module, ".qweight"), part(module, ".qzeros"), part(module, ".scales")}, *group_size));
  }
  Result<Imported> read_with(const io::CtConfig& config, const std::string& module) const {
    LOWBIT_TRY(scheme, params_for(config, module));
    if (!scheme) return excluded(module);
    if (scheme->format == io::CtFormat::pack_quantized) {
      io::CtParams params = scheme->params;
      params.packing = options_.packing;
      return imported(io::read_pack_quantized({part(module, ".weight_packed"), part(module, ".weight_scale"), part(module, ".weight_shape"),
                                               part(module, ".weight_zero_point"), part(module, ".weight_g_idx")},
                                              params));
    }
    const io::TensorView* reciprocal = part(module, ".weight_scale_2");
    const io::TensorView* packed = part(module, ".weight_packed");
    const io::TensorView* global = part(module, ".weight_global_scale");
    if (reciprocal != nullptr && global != nullptr)
      return Error{.code = Errc::malformed, .message = "has both weight_global_scale and its reciprocal weight_scale_2", .tensor = module};
    const io::Fp4Kind kind = scheme->format == io::CtFormat::nvfp4 ? io::Fp4Kind::nvfp4 : io::Fp4Kind::mxfp4;
    auto read = io::read_fp4({packed != nullptr ? packed : part(module, ".weight"), part(module, ".weight_scale"),
                              reciprocal != nullptr ? reciprocal : global},
                             kind, reciprocal != nullptr);
    if (read && kind == io::Fp4Kind::nvfp4 && io::largest_fp4_scale(read->matrix) < 1.0f && read->matrix.rows != 0)
      read->warnings.push_back("the largest group scale is below 1 where writers aim for 448: the global scale may be inverted");
    return imported(std::move(read));
  }
  Result<Imported> read_with(const io::MlxConfig& config, const std::string& module) const {
    LOWBIT_TRY(widths, params_for(config, module));
    if (!widths) return excluded(module);
    return imported(io::read_mlx({part(module, ".weight"), part(module, ".scales"), part(module, ".biases")}, widths->bits, widths->group_size));
  }

  Result<Imported> read_stored(const std::string& module) const {
    const std::string name = module + ".weight";
    LOWBIT_TRY(shape, parse_stored_shape(set_.metadata().find(std::string(metadata_prefix) + name)->second));
    if (detail::parse_uniform_name(shape.type) && !shape.transformed()) {
      LOWBIT_TRY(matrix, from_stored(set_, name, shape));
      return Imported{ImportedMatrix(std::move(matrix)), {}};
    }
    if ((shape.type == "nvfp4" || shape.type == "mxfp4") && !shape.transformed()) {
      LOWBIT_TRY(matrix, fp4_from_stored(set_, name, shape));
      return Imported{ImportedMatrix(std::move(matrix)), {}};
    }
    LOWBIT_TRY(codec, find_codec(shape.type));
    LOWBIT_TRY(linear, load_packed(*codec, PartsInFile(set_, name), name, shape));
    return Imported{ImportedMatrix(FloatMatrix{linear->dequantized(), shape.type}), {}};
  }

  std::filesystem::path dir_;
  std::optional<io::QuantizationConfig> config_;
  io::SafetensorsSet set_;
  ImportOptions options_;
  std::vector<std::string> modules_;
  std::set<std::string> parts_;
};

}  // namespace lowbit::pipeline
