// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/core/result.hpp"
#include "lowbit/linalg/executor.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/model/divergence.hpp"
#include "lowbit/model/llama.hpp"

namespace lowbit::model {

struct EvaluateOptions {
  std::size_t window = 0;           ///< tokens per window; 0: min(2048, max_position_embeddings)
  std::size_t max_windows = 0;      ///< 0: all
  std::size_t batch_tokens = 4096;  ///< tokens processed at once, at least one window; changes no result
  std::size_t bootstrap_draws = 1000;
  std::uint64_t seed = 0;  ///< of the bootstrap
};

/// How far a model strays from a reference on the same predictions.
struct Comparison {
  double reference_nll = 0.0;
  double reference_ppl = 0.0;
  double ln_ppl_ratio = 0.0;        ///< ln(ppl / reference_ppl)
  double ln_ppl_ratio_error = 0.0;  ///< its standard error: block bootstrap over windows
  Distribution kl{};                ///< KL(reference ‖ model) per prediction, nats
  double top1_agreement = 0.0;      ///< share of predictions with the same most likely token
  double delta_p_mean = 0.0;        ///< p(correct token): model minus reference
  double delta_p_rms = 0.0;
};

struct Evaluation {
  std::size_t window = 0, windows = 0, predictions = 0;
  double nll = 0.0;                  ///< mean, nats per prediction
  double ppl = 0.0;                  ///< exp(nll)
  double nll_error = 0.0;            ///< standard error of nll: block bootstrap over windows
  std::vector<double> window_nll{};  ///< mean of each window
  std::optional<Comparison> comparison{};
};

namespace detail {

/// One prediction's numbers.
struct Scores {
  double nll = 0.0, reference_nll = 0.0, kl = 0.0;
  bool agrees = false;
};

inline Scores score(std::span<const float> logits, std::span<const float> reference, std::uint32_t target) {
  Scores s;
  const double log_sum = log_sum_exp(logits);
  s.nll = log_sum - static_cast<double>(logits[target]);
  if (!reference.empty()) {
    const double reference_log_sum = log_sum_exp(reference);
    s.reference_nll = reference_log_sum - static_cast<double>(reference[target]);
    s.kl = kl_divergence(reference, logits, reference_log_sum, log_sum);
    s.agrees = argmax(reference) == argmax(logits);
  }
  return s;
}

/// Scores the predictions of one window from last hidden states [window × hidden]. At most 256 rows of logits exist at
/// a time; where they are cut depends on the window's length alone.
inline void score_window(const Llama& model, ConstMatrixRef hidden, const Llama* reference,
                         const Matrix& reference_hidden, Index reference_row, std::span<const std::uint32_t> tokens,
                         std::span<Scores> scores, Executor& executor) {
  constexpr Index chunk = 256;
  const auto predictions = static_cast<Index>(scores.size());
  for (Index first = 0; first < predictions; first += chunk) {
    const Index rows = std::min(chunk, predictions - first);
    const Matrix logits = model.logits(hidden.middleRows(first, rows), executor);
    const Matrix other = reference == nullptr
                             ? Matrix()
                             : reference->logits(reference_hidden.middleRows(reference_row + first, rows), executor);
    const auto vocab = static_cast<std::size_t>(logits.cols());
    executor.run(static_cast<std::size_t>(rows), [&](std::size_t r) {
      const std::size_t at = static_cast<std::size_t>(first) + r;
      const std::span<const float> row(logits.data() + r * vocab, vocab);
      const auto other_row =
          reference == nullptr ? std::span<const float>() : std::span<const float>(other.data() + r * vocab, vocab);
      scores[at] = score(row, other_row, tokens[at + 1]);
    });
  }
}

inline Evaluation summarize(std::span<const Scores> scores, std::size_t window, std::size_t windows, bool compared,
                            const EvaluateOptions& options) {
  Evaluation e{.window = window, .windows = windows, .predictions = scores.size()};
  const std::size_t each = window - 1;
  std::vector<double> kl, ratios;
  Comparison c;
  double reference_sum = 0.0, sum = 0.0;
  for (std::size_t w = 0; w < windows; ++w) {
    double nll = 0.0, reference_nll = 0.0;
    for (const Scores& s : scores.subspan(w * each, each)) {
      nll += s.nll;
      reference_nll += s.reference_nll;
      if (!compared) continue;
      kl.push_back(s.kl);
      c.top1_agreement += s.agrees ? 1.0 : 0.0;
      const double delta = std::exp(-s.nll) - std::exp(-s.reference_nll);
      c.delta_p_mean += delta;
      c.delta_p_rms += delta * delta;
    }
    sum += nll;
    reference_sum += reference_nll;
    e.window_nll.push_back(nll / static_cast<double>(each));
    ratios.push_back((nll - reference_nll) / static_cast<double>(each));
  }
  const auto n = static_cast<double>(scores.size());
  e.nll = sum / n;
  e.ppl = std::exp(e.nll);
  e.nll_error = bootstrap_standard_error(e.window_nll, options.bootstrap_draws, options.seed);
  if (!compared) return e;
  c.reference_nll = reference_sum / n;
  c.reference_ppl = std::exp(c.reference_nll);
  c.ln_ppl_ratio = e.nll - c.reference_nll;
  c.ln_ppl_ratio_error = bootstrap_standard_error(ratios, options.bootstrap_draws, options.seed);
  c.kl = Distribution::of(std::move(kl));
  c.top1_agreement /= n;
  c.delta_p_mean /= n;
  c.delta_p_rms = std::sqrt(c.delta_p_rms / n);
  e.comparison = c;
  return e;
}

inline Result<Evaluation> evaluate(const Llama& model, const Llama* reference, std::span<const std::uint32_t> tokens,
                                   const EvaluateOptions& options, Executor& executor) {
  const std::size_t window =
      options.window != 0 ? options.window : std::min<std::size_t>(2048, model.config().max_position_embeddings);
  if (window < 2)
    return Error{.code = Errc::invalid_argument, .message = "a window of fewer than two tokens predicts nothing"};
  if (tokens.size() < window)
    return Error{
        .code = Errc::invalid_argument,
        .message = std::to_string(tokens.size()) + " tokens do not fill one window of " + std::to_string(window)};
  if (reference != nullptr && reference->config().vocab_size != model.config().vocab_size)
    return Error{.code = Errc::shape_mismatch,
                 .message = "the model and its reference have vocabularies of different sizes"};
  std::size_t windows = tokens.size() / window;
  if (options.max_windows != 0) windows = std::min(windows, options.max_windows);
  LOWBIT_CHECK(check_tokens(tokens.first(windows * window), model.config().vocab_size));

  std::vector<Scores> scores(windows * (window - 1));
  const std::size_t batch = std::max<std::size_t>(1, options.batch_tokens / window);
  for (std::size_t first = 0; first < windows; first += batch) {
    const std::size_t count = std::min(batch, windows - first);
    const auto part = tokens.subspan(first * window, count * window);
    LOWBIT_TRY(hidden, model.hidden_states(part, window, executor));
    Matrix reference_hidden;
    if (reference != nullptr) {
      LOWBIT_TRY(states, reference->hidden_states(part, window, executor));
      reference_hidden = std::move(states);
    }
    for (std::size_t w = 0; w < count; ++w) {
      const auto row = static_cast<Index>(w * window);
      score_window(model, hidden.middleRows(row, static_cast<Index>(window)), reference, reference_hidden, row,
                   part.subspan(w * window, window), std::span(scores).subspan((first + w) * (window - 1), window - 1),
                   executor);
    }
  }
  for (std::size_t i = 0; i < scores.size(); ++i)
    if (!std::isfinite(scores[i].nll) || !std::isfinite(scores[i].reference_nll) || !std::isfinite(scores[i].kl))
      return Error{.code = Errc::not_finite,
                   .message = "the model's logits are not finite in window " + std::to_string(i / (window - 1)),
                   .row = i % (window - 1)};
  return summarize(scores, window, windows, reference != nullptr, options);
}

}  // namespace detail

/// Perplexity by non-overlapping windows: each window of `window` tokens starts at position 0 and gives window − 1
/// predictions; the tail that fills no window is dropped. No start token is added. Log-sum-exp and all sums in double.
///
/// The result has the same bits for any number of threads and any batch_tokens.
/// Errors   invalid_argument (no whole window, window < 2), out_of_range_token, not_finite (with the window).
/// Memory   per token of a batch about that of run_layer, and 256 rows of logits.
inline Result<Evaluation> evaluate(const Llama& model, std::span<const std::uint32_t> tokens,
                                   const EvaluateOptions& options, Executor& executor) {
  return detail::evaluate(model, nullptr, tokens, options, executor);
}

/// The same, with the distance from a reference model on the same predictions in `comparison`.
inline Result<Evaluation> evaluate(const Llama& model, const Llama& reference, std::span<const std::uint32_t> tokens,
                                   const EvaluateOptions& options, Executor& executor) {
  return detail::evaluate(model, &reference, tokens, options, executor);
}

}  // namespace lowbit::model
