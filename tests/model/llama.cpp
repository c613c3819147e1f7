// SPDX-License-Identifier: MIT
#include <fstream>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "catch.hpp"
#include "lowbit/io/safetensors_writer.hpp"
#include "lowbit/model/generate.hpp"
#include "lowbit/model/llama.hpp"
#include "support/shared.hpp"
#include "support/temp_dir.hpp"
#include "tiny_model.hpp"

namespace lowbit::test::llama_tests {
using model::Projection;
using model::Site;

TEST_CASE("llama: logits agree with the same arithmetic in double", "[model][llama]") {
  Executor executor(2);
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    const model::Llama tiny = test::tiny_model(seed);
    const auto tokens = test::random_tokens(50, 37, seed);
    const Matrix logits = tiny.forward(tokens, executor).value();
    CHECK(test::max_difference(logits, test::naive::forward(tiny, tokens)) < 2e-4);
    auto other = tokens;
    other[10] = (other[10] + 1) % 37;  // the comparison can fail
    CHECK(test::max_difference(logits, test::naive::forward(tiny, other)) > 1e-2);
  }
}

TEST_CASE("llama: every switch of the configuration changes the logits and is right", "[model][llama]") {
  Executor executor(1);
  const auto tokens = test::random_tokens(40, 37, 5);
  std::vector<model::LlamaConfig> configs(6, test::tiny_config());
  configs[1].attention_bias = false;
  configs[2].mlp_bias = false;
  configs[3].rope_scaling = {};
  configs[4].rope_scaling = {.kind = model::RopeScaling::Kind::linear, .factor = 3.0};
  configs[5].tie_word_embeddings = true;
  std::vector<Matrix> logits;
  for (const auto& config : configs) {
    const auto tiny = model::Llama::make(config, test::random_weights(config, 9)).value();
    logits.push_back(tiny.forward(tokens, executor).value());
    CHECK(test::max_difference(logits.back(), test::naive::forward(tiny, tokens)) < 2e-4);
    if (logits.size() > 1) CHECK((logits.back() - logits.front()).cwiseAbs().maxCoeff() > 1e-2f);
  }
}

TEST_CASE("rope: llama3 factors keep short wavelengths, divide long ones and blend between", "[model][rope]") {
  const auto config = test::tiny_config();  // wavelengths 6.3, 19.9, 62.8, 199; kept below 8, divided above 32
  const auto factors = model::rope_factors(config);
  REQUIRE(factors.size() == 4);
  CHECK(factors[0] == 1.0);
  CHECK(factors[1] > 1.0);
  CHECK(factors[1] < 4.0);
  CHECK(factors[2] == 4.0);
  CHECK(factors[3] == 4.0);
}

TEST_CASE("rope: rotating back undoes a rotation", "[model][rope]") {
  const model::RopeTable rope(test::tiny_config(), 64);
  Rng rng(6);
  for (std::size_t position = 0; position < 64; ++position) {
    const Vector x = test::random_vector(8, 1.0, 0.0, rng);
    Vector y = x;
    rope.rotate(y.data(), position);
    CHECK(y.norm() == test::Approx(x.norm()).epsilon(1e-5));
    rope.rotate_back(y.data(), position);
    CHECK((y - x).cwiseAbs().maxCoeff() < 1e-6f);
  }
}

TEST_CASE("llama: logits have the same bits for any threads and any batch", "[model][llama]") {
  const model::Llama tiny = test::tiny_model();
  Executor one(1), four(4);
  const auto tokens = test::random_tokens(7 * 23, 37, 8);
  const Matrix all = tiny.hidden_states(tokens, 23, one).value();
  CHECK(tiny.hidden_states(tokens, 23, four).value() == all);
  for (Index w = 0; w < 7; ++w) {
    const auto window = std::span(tokens).subspan(static_cast<std::size_t>(w) * 23, 23);
    CHECK(tiny.hidden_states(window, 23, four).value() == all.middleRows(w * 23, 23));
  }
}

