// SPDX-License-Identifier: MIT
#include "eval.hpp"

#include <chrono>
#include <optional>

#include "lowbit/model/generate.hpp"

namespace tool {

using namespace lowbit;

io::Json to_json(const model::Evaluation& e, double bits_per_weight) {
  io::Json json = {{"schema", "lowbit.eval/1"},
                   {"protocol", "non-overlapping windows, window - 1 predictions each, nats per prediction"},
                   {"nll", e.nll},
                   {"nll_stderr", e.nll_error},
                   {"ppl", e.ppl},
                   {"tokens", e.predictions},
                   {"window", e.window},
                   {"windows", e.windows},
                   {"bpw", bits_per_weight},
                   {"kl", nullptr},
                   {"top1", nullptr}};
  if (e.comparison) {
    const model::Comparison& c = *e.comparison;
    json["kl"] = c.kl.mean;
    json["top1"] = c.top1_agreement;
    json["kl_percentiles"] = {{"50", c.kl.median}, {"90", c.kl.p90}, {"99", c.kl.p99}, {"99.9", c.kl.p999}, {"max", c.kl.max}};
    json["reference_nll"] = c.reference_nll;
    json["reference_ppl"] = c.reference_ppl;
    json["ln_ppl_ratio"] = c.ln_ppl_ratio;
    json["ln_ppl_ratio_stderr"] = c.ln_ppl_ratio_error;
    json["delta_p_mean"] = c.delta_p_mean;
    json["delta_p_rms"] = c.delta_p_rms;
  }
  return json;
}

double decode_speed(const model::Llama& model, std::size_t tokens, Executor& executor) {
  const std::uint32_t start = model.config().bos_token_ids.empty() ? 0 : model.config().bos_token_ids.front();
  double best = 0.0;
  for (int repetition = 0; repetition < 3; ++repetition) {
    const auto started = std::chrono::steady_clock::now();
    const auto text = model::generate(model, std::span(&start, 1), {.max_tokens = tokens}, executor);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    if (text) best = std::max(best, static_cast<double>(text->size()) / seconds);
  }
  return best;
}

int eval(const EvalRequest& request) {
  Executor executor(request.threads);
  auto loaded = load(request.model);
  if (!loaded) return report(loaded.error());
  const auto compute = use_compute(loaded->model, request.compute);
  if (!compute) return report(compute.error());
  std::optional<pipeline::LoadedModel> reference;
  if (!request.reference.empty()) {
    auto other = load(request.reference);
    if (!other) return report(other.error());
    reference = std::move(*other);
  }
  const auto tokens = read_tokens(request.tokens, reference ? request.reference : request.model, request.window,
                                  {.windows = request.max_windows}, executor);
  if (!tokens) return report(tokens.error());
  const model::EvaluateOptions options{.window = request.window, .max_windows = request.max_windows};
  const auto evaluation = reference ? model::evaluate(loaded->model, reference->model, *tokens, options, executor)
                                    : model::evaluate(loaded->model, *tokens, options, executor);
  if (!evaluation) return report(evaluation.error());
  for (const std::string& warning : loaded->model.weights().warnings)
    std::fprintf(stderr, "lowbit: warning: %s\n", warning.c_str());
  if (request.json) {
    io::Json json = to_json(*evaluation, loaded->bits_per_weight);
    json["compute"] = *compute;
    std::printf("%s\n", json.dump(1).c_str());
    return done;
  }
  std::printf("perplexity       %.4f (nll %.6f +- %.6f nats, %zu predictions in %zu windows of %zu)\nbits per weight  %.4f\ncompute          %s\n",
              evaluation->ppl, evaluation->nll, evaluation->nll_error, evaluation->predictions, evaluation->windows,
              evaluation->window, loaded->bits_per_weight, compute->c_str());
  if (const auto& c = evaluation->comparison)
    std::printf("against reference: perplexity %.4f, ln ratio %+.6f +- %.6f\n"
                "KL divergence    mean %.6f, median %.6f, 99 %% %.6f, max %.4f\ntop-1 agreement  %.2f %%\n",
                c->reference_ppl, c->ln_ppl_ratio, c->ln_ppl_ratio_error, c->kl.mean, c->kl.median, c->kl.p99, c->kl.max,
                100.0 * c->top1_agreement);
  return done;
}

int generate(const GenerateRequest& request) {
  Executor executor(request.threads);
  auto loaded = load(request.model);
  if (!loaded) return report(loaded.error());
  if (const auto compute = use_compute(loaded->model, request.compute); !compute) return report(compute.error());
  const auto tokenizer =
      model::Tokenizer::read(request.tokenizer.empty() ? request.model / "tokenizer.json" : request.tokenizer);
  if (!tokenizer) return report(tokenizer.error());
  const auto& config = loaded->model.config();
  std::vector<std::uint32_t> prompt = tokenizer->encode_with_bos(request.prompt);
  const model::GenerateOptions options{
      .max_tokens = request.max_tokens,
      .sample = {.temperature = request.temperature, .top_k = request.top_k, .top_p = request.top_p},
      .seed = request.seed,
      .stop = config.eos_token_ids};
  const auto text = model::generate(loaded->model, prompt, options, executor);
  if (!text) return report(text.error());
  prompt.insert(prompt.end(), text->begin(), text->end());
  std::printf("%s\n", tokenizer->decode(prompt, true).c_str());
  return done;
}

}  // namespace tool
