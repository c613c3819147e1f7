// SPDX-License-Identifier: MIT
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "catch.hpp"
#include "lowbit/io/safetensors_writer.hpp"
#include "lowbit/model/llama.hpp"
#include "support/shared.hpp"
#include "support/temp_dir.hpp"
#include "tiny_model.hpp"

namespace lowbit::test::checkpoint_tests {

namespace {

using Tensors = std::map<std::string, Matrix>;  // one column: stored as a vector

Tensors tensors_of(const model::Llama& tiny) {
  const model::LlamaWeights& w = tiny.weights();
  Tensors all;
  all["model.embed_tokens.weight"] = *w.embedding;
  all["model.norm.weight"] = w.final_norm;
  if (w.head != nullptr) all["lm_head.weight"] = w.head->dequantized();
  for (std::size_t i = 0; i < w.layers.size(); ++i) {
    all[model::input_norm_name(i)] = w.layers[i].input_norm;
    all[model::post_attention_norm_name(i)] = w.layers[i].post_attention_norm;
    for (const model::Projection p : model::projections) {
      all[model::hf_name(i, p) + ".weight"] = w.layers[i][p].linear->dequantized();
      if (w.layers[i][p].bias.size() != 0) all[model::hf_name(i, p) + ".bias"] = w.layers[i][p].bias;
    }
  }
  return all;
}

void write(const std::filesystem::path& dir, const model::LlamaConfig& c, const Tensors& tensors, io::Json extra = {}) {
  io::Json json{{"model_type", "llama"},
                {"vocab_size", c.vocab_size},
                {"hidden_size", c.hidden_size},
                {"intermediate_size", c.intermediate_size},
                {"num_hidden_layers", c.num_hidden_layers},
                {"num_attention_heads", c.num_attention_heads},
                {"num_key_value_heads", c.num_key_value_heads},
                {"head_dim", c.head_dim},
                {"max_position_embeddings", c.max_position_embeddings},
                {"rms_norm_eps", c.rms_norm_eps},
                {"rope_theta", c.rope_theta},
                {"rope_scaling",
                 {{"rope_type", "llama3"},
                  {"factor", c.rope_scaling.factor},
                  {"low_freq_factor", c.rope_scaling.low_freq_factor},
                  {"high_freq_factor", c.rope_scaling.high_freq_factor},
                  {"original_max_position_embeddings", c.rope_scaling.original_max_position_embeddings}}},
                {"attention_bias", c.attention_bias},
                {"mlp_bias", c.mlp_bias},
                {"tie_word_embeddings", c.tie_word_embeddings},
                {"bos_token_id", 1}};
  if (!extra.is_null()) json.merge_patch(extra);
  std::ofstream(dir / "config.json") << json.dump();
  auto writer = io::SafetensorsWriter::create(dir / "model.safetensors", true).value();
  for (const auto& [name, m] : tensors) {
    std::vector<std::uint64_t> shape{static_cast<std::uint64_t>(m.rows())};
    if (m.cols() != 1) shape.push_back(static_cast<std::uint64_t>(m.cols()));
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(m.data());
    writer.add(name, io::Dtype::F32, shape, {bytes, static_cast<std::size_t>(m.size()) * sizeof(float)}).value();
  }
  writer.finish().value();
}

}  // namespace

TEST_CASE("checkpoint: a written model loads with the same weights and configuration", "[model][checkpoint]") {
  const test::TempDir dir;
  const model::Llama tiny = test::tiny_model();
  write(dir.path(), tiny.config(), tensors_of(tiny));
  const model::Llama loaded = model::Llama::load(dir.path()).value();
  CHECK(loaded.config() == tiny.config());
  const Tensors want = tensors_of(tiny), got = tensors_of(loaded);
  REQUIRE(want.size() == got.size());
  for (const auto& [name, m] : want) CHECK(got.at(name) == m);

  const auto set = io::SafetensorsSet::open(dir.path()).value();
  const auto layer = model::load_layer(set, tiny.config(), 1).value();  // one layer alone
  CHECK(layer.down.linear->dequantized() == tiny.layer(1).down.linear->dequantized());
  CHECK(layer.k.bias == tiny.layer(1).k.bias);
}

TEST_CASE("checkpoint: damage is an error that names the tensor", "[model][checkpoint]") {
  const test::TempDir dir;
  const model::Llama tiny = test::tiny_model();
  const auto error_of = [&](const std::function<void(Tensors&)>& spoil, const io::Json& extra = {}) {
    Tensors tensors = tensors_of(tiny);
    spoil(tensors);
    write(dir.path(), tiny.config(), tensors, extra);
    const auto loaded = model::Llama::load(dir.path());
    REQUIRE_FALSE(loaded);
    return loaded.error();
  };
  const std::string down = "model.layers.1.mlp.down_proj.weight";
  Error error = error_of([&](Tensors& t) { t[down](3, 5) = std::numeric_limits<float>::quiet_NaN(); });
  CHECK(error.code == Errc::not_finite);
  CHECK(error.tensor == down);
  CHECK(error.row == 3u);
  CHECK(error.column == 5u);
  error = error_of([&](Tensors& t) { t["model.norm.weight"](7, 0) = -std::numeric_limits<float>::infinity(); });
  CHECK(error.code == Errc::not_finite);
  CHECK(error.tensor == "model.norm.weight");
  CHECK(error.column == 7u);
  for (const auto& entry : tensors_of(tiny)) {
    error = error_of([&](Tensors& t) { t.erase(entry.first); });
    CHECK(error.code == Errc::missing);
    CHECK(error.tensor == entry.first);
    const Matrix longer = Matrix::Zero(entry.second.rows() + 1, entry.second.cols());
    error = error_of([&](Tensors& t) { t[entry.first] = longer; });
    CHECK(error.code == Errc::shape_mismatch);
    CHECK(error.tensor == entry.first);
  }
  error = error_of([](Tensors&) {}, {{"mlp_bias", false}});
  CHECK(error.code == Errc::malformed);
  CHECK(error.tensor == "model.layers.0.mlp.gate_proj.bias");
  error = error_of([](Tensors&) {}, {{"quantization_config", {{"quant_method", "gptq"}}}});
  CHECK(error.code == Errc::unsupported);
  CHECK(error.message.find("gptq") != std::string::npos);
}

TEST_CASE("checkpoint: a tied model keeps one matrix, unless its head differs", "[model][checkpoint]") {
  const test::TempDir dir;
  const model::Llama tiny = test::tiny_model();
  const auto load = [&](const std::function<void(Tensors&)>& change) {
    Tensors tensors = tensors_of(tiny);
    change(tensors);
    write(dir.path(), tiny.config(), tensors, {{"tie_word_embeddings", true}});
    return model::Llama::load(dir.path()).value();
  };
  const auto absent = load([](Tensors& t) { t.erase("lm_head.weight"); });
  CHECK(absent.weights().head == nullptr);
  CHECK(absent.weights().warnings.empty());
  const auto equal = load([](Tensors& t) { t["lm_head.weight"] = t["model.embed_tokens.weight"]; });
  CHECK(equal.weights().head == nullptr);
  const auto different = load([](Tensors&) {});
  REQUIRE(different.weights().head != nullptr);
  CHECK(different.weights().head->dequantized() == tiny.weights().head->dequantized());
  CHECK(different.weights().warnings.size() == 1);

  Executor executor(1);
  const auto tokens = test::random_tokens(9, 37, 2);
  CHECK(absent.forward(tokens, executor).value() == equal.forward(tokens, executor).value());
  CHECK_FALSE(absent.forward(tokens, executor).value() == different.forward(tokens, executor).value());
}

}  // namespace lowbit::test::checkpoint_tests
