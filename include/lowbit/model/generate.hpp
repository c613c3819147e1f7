// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "lowbit/core/contract.hpp"
#include "lowbit/core/result.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/linalg/executor.hpp"
#include "lowbit/model/divergence.hpp"
#include "lowbit/model/llama.hpp"

namespace lowbit::model {

/// How a token is drawn from a row of logits.
struct SampleOptions {
  double temperature = 0.0;  ///< 0: the most likely token, the lowest id on ties
  std::size_t top_k = 0;     ///< only the k most likely tokens; 0: all
  double top_p = 1.0;        ///< only the fewest tokens, most likely first, whose probabilities reach this
};

/// One token. Probabilities in double, one draw of `rng` unless the temperature is 0.
/// Cost   O(V) plain, O(V log V) with top_k or top_p.
inline std::uint32_t sample_token(std::span<const float> logits, const SampleOptions& options, Rng& rng) {
  LOWBIT_EXPECTS(!logits.empty(), "a row of logits");
  const std::size_t best = argmax(logits);
  if (!(options.temperature > 0.0)) return static_cast<std::uint32_t>(best);
  std::vector<double> weights(logits.size());
  const auto top = static_cast<double>(logits[best]);
  double total = 0.0;
  for (std::size_t i = 0; i < weights.size(); ++i)
    total += weights[i] = std::exp((static_cast<double>(logits[i]) - top) / options.temperature);

  std::vector<std::uint32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0u);
  if ((options.top_k != 0 && options.top_k < order.size()) || options.top_p < 1.0) {
    std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
      return weights[a] != weights[b] ? weights[a] > weights[b] : a < b;
    });
    if (options.top_k != 0 && options.top_k < order.size()) order.resize(options.top_k);
    total = 0.0;
    for (const std::uint32_t id : order) total += weights[id];
    double kept = 0.0;
    std::size_t count = 0;
    while (count < order.size() && (count == 0 || kept < options.top_p * total)) kept += weights[order[count++]];
    order.resize(count);
    total = kept;
  }
  double left = rng.uniform() * total;
  for (const std::uint32_t id : order) {
    left -= weights[id];
    if (left < 0.0) return id;
  }
  return order.back();
}

struct GenerateOptions {
  std::size_t max_tokens = 32;
  SampleOptions sample{};
  std::uint64_t seed = 0;
  std::vector<std::uint32_t> stop{};  ///< ends the text; the token itself is kept
};

/// Continues a prompt (at least one token) and returns what was added.
/// Errors   out_of_range_token, invalid_argument (empty prompt).
inline Result<std::vector<std::uint32_t>> generate(const Llama& model, std::span<const std::uint32_t> prompt,
                                                   const GenerateOptions& options, Executor& executor) {
  std::vector<std::uint32_t> text;
  KvCache cache(model.config(), prompt.size() + options.max_tokens);
  LOWBIT_TRY(logits, model.append(prompt, cache, executor));
  Rng rng(options.seed);
  while (text.size() < options.max_tokens) {
    const std::span<const float> row(logits.data(), static_cast<std::size_t>(logits.size()));
    text.push_back(sample_token(row, options.sample, rng));
    if (text.size() == options.max_tokens ||
        std::find(options.stop.begin(), options.stop.end(), text.back()) != options.stop.end())
      break;
    LOWBIT_TRY(next, model.step(text.back(), cache, executor));
    logits = std::move(next);
  }
  return text;
}

/// Text in the model's own words, for calibrating or comparing where no corpus is at hand: `windows` sequences of
/// `length` tokens, one after another. Each starts with the configuration's first start token, or without one with a
/// token drawn evenly from the vocabulary.
/// Memory   the caches of 16 sequences.
inline Result<std::vector<std::uint32_t>> sample_tokens(const Llama& model, std::size_t length, std::size_t windows,
                                                        std::uint64_t seed, Executor& executor,
                                                        SampleOptions options = {.temperature = 1.0}) {
  constexpr std::size_t batch = 16;
  const LlamaConfig& config = model.config();
  std::vector<std::uint32_t> text(length * windows);
  if (length == 0) return text;
  for (std::size_t first = 0; first < windows; first += batch) {
    const std::size_t count = std::min(batch, windows - first);
    std::vector<KvCache> caches(count, KvCache(config, length));
    std::vector<Rng> rngs;
    std::vector<std::uint32_t> tokens(count);
    for (std::size_t s = 0; s < count; ++s) {
      rngs.emplace_back(seed, first + s);
      tokens[s] = config.bos_token_ids.empty() ? static_cast<std::uint32_t>(rngs[s].below(config.vocab_size))
                                               : config.bos_token_ids.front();
    }
    for (std::size_t t = 0;; ++t) {
      for (std::size_t s = 0; s < count; ++s) text[(first + s) * length + t] = tokens[s];
      if (t + 1 == length) break;
      LOWBIT_TRY(logits, model.step(tokens, caches, executor));
      const auto vocab = static_cast<std::size_t>(logits.cols());
      executor.run(count, [&](std::size_t s) {
        tokens[s] = sample_token(std::span<const float>(logits.data() + s * vocab, vocab), options, rngs[s]);
      });
    }
  }
  return text;
}

}  // namespace lowbit::model
