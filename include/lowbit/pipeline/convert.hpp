// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "lowbit/pipeline/export_checkpoint.hpp"
#include "lowbit/pipeline/requantize.hpp"

namespace lowbit::pipeline {

struct ConvertOptions {
  bool overwrite = false;
  bool requantize = false;  ///< round what the layout cannot hold exactly, and say so; otherwise that is refused
  io::CtPacking packing = io::CtPacking::by_shape;  ///< of compressed-tensors words, read and written
  std::function<void(std::size_t done, std::size_t total, const std::string& module)> progress{};
};

/// One matrix's row of the report.
struct ConvertedModule {
  enum class Outcome : std::uint8_t {
    exact,        ///< every code, scale and zero point carried over; so every weight has the value it had, but for nvfp4's
                  ///< tensor scale, which some layouts divide by and others multiply with (a warning says so)
    requantized,  ///< some weights moved; see the errors
    dequantized,  ///< became floats, which hold its values up to their rounding
    refused,      ///< the layout cannot hold it
  };
  std::string name;
  std::size_t rows = 0, cols = 0;
  std::string source;  ///< for example "int4 asym g128"
  Outcome outcome = Outcome::exact;
  std::string reason{};  ///< why it is not exact
  double max_error = 0.0, relative_error = 0.0;  ///< max |ΔW|, and ‖ΔW‖²/‖W‖²
  std::vector<std::string> warnings{};
};

inline const char* to_string(ConvertedModule::Outcome outcome) {
  using enum ConvertedModule::Outcome;
  return outcome == exact ? "exact" : outcome == requantized ? "requantized" : outcome == dequantized ? "dequantized" : "refused";
}

struct ConversionReport {
  std::string from, to;
  bool written = false;  ///< false exactly when a module was refused; then there is no output
  std::vector<ConvertedModule> modules;
  std::vector<std::string> copied;  ///< names of tensors copied bit for bit
  std::vector<std::string> warnings;

