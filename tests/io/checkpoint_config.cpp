// SPDX-License-Identifier: MIT
#include "catch.hpp"
#include "lowbit/io/checkpoint/config.hpp"

namespace lowbit::test::checkpoint_config_tests {
using namespace lowbit::io;

namespace {

std::string wrap(const std::string& inner) { return R"({"model_type":"llama","quantization_config":)" + inner + "}"; }

/// The key that is refused, and a part of the reason.
void refused(const std::string& inner, const std::string& key, const std::string& reason, Errc code = Errc::unsupported) {
  CAPTURE(inner);
  const auto got = parse_quantization_config(wrap(inner));
  REQUIRE_FALSE(got);
  CHECK(to_string(got.error().code) == to_string(code));
  CHECK(got.error().tensor == key);
  CHECK(got.error().message.find(reason) != std::string::npos);
}

}  // namespace

TEST_CASE("quantization config: GPTQ, with the order of its module rules", "[io][checkpoint]") {
  const auto got = parse_quantization_config(wrap(
      R"({"quant_method":"gptq","bits":4,"group_size":128,"sym":false,"desc_act":true,"checkpoint_format":"gptq_v2","meta":{"x":[1]},
          "dynamic":{"z.*":{"bits":8},"-:.*a":{},"+:b\\.c":{"group_size":-1,"sym":true,"dynamic":{"inner":1}},"a":{"bits":2}}})"));
  REQUIRE(got);
  const auto& config = std::get<GptqConfig>(got->method);
  CHECK(config.params.bits == 4);
  CHECK(config.params.group_size == 128);
  CHECK_FALSE(config.params.symmetric);
  CHECK(config.params.version == GptqVersion::v2);
  CHECK(config.desc_act);
  REQUIRE(config.rules.size() == 4);
  CHECK(config.rules[0].pattern == "z.*");
  CHECK(config.rules[0].bits == 8u);
  CHECK(config.rules[1].pattern == ".*a");
  CHECK(config.rules[1].excludes);
  CHECK(config.rules[2].pattern == "b\\.c");
  CHECK(config.rules[2].group_size == whole_row);
  CHECK(config.rules[2].symmetric == true);
  CHECK(config.rules[3].bits == 2u);
  // The whole file, as quantize_config.json has it.
  const auto bare = parse_quantization_config(R"({"bits":3,"group_size":-1,"dynamic":{"b":{},"a":{}}})", true);
  REQUIRE(bare);
  CHECK(std::get<GptqConfig>(bare->method).params.group_size == whole_row);
  CHECK(std::get<GptqConfig>(bare->method).params.symmetric);
  CHECK(std::get<GptqConfig>(bare->method).rules[0].pattern == "b");
}

TEST_CASE("quantization config: what is not read is refused by key and value", "[io][checkpoint]") {
  refused(R"({"quant_method":"gptq","bits":5,"group_size":128})", "bits", "5 bits");
  refused(R"({"quant_method":"gptq","bits":4,"group_size":0})", "group_size", "", Errc::out_of_bounds);
  refused(R"({"quant_method":"gptq","bits":4,"group_size":-2})", "group_size", "", Errc::out_of_bounds);
  refused(R"({"quant_method":"gptq","bits":4})", "group_size", "", Errc::missing);
  refused(R"({"quant_method":"gptq","bits":"4","group_size":128})", "bits", "integer", Errc::malformed);
  refused(R"({"quant_method":"gptq","bits":4,"group_size":128,"checkpoint_format":"marlin"})", "checkpoint_format", "'marlin'");
  refused(R"({"quant_method":"gptq","bits":4,"group_size":128,"checkpoint_format":"gptq_p"})", "checkpoint_format", "'gptq_p'");
  refused(R"({"quant_method":"gptq","bits":4,"group_size":128,"pack_dtype":"int64"})", "pack_dtype", "'int64'");
  refused(R"({"quant_method":"gptq","bits":4,"group_size":128,"dynamic":{"x":{"bits":7}}})", "dynamic x", "7 bits");
  refused(R"({"quant_method":"awq","bits":3,"group_size":128})", "bits", "3 bits");
  refused(R"({"quant_method":"awq","bits":4,"group_size":128,"version":"gemv"})", "version", "'gemv'");
  refused(R"({"quant_method":"awq","bits":4,"group_size":128,"zero_point":false})", "zero_point", "zero points");
  refused(R"({"quant_method":"awq","bits":4,"group_size":128,"backend":"llm-awq"})", "backend", "'llm-awq'");
  refused(R"({"quant_method":"bitsandbytes"})", "quant_method", "'bitsandbytes'");
  refused(R"({"quant_method":"modelopt","quant_algo":"FP8"})", "quant_algo", "'FP8'");
  refused(R"({"bits":4})", "quant_method", "", Errc::missing);
  const auto ct = [](const std::string& weights, const std::string& format = "pack-quantized") {
    return R"({"quant_method":"compressed-tensors","format":")" + format + R"(","config_groups":{"g":{"targets":["Linear"],"weights":)" +
           weights + "}}}";
  };
  refused(ct(R"({"num_bits":9})"), "config_groups g num_bits", "9 bits");
  refused(ct(R"({"num_bits":8,"type":"float"})"), "config_groups g type", "'float'");
  refused(ct(R"({"num_bits":8,"strategy":"block"})"), "config_groups g strategy", "'block'");
  refused(ct(R"({"num_bits":4,"strategy":"group"})"), "config_groups g group_size", "needs", Errc::missing);
  refused(ct(R"({"num_bits":4,"strategy":"channel","actorder":"sideways"})"), "config_groups g actorder", "'sideways'");
  refused(ct(R"({"num_bits":8})", "float-quantized"), "config_groups g format", "'float-quantized'");
  refused(ct(R"({"num_bits":4,"type":"float","group_size":32,"strategy":"tensor_group"})", "nvfp4-pack-quantized"),
          "config_groups g group_size", "groups of 16");
  refused(R"({"quant_method":"compressed-tensors","format":"pack-quantized","config_groups":{}})", "config_groups", "", Errc::missing);
  refused(R"({"quant_method":"compressed-tensors","format":"pack-quantized","quantization_status":"frozen","config_groups":{}})",
          "quantization_status", "'frozen'");
  CHECK(parse_quantization_config("{}").error().code == Errc::missing);
  CHECK(parse_quantization_config("[]").error().code == Errc::malformed);
  CHECK(parse_quantization_config("{").error().code == Errc::malformed);
}

TEST_CASE("quantization config: AWQ, compressed-tensors and MLX", "[io][checkpoint]") {
  const auto awq = parse_quantization_config(
      wrap(R"({"quant_method":"awq","bits":4,"group_size":64,"version":"GEMM","zero_point":true,"modules_to_not_convert":["gate"]})"));
  REQUIRE(awq);
  CHECK(std::get<AwqConfig>(awq->method).group_size == 64);
  CHECK(std::get<AwqConfig>(awq->method).not_converted == std::vector<std::string>{"gate"});
  CHECK(std::get<AwqConfig>(parse_quantization_config(R"({"quant_method":"awq","w_bit":4,"q_group_size":32})", true).value().method).group_size == 32);

  const auto ct = parse_quantization_config(wrap(
      R"({"quant_method":"compressed-tensors","format":"mixed-precision","ignore":["lm_head","re:.*gate"],"kv_cache_scheme":{"num_bits":8},
          "unknown":{"deep":[1,2]},
          "config_groups":{"group_0":{"targets":["Linear"],"format":"pack-quantized","input_activations":{"num_bits":8},
              "weights":{"num_bits":3,"type":"int","symmetric":false,"strategy":"group","group_size":64,"actorder":"group","dynamic":false}},
            "group_1":{"targets":["re:.*down_proj"],"format":"nvfp4-pack-quantized",
              "weights":{"num_bits":4,"type":"float","symmetric":true,"strategy":"tensor_group","group_size":16}}}})"));
  REQUIRE(ct);
  const auto& config = std::get<CtConfig>(ct->method);
  CHECK(ct->warnings.size() == 2);
  REQUIRE(config.schemes.size() == 2);
  CHECK(config.schemes[0].params.bits == 3);
  CHECK(config.schemes[0].params.group_size == 64);
  CHECK_FALSE(config.schemes[0].params.symmetric);
  CHECK(config.schemes[0].params.scattered);
  CHECK(config.schemes[1].format == CtFormat::nvfp4);
  CHECK(config.ignore.size() == 2);

  const auto mlx = parse_quantization_config(
      R"({"quantization":{"group_size":64,"bits":4,"mode":"affine","lm_head":false,"model.layers.0.mlp.down_proj":{"bits":8,"group_size":32}},
          "quantization_config":{"group_size":64,"bits":4}})");
  REQUIRE(mlx);
  CHECK(std::get<MlxConfig>(mlx->method).widths.bits == 4);
  CHECK(std::get<MlxConfig>(mlx->method).modules.at("model.layers.0.mlp.down_proj")->bits == 8);
  CHECK_FALSE(std::get<MlxConfig>(mlx->method).modules.at("lm_head").has_value());
  CHECK(parse_quantization_config(R"({"quantization":{"group_size":64,"bits":4,"mode":"mxfp4"}})").error().tensor == "mode");
}

}  // namespace lowbit::test::checkpoint_config_tests
