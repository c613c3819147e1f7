// SPDX-License-Identifier: MIT
#include <cmath>
#include <string>
#include <vector>

#include "catch.hpp"
#include "lowbit/model/evaluate.hpp"
#include "lowbit/model/generate.hpp"
#include "lowbit/model/llama.hpp"
#include "lowbit/model/tokenizer.hpp"
#include "lowbit/model/tokens.hpp"
#include "support/shared.hpp"

/// Trained models against the numbers of an independent implementation (reference.json: weights in half precision,
/// arithmetic in float).

namespace lowbit::test::reference_tests {
using Ids = std::vector<std::uint32_t>;

namespace {

io::Json reference_of(const std::filesystem::path& dir) {
  const std::string text = io::read_text(dir / "reference.json", 1u << 20).value();
  return io::parse_json(std::string_view(text)).value();
}

void check_prompt(const std::filesystem::path& dir) {
  Executor executor(2);
  const auto llama = model::Llama::load(dir).value();
  const auto tokenizer = model::Tokenizer::read(dir / "tokenizer.json").value();
  const io::Json prompt = reference_of(dir)["prompt"];
  const Ids ids = prompt["ids"].get<Ids>();
  CHECK(tokenizer.encode_with_bos(prompt["text"].get<std::string>()) == ids);

  const Matrix logits = llama.forward(ids, executor).value();
  const Index last = logits.rows() - 1;
  double worst = 0.0;
  for (const auto& entry : prompt["last_logits_top10"])
    worst =
        std::max(worst, std::abs(static_cast<double>(logits(last, entry[0].get<Index>())) - entry[1].get<double>()));
  CAPTURE(worst);
  CHECK(worst < 2e-3);

  const Ids greedy = model::generate(llama, ids, {.max_tokens = 32}, executor).value();
  CHECK(greedy == prompt["greedy_32_ids"].get<Ids>());
  CHECK(tokenizer.decode(greedy) == prompt["greedy_text"].get<std::string>());
}

void check_tokenizer(const std::filesystem::path& dir) {
  const auto tokenizer = model::Tokenizer::read(dir / "tokenizer.json").value();
  const io::Json reference = reference_of(dir);
  for (const auto& entry : reference["tokenize"]) {
    const auto text = entry["text"].get<std::string>();
    CAPTURE(text);
    CHECK(tokenizer.encode(text) == entry["ids"].get<Ids>());
    CHECK(tokenizer.decode(entry["ids"].get<Ids>()) == text);
  }
}

}  // namespace

TEST_CASE("reference: the embedded model gives the reference's logits, text and token ids", "[model][reference]") {
  const auto dir = test::repository_dir() / "examples/data/manual-1m";
  check_prompt(dir);
  check_tokenizer(dir);
}

TEST_CASE("reference: the shared models give the reference's logits, text and token ids", "[model][reference]") {
  const auto shared = test::shared_dir();
  if (!shared) LOWBIT_SKIP("no shared models");
  for (const char* name : {"manual-1m", "manual-8m"}) {
    CAPTURE(name);
    check_prompt(*shared / "models" / name);
    check_tokenizer(*shared / "models" / name);
  }
}

TEST_CASE("reference: perplexity is the reference's to 1e-4", "[model][reference]") {
  const auto shared = test::shared_dir();
  if (!shared) LOWBIT_SKIP("no shared models");
  Executor executor(2);
  for (const char* name : {"manual-1m", "manual-8m"}) {
    CAPTURE(name);
    const auto dir = *shared / "models" / name;
    const auto llama = model::Llama::load(dir).value();
    const auto tokens = model::read_tokens(*shared / "data/manual/eval.bin", llama.config().vocab_size).value();
    const io::Json reference = reference_of(dir);
    const auto e =
        model::evaluate(llama, tokens, {.max_windows = reference["max_windows"].get<std::size_t>()}, executor).value();
    CHECK(e.window == reference["window"].get<std::size_t>());
    CHECK(e.predictions == reference["eval"]["eval.bin"]["predictions"].get<std::size_t>());
    CHECK(e.ppl == test::Approx(reference["eval"]["eval.bin"]["ppl"].get<double>()).epsilon(1e-4));
  }
}

}  // namespace lowbit::test::reference_tests