TEST_CASE("llama: cached decoding gives the logits of a prefill, however the tokens come", "[model][llama]") {
  const model::Llama tiny = test::tiny_model();
  Executor executor(2);
  const auto tokens = test::random_tokens(40, 37, 12);
  const Matrix logits = tiny.forward(tokens, executor).value();
  const auto distance = [&](const Vector& got, Index row) {
    return (got - logits.row(row).transpose()).cwiseAbs().maxCoeff();
  };
  model::KvCache cache(tiny.config(), 40);
  for (Index t = 0; t < 40; ++t)
    CHECK(distance(tiny.step(tokens[static_cast<std::size_t>(t)], cache, executor).value(), t) < 1e-4f);
  CHECK(cache.length() == 40);

  cache.truncate(5);
  CHECK(distance(tiny.append(std::span(tokens).subspan(5, 30), cache, executor).value(), 34) < 1e-4f);
  const auto full = tiny.append(std::span(tokens).first(6), cache, executor);
  REQUIRE_FALSE(full);
  CHECK(full.error().code == Errc::out_of_bounds);
  CHECK(cache.length() == 35);

  std::vector<model::KvCache> caches(3, model::KvCache(tiny.config(), 40));
  for (std::size_t s = 0; s < 3; ++s)  // three sequences at different positions
    (void)tiny.append(std::span(tokens).first(4 + 7 * s), caches[s], executor).value();
  const std::vector<std::uint32_t> next{tokens[4], tokens[11], tokens[18]};
  const Matrix stepped = tiny.step(next, caches, executor).value();
  for (Index s = 0; s < 3; ++s) CHECK(distance(stepped.row(s).transpose(), 4 + 7 * s) < 1e-4f);
}

TEST_CASE("llama: a token outside the vocabulary is an error with its id and position", "[model][llama]") {
  const model::Llama tiny = test::tiny_model();
  Executor executor(1);
  const std::vector<std::uint32_t> tokens{3, 5, 37, 2};
  const auto logits = tiny.forward(tokens, executor);
  REQUIRE_FALSE(logits);
  CHECK(logits.error().code == Errc::out_of_range_token);
  CHECK(logits.error().row == 2u);
  CHECK(logits.error().value == 37.0);
  CHECK(tiny.forward(std::vector<std::uint32_t>{36}, executor).has_value());
  CHECK(tiny.hidden_states(std::vector<std::uint32_t>{1, 2, 3}, 2, executor).error().code == Errc::shape_mismatch);
}

TEST_CASE("layer: hooks see each projection's inputs, in order", "[model][layer]") {
  model::Llama tiny = test::tiny_model();
  Executor executor(1);
  const auto& config = tiny.config();
  Matrix hidden = tiny.embed(test::random_tokens(24, 37, 3)).value();
  const Matrix before = hidden;
  const model::RopeTable rope(config, 12);
  std::vector<Projection> order;
  std::map<Projection, Matrix> inputs;
  const auto note = [&](Projection p, ConstMatrixRef X) {
    order.push_back(p);
    inputs[p] = X;
  };
  model::run_layer(config, tiny.layer(0), rope, hidden, 12, executor, {.before = note});
  CHECK(order == std::vector<Projection>(model::projections.begin(), model::projections.end()));
  for (const Projection p : model::projections) {
    CHECK(inputs[p].rows() == 24);
    CHECK(inputs[p].cols() == static_cast<Index>(model::shape_of(config, p).cols));
  }
  CHECK(inputs[Projection::q] == model::rms_norm(before, tiny.layer(0).input_norm, config.rms_norm_eps, executor));
  CHECK(inputs[Projection::q] == inputs[Projection::v]);
  CHECK(inputs[Projection::gate] == inputs[Projection::up]);
  CHECK_FALSE(hidden == before);

  for (const Site site : model::sites) {  // stopping early sees the same inputs and leaves the hidden state alone
    Matrix kept = before;
    std::size_t calls = 0;
    const auto compare = [&](Projection p, ConstMatrixRef X) {
      ++calls;
      CHECK(inputs[p] == X);
      CHECK(site_of(p) <= site);
    };
    model::run_layer(config, tiny.layer(0), rope, kept, 12, executor, {.before = compare, .stop_after = site});
    CHECK(kept == before);
    CHECK(calls == std::vector<std::size_t>{3, 4, 6, 7}[static_cast<std::size_t>(site)]);
  }

  Matrix zeroed = before;  // a hook may replace what is about to run
  model::run_layer(config, tiny.layer(0), rope, zeroed, 12, executor, {.before = [&](Projection p, ConstMatrixRef) {
                     const auto shape = model::shape_of(config, p);
                     tiny.layer(0)[p].linear = std::make_unique<model::FloatLinear>(
                         Matrix(Matrix::Zero(static_cast<Index>(shape.rows), static_cast<Index>(shape.cols))));
                     tiny.layer(0)[p].bias.setZero();
                   }});
  CHECK(zeroed == before);
}