  std::size_t count(ConvertedModule::Outcome outcome) const {
    return static_cast<std::size_t>(
        std::count_if(modules.begin(), modules.end(), [&](const ConvertedModule& m) { return m.outcome == outcome; }));
  }
};

/// schema "lowbit.convert/1".
inline io::Json to_json(const ConversionReport& report) {
  using Outcome = ConvertedModule::Outcome;
  io::Json modules = io::Json::array();
  for (const ConvertedModule& m : report.modules) {
    io::Json row = {{"name", m.name}, {"rows", m.rows}, {"cols", m.cols}, {"source", m.source}, {"outcome", to_string(m.outcome)}};
    if (!m.reason.empty()) row["reason"] = m.reason;
    if (m.outcome == Outcome::requantized || m.outcome == Outcome::dequantized) {
      row["max_error"] = m.max_error;
      row["relative_error"] = m.relative_error;
    }
    if (!m.warnings.empty()) row["warnings"] = m.warnings;
    modules.push_back(std::move(row));
  }
  return {{"schema", "lowbit.convert/1"},
          {"from", report.from},
          {"to", report.to},
          {"written", report.written},
          {"exact", report.count(Outcome::exact)},
          {"requantized", report.count(Outcome::requantized)},
          {"dequantized", report.count(Outcome::dequantized)},
          {"refused", report.count(Outcome::refused)},
          {"copied", report.copied},
          {"warnings", report.warnings},
          {"modules", std::move(modules)}};
}

namespace detail {

inline std::string describe(const ImportedMatrix& matrix) {
  const auto codes = [](const io::CodeMatrix& m, const char* zero) {
    return "int" + std::to_string(m.bits) + zero +
           (m.per_tensor ? " gtensor" : m.group_size == io::whole_row ? " grow" : " g" + std::to_string(m.group_size)) +
           (m.g_idx.empty() ? "" : " act_order");
  };
  if (const auto* m = std::get_if<io::CodeMatrix>(&matrix)) return codes(*m, m->zeros.empty() ? " sym" : " asym");
  if (const auto* m = std::get_if<io::Fp4Matrix>(&matrix)) return m->kind == io::Fp4Kind::nvfp4 ? "nvfp4" : "mxfp4";
  if (const auto* m = std::get_if<io::AffineMatrix>(&matrix)) return codes(m->codes, " affine");
  return std::get<FloatMatrix>(matrix).type;
}

/// How far W moved.
inline void measure(const Matrix& before, const Matrix& after, ConvertedModule& row) {
  double moved = 0.0, total = 0.0;
  for (Index i = 0; i < before.size(); ++i) {
    const double w = static_cast<double>(before.data()[i]), d = static_cast<double>(after.data()[i]) - w;
    row.max_error = std::max(row.max_error, std::abs(d));
    moved += d * d;
    total += w * w;
  }
  row.relative_error = total > 0.0 ? moved / total : 0.0;
}

/// The group size of most integer modules.
inline std::size_t usual_group(const std::map<std::size_t, std::size_t>& counts) {
  std::size_t usual = 128, most = 0;
  for (const auto& [size, count] : counts)
    if (count > most) usual = size, most = count;
  return usual;
}

/// One group size for all modules, since AWQ has no other: the one that most have if it divides all their inputs, otherwise
/// the largest power of two up to 128 that does. Reads every module.
inline Result<std::size_t> common_group(const QuantizedCheckpoint& source) {
  std::map<std::size_t, std::size_t> counts;
  std::vector<std::size_t> inputs;
  for (const std::string& name : source.modules()) {
    LOWBIT_TRY(read, source.read(name));
    inputs.push_back(pipeline::shape_of(read.matrix).second);
    if (const auto* codes = std::get_if<io::CodeMatrix>(&read.matrix)) ++counts[codes->group_size];
    if (const auto* affine = std::get_if<io::AffineMatrix>(&read.matrix)) ++counts[affine->codes.group_size];
  }
  const auto divides_all = [&](std::size_t size) {
    return size == io::whole_row || std::all_of(inputs.begin(), inputs.end(), [size](std::size_t n) { return n % size == 0; });
  };
  std::size_t size = usual_group(counts);
  if (!divides_all(size))
    for (size = 128; !divides_all(size);) size /= 2;
  return size;
}

/// The grid on which `layout` can hold a matrix that was rounded: the bits and group size of the source where it has them.
/// forced: the group size that all modules must have.
inline std::pair<unsigned, std::size_t> grid_for(const ImportedMatrix& matrix, Layout layout, std::optional<std::size_t> forced) {
  unsigned bits = 4;
  std::size_t group_size = 128;
  if (const auto* m = std::get_if<io::CodeMatrix>(&matrix)) bits = m->bits, group_size = m->group_size;
  if (const auto* m = std::get_if<io::AffineMatrix>(&matrix)) bits = m->codes.bits, group_size = m->codes.group_size;
  if (const auto* m = std::get_if<io::Fp4Matrix>(&matrix)) group_size = m->group_size();
  if (layout == Layout::awq) bits = 4;
  if (forced) group_size = *forced;
  if ((layout == Layout::gptq || layout == Layout::gptq_v2) && !io::detail::gptq_has_bits(bits)) bits = 8;
  return {bits, group_size};
}

class Converter {
 public:
  /// forced_group: every module must have this group size.
  Converter(const QuantizedCheckpoint& source, CheckpointWriter& writer, Layout layout, const ConvertOptions& options,
            std::optional<std::size_t> forced_group)
      : source_(source), writer_(writer), layout_(layout), options_(options), forced_group_(forced_group) {}

