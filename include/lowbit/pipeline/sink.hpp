// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>

#include "lowbit/core/result.hpp"
#include "lowbit/io/atomic_file.hpp"
#include "lowbit/io/json.hpp"
#include "lowbit/io/safetensors_writer.hpp"
#include "lowbit/pipeline/codec.hpp"
#include "lowbit/pipeline/output_directory.hpp"
#include "lowbit/pipeline/side_files.hpp"
#include "lowbit/pipeline/stored_matrix.hpp"

namespace lowbit::pipeline {

/// Where a quantized checkpoint goes, tensor by tensor. Nothing appears under the final name before finish() succeeds.
class Sink {
 public:
  virtual ~Sink() = default;
  /// A tensor that stays as it is.
  virtual Result<> plain(const io::TensorView& tensor) = 0;
  /// A weight matrix that became floats of another type.
  virtual Result<> floats(const std::string& name, io::Dtype dtype, const Matrix& rounded) = 0;
  /// A packed weight matrix.
  virtual Result<> packed(const std::string& name, const Codec& codec, const QuantizedWeights& weights) = 0;
  virtual Result<> finish() = 0;
};

/// The bytes of a float matrix in F32, F16 or BF16.
inline std::vector<std::uint8_t> float_bytes(io::Dtype dtype, const Matrix& values) {
  const auto count = static_cast<std::size_t>(values.size());
  std::vector<std::uint8_t> bytes(count * (dtype == io::Dtype::F32 ? 4 : 2));
  for (std::size_t i = 0; i < count; ++i) {
    const float x = values.data()[i];
    if (dtype == io::Dtype::F32) {
      std::memcpy(bytes.data() + 4 * i, &x, 4);
    } else {
      const std::uint16_t half = dtype == io::Dtype::F16 ? f16::encode(x) : bf16::encode(x);
      std::memcpy(bytes.data() + 2 * i, &half, 2);
    }
  }
  return bytes;
}

/// A directory in Hugging Face layout: config.json with a quantization_config, the source's tokenizer files, and one
/// safetensors file named as stored_matrix.hpp says.
class HuggingFaceSink final : public Sink {
 public:
  static Result<std::unique_ptr<Sink>> create(const std::filesystem::path& source, const std::filesystem::path& destination,
                                              const std::string& recipe, bool overwrite) {
    LOWBIT_TRY(directory, OutputDirectory::create(destination, overwrite));
    LOWBIT_TRY(writer, io::SafetensorsWriter::create(directory.staging() / "model.safetensors", false));
    return std::unique_ptr<Sink>(new HuggingFaceSink(source, recipe, std::move(directory), std::move(writer)));
  }

  Result<> plain(const io::TensorView& tensor) override { return writer_.add(tensor); }

  Result<> floats(const std::string& name, io::Dtype dtype, const Matrix& rounded) override {
    return writer_.add(name, dtype, {static_cast<std::uint64_t>(rounded.rows()), static_cast<std::uint64_t>(rounded.cols())},
                       float_bytes(dtype, rounded));
  }

  Result<> packed(const std::string& name, const Codec&, const QuantizedWeights& weights) override {
    for (const StoredPart& part : weights.parts)
      LOWBIT_CHECK(writer_.add(name + part.suffix, part.dtype, part.shape, part.bytes));
    metadata_[std::string(metadata_prefix) + name] = to_json(weights.shape);
    return {};
  }

  Result<> finish() override {
    const bool quantized = !metadata_.empty();
    metadata_["format"] = "pt";
    if (quantized) {
      metadata_[std::string(metadata_version_key)] = metadata_version;
      metadata_["lowbit.recipe"] = recipe_;
    }
    writer_.set_metadata(std::move(metadata_));
    LOWBIT_CHECK(writer_.finish());
    LOWBIT_CHECK(write_config(quantized));
    LOWBIT_CHECK(copy_side_files(source_, directory_.staging()));
    return directory_.commit();
  }

 private:
  HuggingFaceSink(std::filesystem::path source, std::string recipe, OutputDirectory directory, io::SafetensorsWriter writer)
      : source_(std::move(source)), recipe_(std::move(recipe)), directory_(std::move(directory)), writer_(std::move(writer)) {}

  Result<> write_config(bool quantized) {
    LOWBIT_TRY(text, io::read_text(source_ / "config.json", std::uint64_t{16} << 20));
    LOWBIT_TRY(json, io::parse_json(text));
    if (quantized)
      json["quantization_config"] = {
          {"quant_method", "lowbit"}, {"version", std::string(metadata_version)}, {"recipe", recipe_}};
    return write_text(directory_.staging() / "config.json", json.dump(1) + "\n");
  }

  std::filesystem::path source_;
  std::string recipe_;
  OutputDirectory directory_;
  io::SafetensorsWriter writer_;  // after directory_: its temporaries go before the staging directory does
  std::map<std::string, std::string> metadata_;
};

}  // namespace lowbit::pipeline