TEST_CASE("llama: parts that do not fit the configuration are named", "[model][llama]") {
  const auto config = test::tiny_config();
  const auto error_of = [&](auto&& spoil) {
    model::LlamaWeights weights = test::random_weights(config, 1);
    spoil(weights);
    const auto made = model::Llama::make(config, std::move(weights));
    REQUIRE_FALSE(made);
    return made.error();
  };
  auto error = error_of([](model::LlamaWeights& w) { w.layers[1].down.linear.reset(); });
  CHECK(error.code == Errc::missing);
  CHECK(error.tensor == "model.layers.1.mlp.down_proj");
  error = error_of(
      [](model::LlamaWeights& w) { w.layers[0].k.linear = std::make_unique<model::FloatLinear>(Matrix(3, 4)); });
  CHECK(error.code == Errc::shape_mismatch);
  CHECK(error.tensor == "model.layers.0.self_attn.k_proj");
  CHECK(error_of([](model::LlamaWeights& w) { w.layers.pop_back(); }).code == Errc::shape_mismatch);
  CHECK(error_of([](model::LlamaWeights& w) { w.final_norm.resize(3); }).tensor == "model.norm.weight");
  CHECK(error_of([](model::LlamaWeights& w) { w.embedding.reset(); }).tensor == "model.embed_tokens.weight");
  CHECK(error_of([](model::LlamaWeights& w) { w.layers[0].q.bias.resize(3); }).tensor ==
        "model.layers.0.self_attn.q_proj.bias");
}

TEST_CASE("llama: slots are listed by their Hugging Face names", "[model][llama]") {
  model::LlamaWeights weights = test::random_weights(test::tiny_config(), 1);
  std::vector<std::string> names;
  model::for_each_slot(weights, [&](const std::string& name, std::size_t layer, Projection p, model::Slot& slot) {
    names.push_back(name);
    CHECK(&slot == &weights.layers[layer][p]);
  });
  REQUIRE(names.size() == 14);
  CHECK(names[0] == "model.layers.0.self_attn.q_proj");
  CHECK(names[3] == "model.layers.0.self_attn.o_proj");
  CHECK(names[13] == "model.layers.1.mlp.down_proj");
}

TEST_CASE("generate: greedy text is what repeated prefills give, and sampling depends on the seed alone",
          "[model][generate]") {
  const model::Llama tiny = test::tiny_model();
  Executor one(1), two(2);
  std::vector<std::uint32_t> text{1, 4, 9};
  const auto greedy = model::generate(tiny, text, {.max_tokens = 12}, two).value();
  REQUIRE(greedy.size() == 12);
  for (const std::uint32_t id : greedy) {
    const Matrix logits = tiny.forward(text, one).value();
    CHECK(id == model::argmax(std::span(logits.data() + (logits.rows() - 1) * 37, 37)));
    text.push_back(id);
  }
  CHECK(
      model::generate(tiny, std::vector<std::uint32_t>{1}, {.max_tokens = 12, .stop = {greedy[0], greedy[1], 36}}, one)
          ->size() <= 12);

  const auto a = model::sample_tokens(tiny, 20, 18, 7, one).value();
  CHECK(a == model::sample_tokens(tiny, 20, 18, 7, two).value());
  CHECK_FALSE(a == model::sample_tokens(tiny, 20, 18, 8, two).value());
  REQUIRE(a.size() == 360);
  for (std::size_t i = 0; i < a.size(); i += 20) CHECK(a[i] == 1);
}

TEST_CASE("generate: drawn tokens follow the softmax, top_k and top_p cut it", "[model][generate]") {
  const std::vector<float> logits{0.0f, std::log(2.0f), std::log(3.0f), std::log(4.0f)};  // shares .1 .2 .3 .4
  const auto counts = [&](const model::SampleOptions& options) {
    Rng rng(21);
    std::vector<double> share(4, 0.0);
    for (int i = 0; i < 20000; ++i) share[model::sample_token(logits, options, rng)] += 1.0 / 20000;
    return share;
  };
  const auto plain = counts({.temperature = 1.0});
  for (std::size_t i = 0; i < 4; ++i) CHECK(plain[i] == test::Approx(0.1 * static_cast<double>(i + 1)).margin(0.02));
  const auto two = counts({.temperature = 1.0, .top_k = 2});
  CHECK(two[0] + two[1] == 0.0);
  CHECK(two[2] == test::Approx(3.0 / 7.0).margin(0.02));
  const auto nucleus = counts({.temperature = 1.0, .top_p = 0.6});
  CHECK(nucleus[0] + nucleus[1] == 0.0);
  CHECK(nucleus[3] == test::Approx(4.0 / 7.0).margin(0.02));
  CHECK(counts({.temperature = 0.01})[3] == test::Approx(1.0));
  CHECK(counts({})[3] == test::Approx(1.0));
}

}  // namespace lowbit::test::llama_tests