  Result<> module(const std::string& name, ConversionReport& report) {
    LOWBIT_TRY(read, source_.read(name));
    ConvertedModule row;
    row.name = name;
    std::tie(row.rows, row.cols) = pipeline::shape_of(read.matrix);
    row.source = describe(read.matrix);
    row.warnings = std::move(read.warnings);
    if (name.find("embed") != std::string::npos) {
      LOWBIT_CHECK(floats(name, read.matrix, row));
    } else if (auto why = exactly(name, read.matrix); !why) {
      return std::move(why).error();
    } else if (!why->empty()) {
      row.reason = std::move(*why);
      row.outcome = ConvertedModule::Outcome::refused;
      if (options_.requantize) LOWBIT_CHECK(rounded(name, read.matrix, row));
    }
    if (const auto* fp4 = std::get_if<io::Fp4Matrix>(&read.matrix);
        fp4 != nullptr && fp4->kind == io::Fp4Kind::nvfp4 && fp4->multiplies != (layout_ == Layout::lowbit) &&
        static_cast<double>(1.0f / fp4->global_scale) * static_cast<double>(fp4->global_scale) != 1.0)
      row.warnings.push_back("the tensor scale becomes its reciprocal, rounded to float");
    if (layout_ == Layout::gptq && row.outcome != ConvertedModule::Outcome::refused)
      if (const auto scheme = writer_.schemes().find(name); scheme != writer_.schemes().end() && !scheme->second.symmetric)
        asymmetric_v1_ = true;
    report.modules.push_back(std::move(row));
    return {};
  }

  void add_warnings(ConversionReport& report) const {
    if (asymmetric_v1_)
      report.warnings.push_back("asymmetric weights in GPTQ version 1: readers disagree about a zero point of 0; gptq_v2 is unambiguous");
  }

 private:
  /// Empty when the module was written exactly; otherwise why the layout cannot hold it.
  Result<std::string> exactly(const std::string& name, const ImportedMatrix& matrix) {
    Result<> added = Error{.code = Errc::unsupported, .message = "weights of type " + describe(matrix) + " are no scaled integer codes"};
    if (const auto* codes = std::get_if<io::CodeMatrix>(&matrix)) {
      added = forced_group_ && *forced_group_ != codes->group_size
                  ? Error{.code = Errc::unsupported, .message = "AWQ has one group size for all modules, and this is not it"}
                  : writer_.add(name, *codes);
    } else if (const auto* fp4 = std::get_if<io::Fp4Matrix>(&matrix)) {
      added = writer_.add(name, *fp4);
    } else if (const auto* affine = std::get_if<io::AffineMatrix>(&matrix)) {
      if (const auto same = io::with_integer_zeros(*affine))
        added = writer_.add(name, *same);
      else
        added = Error{.code = Errc::unsupported, .message = "a bias is no whole number of steps, so that no zero point gives it"};
    }
    if (added) return std::string();
    if (added.error().code == Errc::unsupported) return std::move(added.error().message);
    return std::move(added).error();
  }

  Result<> rounded(const std::string& name, const ImportedMatrix& matrix, ConvertedModule& row) {
    const Matrix W = dequantized(matrix);
    std::optional<io::CodeMatrix> codes;
    if (const auto* affine = std::get_if<io::AffineMatrix>(&matrix)) codes = round_biases(*affine);
    Result<> added = Error{.code = Errc::unsupported, .message = {}};
    if (codes) added = writer_.add(name, *codes);
    if (!added && added.error().code == Errc::unsupported) {
      const auto [bits, group_size] = grid_for(matrix, layout_, forced_group_);
      auto again = round_to_codes(W, bits, group_size);
      if (!again) return std::move(again).error().in_tensor(name);
      codes = std::move(*again);
      added = writer_.add(name, *codes);
    }
    if (!added && added.error().code != Errc::unsupported) return added;
    if (!added) {  // shapes, for example: no grid helps
      row.reason = std::move(added.error().message);
      return {};
    }
    row.outcome = ConvertedModule::Outcome::requantized;
    measure(W, dequantized(*codes), row);
    return {};
  }

  /// Embeddings are floats in every layout that is written: F16 or BF16, whichever the scales were.
  Result<> floats(const std::string& name, const ImportedMatrix& matrix, ConvertedModule& row) {
    const Matrix W = dequantized(matrix);
    const auto* affine = std::get_if<io::AffineMatrix>(&matrix);
    const auto* codes = std::get_if<io::CodeMatrix>(&matrix);
    const io::Dtype dtype = affine != nullptr ? affine->codes.scale_dtype : codes != nullptr ? codes->scale_dtype : io::Dtype::F32;
    Matrix stored = W;
    std::vector<std::uint8_t> bytes;
    for (Index i = 0; i < W.size(); ++i) {
      float& w = stored.data()[i];
      if (dtype == io::Dtype::F32) {
        io::detail::append_le(bytes, w);
      } else {
        const std::uint16_t half = dtype == io::Dtype::F16 ? f16::encode(w) : bf16::encode(w);
        w = dtype == io::Dtype::F16 ? f16::decode(half) : bf16::decode(half);
        if (!std::isfinite(w)) return Error{.code = Errc::not_finite, .message = "a weight passes the range of F16", .tensor = name};
        io::detail::append_le(bytes, half);
      }
    }
    row.outcome = ConvertedModule::Outcome::dequantized;
    row.reason = "embeddings are floats in this layout";
    measure(W, stored, row);
    return writer_.plain(name + ".weight", dtype, {row.rows, row.cols}, bytes);
  }

