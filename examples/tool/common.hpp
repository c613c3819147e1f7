// SPDX-License-Identifier: MIT
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "lowbit/core/result.hpp"
#include "lowbit/model/tokenizer.hpp"
#include "lowbit/pipeline.hpp"
#include "tool.hpp"

/// What several commands share.

namespace tool {

/// Prints an error; says which exit code it deserves.
inline int report(const lowbit::Error& error) {
  std::fprintf(stderr, "lowbit: %s\n", to_string(error).c_str());
  return error.code == lowbit::Errc::invalid_argument ? misused : failed;
}

/// What will be used of a stream of tokens at most; 0: all of it.
struct TokenLimit {
  std::size_t tokens = 0, windows = 0;
};

/// Token ids from a file or from the model itself, which samples no more windows than the limit needs. `model_dir` gives
/// the tokenizer and the vocabulary, and is what samples.
lowbit::Result<std::vector<std::uint32_t>> read_tokens(const TokenSource& source, const std::filesystem::path& model_dir,
                                                       std::size_t window, TokenLimit limit, lowbit::Executor& executor);

/// A checkpoint directory or a GGUF file.
lowbit::Result<lowbit::pipeline::LoadedModel> load(const std::filesystem::path& path);

/// Switches a model to what --compute says. Gives what it computes with: "f32", "bf16", "int8", or "mixed" where only some
/// projections are packed.
lowbit::Result<std::string> use_compute(lowbit::model::Llama& model, const std::string& compute);

/// Numbers as text.
std::string fixed(double value, int digits);

}  // namespace tool
