// SPDX-License-Identifier: MIT

#include <string>

#include "catch.hpp"
#include "lowbit/pipeline/resolve_recipe.hpp"
#include "lowbit/quantizer.hpp"

namespace lowbit::test::resolve_recipe_tests {
namespace {

ptq::RecipeSpec resolved(const std::string& text) {
  const auto spec = pipeline::parse_recipe(text);
  INFO(text << (spec ? "" : ": " + to_string(spec.error())));
  REQUIRE(spec.has_value());
  CHECK(spec->text == text);
  return *spec;
}

TEST_CASE("recipe: what is unsaid is symmetric, f16, groups of 128, the GPTQ rule", "[pipeline][recipe]") {
  const auto spec = resolved("rtn:int4");
  CHECK(spec.storage == Uniform<Int4>::storage_name());
  CHECK(spec.group_size == 128);
  CHECK(spec.rule == SymmetricRule::gptq);
  for (const char* width : {"2", "3", "4", "5", "6", "7", "8"})
    CHECK(resolved(std::string("rtn:int") + width).storage == std::string("int") + width + "_sym_f16");
}

TEST_CASE("recipe: modifiers choose the stored type", "[pipeline][recipe]") {
  using Named =
      Uniform<Int3, UniformOptions{.group_size = 64, .zero_point = ZeroPoint::integer, .scale = ScaleStorage::bf16}>;
  CHECK(resolved("gptq:int3:g64:asym:scale_bf16:hlp2.4").storage == Named::storage_name());
  CHECK(resolved("rtn:int4:asymreal").storage ==
        Uniform<Int4, UniformOptions{.zero_point = ZeroPoint::real}>::storage_name());
  CHECK(resolved("rtn:q4_0").storage == GgufQ4_0::storage_name());
  CHECK(resolved("gptq:q8_0:act_order:static_groups:cd2").storage == GgufQ8_0::storage_name());
  CHECK(resolved("gptq:q4_0").group_size == GgufQ4_0::group_size);
  CHECK(resolved("bf16").storage == "bf16");
  CHECK(resolved("rtn:mxfp4:even").variant == "even");
  CHECK(resolved("rtn:nvfp4:four_over_six").variant == "four_over_six");
  CHECK(resolved("rtn:ternary:absmean").storage == "ternary_f16");
  CHECK(resolved("gptq:phase").storage == "phase_f16");
  CHECK(resolved("quip#:2").storage == "e8p_f16");
  CHECK(resolved("quip#:3").storage == "e8p_3bit_f16");
  CHECK(resolved("quip:int3").storage == "halfoffset3_f16");
  CHECK(resolved("qtip:2").storage == "trellis_k2_l16_f16");
  CHECK(resolved("qtip:1.5:l12").storage == "trellis_k1.5_l12_f16");
  CHECK(resolved("rtn:trellis:k2:l12").group_size == per_tensor);
  CHECK(resolved("rht+ldlq:pvq:d16:k24").storage == Pvq3::storage_name());
  CHECK(resolved("rtn:pvq2.5").storage == Pvq2_5::storage_name());
  CHECK(resolved("rht+glvq:d8:b2").storage == "glvq_d8_b2_half");
  CHECK(resolved("glvq:d8:b3:cd0").rounding == ptq::RoundingKind::glvq);
  CHECK(resolved("ldlq:glvq:d8:b4").rounding == ptq::RoundingKind::hessian);
  CHECK(resolved("lnq:3").storage == "codebook3");
  CHECK(resolved("squeezellm:4").rounding == ptq::RoundingKind::nearest);
  CHECK(resolved("dgms:3").group_size == per_tensor);
  CHECK(resolved("rtn:codebook:d4:b8").storage == "codebook4d8b_f16");
}

TEST_CASE("recipe: a scale search stands where it can search", "[pipeline][recipe]") {
  for (const char* text : {"rtn:int4:lp2", "gptq:int4:hfull", "rtn:int4:asym:pct99.9", "rtn:int4:asymreal:hqq",
                           "rtn:int8:kl:grow", "rtn:int8:kl:gtensor", "rtn:int4:hgolden", "rtn:int4:ggml"})
    CHECK_FALSE(resolved(text).scale_search.empty());
}

TEST_CASE("recipe: every stored type in the list can be asked for by name", "[pipeline][recipe]") {
  const auto words = pipeline::format_words();
  for (const auto* codec : pipeline::all_codecs()) {
    const std::string name = codec->storage_name();
    CAPTURE(name);
    bool found = false;
    for (const std::string& word : words) {
      if (name.find(word) == std::string::npos) continue;
      for (const char* zero : {"", ":sym", ":asym", ":asymreal"})
        for (const char* scale : {"", ":scale_f16", ":scale_bf16", ":scale_f32", ":scale_ue4m3", ":scale_ue5m3"}) {
          const auto spec = pipeline::parse_recipe("rtn:" + word + zero + scale);
          found = found || (spec && spec->storage == name);
        }
    }
    CHECK(found);
  }
}

TEST_CASE("recipe: formats and modifiers that do not exist together are refused, naming the word", "[pipeline][recipe]") {
  const std::pair<const char*, const char*> refused[] = {
      {"rtn:int1", "'int1'"},       {"rtn:int9", "'int9'"},       {"rtn:int44", "'int44'"},
      {"rtn:INT4", "'INT4'"},       {"rtn:q4_0:g32", "'g…'"},     {"rtn:q4_0:asym", "'asym'"},
      {"rtn:q8_0:scale_f32", "'scale_f32'"}, {"rtn:q8_0:lp2", "'lp2'"}, {"rtn:q9_9", "'q9_9'"},
      {"lnq:int4", "'lnq'"},        {"glvq:codebook3", "'glvq'"}, {"rht+lnq:e8p", "'rht+lnq'"}, {"lnq:3:act_order", "'act_order'"},
      {"rtn:q4_0:s1", "'s1 … s4'"}, {"rtn:nvfp4:rceil", "'rceil'"}, {"rtn:int4:even", "'even'"},
      {"rtn:e8p:g12", "'g12'"}, {"rtn:trellis:k2:l12:g24", "'g24'"}, {"rtn:trellis:k9:l12", "'trellis_k9_l12'"},
      {"rtn:e8p:asym", "'asym'"}, {"rtn:int4:scale_f64", "'scale_f64'"},
      {"rtn:int4:asymreal:scale_bf16", "'asymreal'"},
      {"rtn:int4:hqq", "'hqq'"},    {"rtn:int4:asym:hqq", "'hqq'"}, {"rtn:int8:kl", "'kl'"},
      {"rtn:int8:kl:g64", "'kl'"},  {"rtn:q8_0:golden", "'golden'"},
  };
  for (const auto& [text, word] : refused) {
    const auto spec = pipeline::parse_recipe(text);
    CAPTURE(text);
    REQUIRE_FALSE(spec.has_value());
    CHECK(spec.error().code == Errc::invalid_argument);
    CHECK(spec.error().message.find(word) != std::string::npos);
    CHECK(spec.error().message.find(std::string("'") + text + "'") != std::string::npos);
  }
}

}  // namespace
}  // namespace lowbit::test::resolve_recipe_tests