  const QuantizedCheckpoint& source_;
  CheckpointWriter& writer_;
  Layout layout_;
  const ConvertOptions& options_;
  std::optional<std::size_t> forced_group_;
  bool asymmetric_v1_ = false;
};

}  // namespace detail

/// Rewrites a quantized checkpoint in another layout: codes, scales and zero points bit for bit wherever the layout can hold
/// them, every other tensor as it is, tokenizer and configuration files copied.
///
/// A module that the layout cannot hold is refused, or, with options.requantize, rounded; the report says which and why.
/// With a refused module nothing is written and the report says so: that is no error, since the question was answered.
/// Memory: one matrix at a time, one byte per code. Deterministic.
/// Errors: those of the readers and the writer, naming tensor and place; invalid_argument when the layout is the source's.
inline Result<ConversionReport> convert_checkpoint(const std::filesystem::path& source, const std::filesystem::path& destination,
                                                   Layout layout, const ConvertOptions& options = {}) {
  LOWBIT_TRY(checkpoint, QuantizedCheckpoint::open(source, {.packing = options.packing}));
  ConversionReport report;
  report.from = checkpoint.method();
  report.to = std::string(to_string(layout));
  report.warnings = checkpoint.warnings();
  if (layout == Layout::lowbit && report.from == "lowbit")
    return Error{.code = Errc::invalid_argument, .message = "the checkpoint is in that layout already", .file = source.string()};
  LOWBIT_TRY(writer, CheckpointWriter::create(source, destination, layout, {.overwrite = options.overwrite, .packing = options.packing}));
  const auto here = [&](Error error) { return std::move(error).in_file(source.string()); };
  for (const io::TensorView& tensor : checkpoint.tensors().tensors()) {
    if (checkpoint.is_part(tensor.name)) continue;
    if (auto added = writer.plain(tensor); !added) return here(std::move(added).error());
    report.copied.push_back(tensor.name);
  }
  std::optional<std::size_t> forced_group;
  if (layout == Layout::awq && options.requantize) {
    auto common = detail::common_group(checkpoint);
    if (!common) return here(std::move(common).error());
    forced_group = *common;
  }
  detail::Converter converter(checkpoint, writer, layout, options, forced_group);
  for (std::size_t i = 0; i < checkpoint.modules().size(); ++i) {
    if (options.progress) options.progress(i, checkpoint.modules().size(), checkpoint.modules()[i]);
    if (auto done = converter.module(checkpoint.modules()[i], report); !done)
      return here(std::move(done).error().in_tensor(checkpoint.modules()[i]));
  }
  if (options.progress) options.progress(checkpoint.modules().size(), checkpoint.modules().size(), "");
  for (const io::TensorView& tensor : checkpoint.tensors().tensors())
    if (checkpoint.is_part(tensor.name) && (tensor.name.ends_with(".input_scale") || tensor.name.ends_with(".input_global_scale"))) {
      report.warnings.push_back("scales of quantized activations (" + tensor.name + " and its like) are left out");
      break;
    }
  converter.add_warnings(report);
  const auto conflicts = writer.conflicts();
  for (ConvertedModule& row : report.modules)
    if (const auto conflict = conflicts.find(row.name); conflict != conflicts.end()) {
      row.outcome = ConvertedModule::Outcome::refused;
      row.reason = conflict->second;
    }
  if (report.count(ConvertedModule::Outcome::refused) != 0) return report;
  LOWBIT_CHECK(writer.finish());
  report.written = true;
  return report;
}

}  // namespace lowbit::pipeline
