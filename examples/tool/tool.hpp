// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

/// The commands of the lowbit tool. Each returns the process's exit code: 0 done, 1 something failed, 2 a request that
/// means nothing.

namespace tool {

inline constexpr int done = 0, failed = 1, misused = 2;

/// Where token ids come from: a file, or the model itself.
struct TokenSource {
  std::string from;           ///< a path, or "self": sampled from the float model at temperature 1
  std::string type = "u16";   ///< u16, u32, or text (through the model's tokenizer)
  std::uint64_t seed = 1;     ///< for "self"
  std::size_t self_windows = 64;
};

struct QuantizeRequest {
  std::filesystem::path model, output;
  std::string recipe, format = "hf";
  TokenSource calibration;
  std::size_t calibration_tokens = 65536, window = 0, threads = 0;
  bool force = false, json = false, quiet = false;
};

struct EvalRequest {
  std::filesystem::path model, reference;
  TokenSource tokens;
  std::size_t window = 0, max_windows = 0, threads = 0;
  std::string compute = "f32";
  bool json = false;
};

struct GenerateRequest {
  std::filesystem::path model, tokenizer;
  std::string prompt, compute = "f32";
  std::size_t max_tokens = 64, top_k = 0, threads = 1;
  double temperature = 0.0, top_p = 1.0;
  std::uint64_t seed = 0;
};

struct CompareRequest {
  std::filesystem::path model, output, json, svg;
  std::vector<std::string> recipes;
  std::string compute = "f32";
  TokenSource calibration, tokens;
  std::size_t calibration_tokens = 65536, window = 0, max_windows = 0, threads = 0;
};

struct ConvertRequest {
  std::filesystem::path input, output, json;
  std::string to, packing = "auto";
  bool force = false, requantize = false, quiet = false;
};

int quantize(const QuantizeRequest& request);
int eval(const EvalRequest& request);
int generate(const GenerateRequest& request);
int compare(const CompareRequest& request);
int convert(const ConvertRequest& request);
int inspect(const std::filesystem::path& file, bool json);
/// Which instruction set does the work for which stored type, as a table: the README's comes from here.
int support();

}  // namespace tool
