// SPDX-License-Identifier: MIT
#include "common.hpp"

#include "lowbit/model/generate.hpp"
#include "lowbit/model/tokens.hpp"

namespace tool {

using namespace lowbit;

Result<std::string> use_compute(model::Llama& model, const std::string& compute) {
  if (compute == "f32") return compute;
  LOWBIT_TRY(count, model.use(compute == "int8" ? model::Compute::int8 : model::Compute::bf16));
  return count.changed == 0 ? std::string("f32") : count.left == 0 ? compute : std::string("mixed");
}

Result<pipeline::LoadedModel> load(const std::filesystem::path& path) {
  return path.extension() == ".gguf" ? pipeline::load_gguf(path) : pipeline::load_model(path);
}

Result<std::vector<std::uint32_t>> read_tokens(const TokenSource& source, const std::filesystem::path& model_dir,
                                               std::size_t window, TokenLimit limit, Executor& executor) {
  if (source.from.empty()) return std::vector<std::uint32_t>{};
  if (source.from == "self") {
    LOWBIT_TRY(loaded, load(model_dir));
    const std::size_t length =
        window != 0 ? window : std::min<std::size_t>(2048, loaded.model.config().max_position_embeddings);
    std::size_t windows = source.self_windows;
    if (limit.windows != 0) windows = std::min(windows, limit.windows);
    if (limit.tokens != 0) windows = std::min(windows, ceil_div(limit.tokens, length));
    return model::sample_tokens(loaded.model, length, windows, source.seed, executor);
  }
  if (source.type == "text") {
    LOWBIT_TRY(tokenizer, model::Tokenizer::read(model_dir / "tokenizer.json"));
    LOWBIT_TRY(text, io::read_text(source.from, std::uint64_t{1} << 30));
    return tokenizer.encode_with_bos(text);
  }
  std::size_t vocab_size = 0;
  if (model_dir.extension() == ".gguf") {
    LOWBIT_TRY(loaded, load(model_dir));
    vocab_size = loaded.model.config().vocab_size;
  } else {
    LOWBIT_TRY(config, model::read_config(model_dir));
    vocab_size = config.vocab_size;
  }
  return model::read_tokens(source.from, vocab_size,
                            {.type = source.type == "u32" ? model::TokenType::u32 : model::TokenType::u16});
}

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

}  // namespace tool
