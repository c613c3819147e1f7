// SPDX-License-Identifier: MIT
#include <cmath>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "lowbit/model/evaluate.hpp"
#include "tiny_model.hpp"

namespace lowbit::test::evaluate_tests {

TEST_CASE("evaluate: uniform logits give a perplexity of the vocabulary size", "[model][evaluate]") {
  const auto config = test::tiny_config();
  auto weights = test::random_weights(config, 1);
  weights.head = std::make_unique<model::FloatLinear>(Matrix(Matrix::Zero(37, 20)));
  const auto flat = model::Llama::make(config, std::move(weights)).value();
  Executor executor(1);
  const auto e = model::evaluate(flat, test::random_tokens(70, 37, 1), {.window = 16}, executor).value();
  CHECK(e.ppl == test::Approx(37.0).epsilon(1e-12));
  CHECK(e.windows == 4);
  CHECK(e.predictions == 60);
  CHECK(e.nll_error < 1e-14);
}

TEST_CASE("evaluate: the mean is that of the logits in double, window by window, without the tail",
          "[model][evaluate]") {
  const model::Llama tiny = test::tiny_model();
  const auto tokens = test::random_tokens(3 * 20 + 7, 37, 4);
  Executor executor(1);
  double nll = 0.0;
  for (std::size_t w = 0; w < 3; ++w) {
    const std::vector<std::uint32_t> window(tokens.begin() + static_cast<std::ptrdiff_t>(w * 20),
                                            tokens.begin() + static_cast<std::ptrdiff_t>(w * 20 + 20));
    const auto logits = test::naive::forward(tiny, window);
    for (std::size_t t = 0; t + 1 < 20; ++t) {
      double sum = 0.0;
      for (const double x : logits[t]) sum += std::exp(x);
      nll += std::log(sum) - logits[t][window[t + 1]];
    }
  }
  const auto e = model::evaluate(tiny, tokens, {.window = 20}, executor).value();
  CHECK(e.nll == test::Approx(nll / 57.0).epsilon(1e-5));
  CHECK(e.predictions == 57);
  CHECK(model::evaluate(tiny, tokens, {.window = 20, .max_windows = 2}, executor)->predictions == 38);
  CHECK(model::evaluate(tiny, tokens, {}, executor)->window == 64);
}

TEST_CASE("evaluate: results have the same bits for any batch and any threads", "[model][evaluate]") {
  const model::Llama tiny = test::tiny_model(1), other = test::tiny_model(2);
  const auto tokens = test::random_tokens(9 * 13, 37, 6);
  Executor one(1), three(3);
  const auto want = model::evaluate(tiny, other, tokens, {.window = 13, .batch_tokens = 1}, one).value();
  for (const std::size_t batch : {14u, 30u, 1000u})
    for (Executor* executor : {&one, &three}) {
      const auto got = model::evaluate(tiny, other, tokens, {.window = 13, .batch_tokens = batch}, *executor).value();
      CHECK(got.nll == want.nll);
      CHECK(got.window_nll == want.window_nll);
      CHECK(got.nll_error == want.nll_error);
      CHECK(got.comparison->kl.mean == want.comparison->kl.mean);
      CHECK(got.comparison->kl.max == want.comparison->kl.max);
      CHECK(got.comparison->ln_ppl_ratio_error == want.comparison->ln_ppl_ratio_error);
    }
  CHECK(model::evaluate(tiny, tokens, {.window = 13}, one)->nll == want.nll);
}

TEST_CASE("evaluate: a model does not diverge from itself, and does from another", "[model][evaluate]") {
  const model::Llama tiny = test::tiny_model(1), other = test::tiny_model(2);
  const auto tokens = test::random_tokens(200, 37, 7);
  Executor executor(1);
  const auto same = model::evaluate(tiny, tiny, tokens, {.window = 20}, executor).value().comparison.value();
  CHECK(same.kl.mean == 0.0);
  CHECK(same.kl.max == 0.0);
  CHECK(same.top1_agreement == 1.0);
  CHECK(same.ln_ppl_ratio == 0.0);
  CHECK(same.ln_ppl_ratio_error == 0.0);
  CHECK(same.delta_p_rms == 0.0);
  const auto e = model::evaluate(other, tiny, tokens, {.window = 20}, executor).value();
  const auto different = e.comparison.value();
  CHECK(different.kl.mean > 0.1);
  CHECK(different.kl.median <= different.kl.p90);
  CHECK(different.kl.p90 <= different.kl.p99);
  CHECK(different.kl.p999 <= different.kl.max);
  CHECK(different.top1_agreement < 1.0);
  CHECK(different.ln_ppl_ratio == test::Approx(std::log(e.ppl / different.reference_ppl)).epsilon(1e-10));
  CHECK(different.ln_ppl_ratio_error > 0.0);
}

TEST_CASE("divergence: KL is half the variance of a small change of the logits", "[model][evaluate]") {
  Rng rng(3);
  for (const std::size_t vocab : {5u, 16u, 37u, 4096u}) {
    std::vector<float> p(vocab), q(vocab);
    double total = 0.0, mean = 0.0, square = 0.0;
    for (std::size_t i = 0; i < vocab; ++i) {
      p[i] = static_cast<float>(rng.normal());
      q[i] = p[i] + static_cast<float>(1e-3 * rng.normal());
      const double weight = std::exp(static_cast<double>(p[i])),
                   e = static_cast<double>(q[i]) - static_cast<double>(p[i]);
      total += weight;
      mean += weight * e;
      square += weight * e * e;
    }
    const double variance = square / total - mean / total * (mean / total);
    CHECK(model::kl_divergence(p, q) == test::Approx(0.5 * variance).epsilon(0.01));
    CHECK(std::abs(model::kl_divergence(p, p)) == 0.0);
    CHECK(model::log_sum_exp(p) == test::Approx(std::log(total)).epsilon(1e-13));
    for (float& x : q) x += 300.0f;  // a constant changes nothing; no overflow either
    CHECK(model::log_sum_exp(q) > 299.0);
    CHECK(std::isfinite(model::kl_divergence(p, q)));
  }
}

TEST_CASE("divergence: quantiles are elements by nearest rank, the bootstrap finds the error of a mean",
          "[model][evaluate]") {
  std::vector<double> values;
  for (int i = 1000; i >= 1; --i) values.push_back(i);
  const auto d = model::Distribution::of(values);
  CHECK(d.mean == test::Approx(500.5));
  CHECK(d.median == 500.0);
  CHECK(d.p90 == 900.0);
  CHECK(d.p99 == 990.0);
  CHECK(d.p999 == 999.0);
  CHECK(d.max == 1000.0);

  Rng rng(4);
  std::vector<double> normal(400);
  for (double& x : normal) x = 5.0 + 2.0 * rng.normal();
  CHECK(model::bootstrap_standard_error(normal, 1000, 0) == test::Approx(2.0 / 20.0).epsilon(0.15));
  CHECK(model::bootstrap_standard_error(normal, 1000, 0) == model::bootstrap_standard_error(normal, 1000, 0));
  CHECK(model::bootstrap_standard_error(std::vector<double>{1.0}, 1000, 0) == 0.0);
}

TEST_CASE("evaluate: requests that mean nothing are errors", "[model][evaluate]") {
  const model::Llama tiny = test::tiny_model();
  Executor executor(1);
  const auto tokens = test::random_tokens(20, 37, 9);
  CHECK(model::evaluate(tiny, tokens, {.window = 1}, executor).error().code == Errc::invalid_argument);
  CHECK(model::evaluate(tiny, tokens, {.window = 21}, executor).error().code == Errc::invalid_argument);
  auto large = tokens;
  large[17] = 37;
  const auto refused = model::evaluate(tiny, large, {.window = 10}, executor);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::out_of_range_token);
  CHECK(refused.error().row == 17u);

  auto config = test::tiny_config();
  config.vocab_size = 36;
  const auto smaller = model::Llama::make(config, test::random_weights(config, 1)).value();
  CHECK(model::evaluate(tiny, smaller, std::span(tokens).first(20), {.window = 10}, executor).error().code ==
        Errc::shape_mismatch);

  auto weights = test::random_weights(test::tiny_config(), 1);
  weights.final_norm(3) = std::numeric_limits<float>::infinity();
  const auto broken = model::Llama::make(test::tiny_config(), std::move(weights)).value();
  CHECK(model::evaluate(broken, tokens, {.window = 10}, executor).error().code == Errc::not_finite);
}

}  // namespace lowbit::test::evaluate_tests
