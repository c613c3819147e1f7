// SPDX-License-Identifier: MIT
#include <string>
#include <vector>

#include "catch.hpp"
#include "lowbit/model/config.hpp"
#include "support/shared.hpp"

namespace lowbit::test::config_tests {

namespace {

const char* const minimal = R"({"model_type": "llama", "hidden_act": "silu", "vocab_size": 100, "hidden_size": 64,
  "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4})";

/// The minimal configuration with some keys replaced or added; null removes.
io::Json with(const char* changes) {
  io::Json json = io::parse_json(std::string_view(minimal)).value();
  json.merge_patch(io::parse_json(std::string_view(changes)).value());
  return json;
}

}  // namespace

TEST_CASE("config: absent keys take the defaults of the format", "[model][config]") {
  const auto c = model::parse_config(with("{}")).value();
  CHECK(c.num_key_value_heads == 4);
  CHECK(c.head_dim == 16);
  CHECK(c.max_position_embeddings == 2048);
  CHECK(c.rope_theta == 10000.0);
  CHECK(c.rope_scaling.kind == model::RopeScaling::Kind::none);
  CHECK_FALSE(c.attention_bias);
  CHECK_FALSE(c.mlp_bias);
  CHECK_FALSE(c.tie_word_embeddings);
  CHECK(c.bos_token_ids.empty());
  CHECK(c.quant_method.empty());
}

TEST_CASE("config: token ids are a number or an array", "[model][config]") {
  const auto c = model::parse_config(with(R"({"bos_token_id": 1, "eos_token_id": [2, 5]})")).value();
  CHECK(c.bos_token_ids == std::vector<std::uint32_t>{1});
  CHECK(c.eos_token_ids == std::vector<std::uint32_t>{2, 5});
}

TEST_CASE("config: rope_parameters say the same as rope_theta and rope_scaling", "[model][config]") {
  const char* const llama3 = R"("rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                "original_max_position_embeddings": 4096)";
  const auto apart =
      model::parse_config(with((std::string(R"({"rope_theta": 5e5, "rope_scaling": {)") + llama3 + "}}").c_str()))
          .value();
  const auto together =
      model::parse_config(with((std::string(R"({"rope_parameters": {"rope_theta": 5e5, )") + llama3 + "}}").c_str()))
          .value();
  CHECK(apart == together);
  CHECK(apart.rope_theta == 5e5);
  CHECK(apart.rope_scaling == model::RopeScaling{model::RopeScaling::Kind::llama3, 32.0, 1.0, 4.0, 4096});
  CHECK(model::parse_config(with(R"({"rope_scaling": {"type": "linear", "factor": 2}})"))->rope_scaling.kind ==
        model::RopeScaling::Kind::linear);
  CHECK(model::parse_config(with(R"({"rope_scaling": {"rope_type": "default"}})"))->rope_scaling.kind ==
        model::RopeScaling::Kind::none);
}

TEST_CASE("config: what is not implemented is refused by name", "[model][config]") {
  const auto [changes, word] = GENERATE(table<const char*, const char*>({
      {R"({"model_type": "mamba"})", "mamba"},
      {R"({"hidden_act": "gelu"})", "gelu"},
      {R"({"rope_scaling": {"rope_type": "yarn", "factor": 4}})", "yarn"},
      {R"({"rope_parameters": {"rope_type": "longrope"}})", "longrope"},
  }));
  const auto c = model::parse_config(with(changes));
  REQUIRE_FALSE(c);
  CHECK(c.error().code == Errc::unsupported);
  CHECK(c.error().message.find(word) != std::string::npos);
}

TEST_CASE("config: a bad value is an error that names its key", "[model][config]") {
  const auto [changes, key, code] = GENERATE(table<const char*, const char*, Errc>({
      {R"({"model_type": null})", "model_type", Errc::missing},
      {R"({"hidden_size": null})", "hidden_size", Errc::missing},
      {R"({"hidden_size": 0})", "hidden_size", Errc::out_of_bounds},
      {R"({"hidden_size": -64})", "hidden_size", Errc::malformed},
      {R"({"hidden_size": 64.0})", "hidden_size", Errc::malformed},
      {R"({"hidden_size": "64"})", "hidden_size", Errc::malformed},
      {R"({"hidden_size": 16777217})", "hidden_size", Errc::out_of_bounds},
      {R"({"hidden_size": 65})", "num_attention_heads", Errc::out_of_bounds},
      {R"({"vocab_size": 18446744073709551615})", "vocab_size", Errc::out_of_bounds},
      {R"({"num_hidden_layers": 65537})", "num_hidden_layers", Errc::out_of_bounds},
      {R"({"num_key_value_heads": 3})", "num_key_value_heads", Errc::out_of_bounds},
      {R"({"num_key_value_heads": 0})", "num_key_value_heads", Errc::out_of_bounds},
      {R"({"head_dim": 15})", "head_dim", Errc::out_of_bounds},
      {R"({"head_dim": 0})", "head_dim", Errc::out_of_bounds},
      {R"({"num_attention_heads": 65536, "head_dim": 65536, "num_key_value_heads": 1})", "head_dim",
       Errc::out_of_bounds},
      {R"({"rms_norm_eps": -1})", "rms_norm_eps", Errc::out_of_bounds},
      {R"({"rope_theta": 0})", "rope_theta", Errc::out_of_bounds},
      {R"({"rope_theta": true})", "rope_theta", Errc::malformed},
      {R"({"rope_scaling": 4})", "rope_scaling", Errc::malformed},
      {R"({"rope_scaling": {"type": "linear"}})", "factor", Errc::missing},
      {R"({"rope_scaling": {"type": "linear", "factor": 0}})", "factor", Errc::out_of_bounds},
      {R"({"rope_scaling": {"type": "llama3", "low_freq_factor": 4}})", "low_freq_factor", Errc::out_of_bounds},
      {R"({"max_position_embeddings": 0})", "max_position_embeddings", Errc::out_of_bounds},
      {R"({"attention_bias": 1})", "attention_bias", Errc::malformed},
      {R"({"bos_token_id": 100})", "bos_token_id", Errc::out_of_bounds},
      {R"({"eos_token_id": [2, -1]})", "eos_token_id", Errc::out_of_bounds},
      {R"({"quantization_config": 8})", "quantization_config", Errc::malformed},
  }));
  CAPTURE(changes);
  const auto c = model::parse_config(with(changes));
  REQUIRE_FALSE(c);
  CHECK(c.error().code == code);
  CHECK(to_string(c.error()).find(key) != std::string::npos);
}

TEST_CASE("config: the embedded model's file is read", "[model][config]") {
  const auto c = model::read_config(test::repository_dir() / "examples/data/manual-1m").value();
  CHECK(c.hidden_size == 128);
  CHECK(c.num_key_value_heads == 2);
  CHECK(c.tie_word_embeddings);
  CHECK(c.torch_dtype == "float16");
  const auto absent = model::read_config(test::repository_dir() / "examples/data");
  REQUIRE_FALSE(absent);
  CHECK(absent.error().file.find("config.json") != std::string::npos);
}

}  // namespace lowbit::test::config_tests
