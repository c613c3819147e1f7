// SPDX-License-Identifier: MIT

#include <string>

#include "catch.hpp"
#include "lowbit/ptq/recipe_string.hpp"
#include "lowbit/quantizer.hpp"

namespace lowbit::test::recipe_string_tests {
namespace {

using ptq::parse_recipe;
using ptq::RecipeSpec;
using ptq::RoundingKind;

RecipeSpec spec(const std::string& text) {
  const auto parsed = parse_recipe(text);
  INFO(text << (parsed ? "" : ": " + to_string(parsed.error())));
  REQUIRE(parsed.has_value());
  CHECK(parsed->text == text);
  return *parsed;
}

TEST_CASE("recipe string: a rounding and a format are enough", "[ptq][recipe]") {
  const RecipeSpec rtn = spec("rtn:int4");
  CHECK(rtn.rounding == RoundingKind::nearest);
  CHECK(rtn.format == "int4");
  CHECK(rtn.zero_point.empty());
  CHECK(rtn.scale_storage.empty());
  CHECK_FALSE(rtn.group_size.has_value());
  CHECK_FALSE(rtn.rule.has_value());
  CHECK(rtn.scale_search.empty());
  CHECK(rtn.true_sequential);
  CHECK(spec("gptq:int3").rounding == RoundingKind::hessian);
  CHECK(spec("rtn:any_name").format == "any_name");
}

TEST_CASE("recipe string: transforms stand before the rounding", "[ptq][recipe]") {
  const RecipeSpec plain = spec("gptq:int4");
  CHECK(plain.transform.empty());
  CHECK_FALSE(plain.hessian.static_groups);
  const RecipeSpec one = spec("rht+ldlq:pvq:d16:k27:grow:seed7:cd2");
  CHECK(one.transform == "rht");
  CHECK(one.seed == 7);
  CHECK(one.rounding == RoundingKind::hessian);
  CHECK(one.hessian.static_groups);
  CHECK(one.hessian.cd_sweeps == 2);
  CHECK(one.format == "pvq_d16_k27");
  CHECK(one.group_size == per_row);
  const RecipeSpec both = spec("rescale+kron_in+rtn:int2:g32");
  CHECK(both.transform == "rescale+kron_in");
  CHECK(both.rounding == RoundingKind::nearest);
  CHECK(both.format == "int2");
  CHECK(spec("rtn:glvq:d8:b2").format == "glvq_d8_b2");
}

TEST_CASE("recipe string: published systems are recipes with names", "[ptq][recipe]") {
  const auto same = [](const std::string& name, const std::string& meaning) {
    CAPTURE(name, meaning);
    const RecipeSpec a = spec(name), b = spec(meaning);
    CHECK(a.transform == b.transform);
    CHECK(a.rounding == b.rounding);
    CHECK(a.format == b.format);
    CHECK(a.group_size == b.group_size);
    CHECK(a.scale_search == b.scale_search);
    CHECK(a.hessian.scale.index() == b.hessian.scale.index());
    CHECK(a.hessian.static_groups == b.hessian.static_groups);
    CHECK(a.hessian.cd_sweeps == b.hessian.cd_sweeps);
  };
  same("quip:int2", "rescale+kron+ldlq:halfoffset2:gtensor:lp2");
  same("quip#:2", "rht+ldlq:e8p:gtensor:cd10");
  same("quip#:3", "rht+ldlq:e8p_3bit:gtensor:cd10");
  same("quip#:4:g128:cd0", "rht+ldlq:e8p_4bit:g128");
  same("qtip:2", "rht+ldlq:trellis:k2:l16:gtensor");
  same("qtip:3:l12", "rht+ldlq:trellis:k3:l12:gtensor");
}

TEST_CASE("recipe string: every modifier reaches its field", "[ptq][recipe]") {
  const RecipeSpec all =
      spec("gptq:int3:g64:asym:scale_bf16:hlp2.4:act_order:static_groups:damp0.05:block32:cd3:zero_dead:parallel");
  CHECK(all.format == "int3");
  CHECK(all.zero_point == "asym");
  CHECK(all.scale_storage == "bf16");
  CHECK(all.scale_search == "hlp2.4");
  CHECK(all.group_size == 64);
  CHECK(all.hessian.act_order);
  CHECK(all.hessian.static_groups);
  CHECK(all.hessian.damp == 0.05);
  CHECK(all.hessian.block_size == 32);
  CHECK(all.hessian.cd_sweeps == 3);
  CHECK(all.hessian.dead_inputs == ptq::DeadInputs::zero);
  CHECK_FALSE(all.true_sequential);
  const auto* search = std::get_if<LpGrid>(&all.hessian.scale);
  REQUIRE(search != nullptr);
  CHECK(search->p == 2.4f);
  CHECK(search->weighted);
  CHECK_FALSE(std::get<LpGrid>(spec("rtn:int4:lp2").hessian.scale).weighted);
  CHECK(std::holds_alternative<AbsMax>(spec("rtn:int4").hessian.scale));

  CHECK(spec("rtn:int4:grow").group_size == per_row);
  CHECK(spec("rtn:int4:gtensor").group_size == per_tensor);
  CHECK(spec("rtn:int4:asymreal:scale_f32").zero_point == "asymreal");
  CHECK(spec("rtn:int4:asymreal:scale_f32").scale_storage == "f32");
  CHECK(spec("rtn:int4:s1").rule == SymmetricRule::full_range);
  CHECK(spec("rtn:int4:sym:s2").rule == SymmetricRule::gptq);
  CHECK(spec("rtn:int4:s3").rule == SymmetricRule::narrow);
  CHECK(spec("rtn:int4:s4:g32").rule == SymmetricRule::signed_max);
}

TEST_CASE("recipe string: every scale search has a word", "[ptq][recipe]") {
  const auto search = [](const char* text) { return spec(text).hessian.scale; };
  CHECK(std::get<Percentile>(search("rtn:int4:pct99.9")).percent == 99.9f);
  CHECK(std::get<Percentile>(search("rtn:int4:pct100")).percent == 100.0f);
  CHECK_FALSE(std::get<GoldenSection>(search("rtn:int4:golden")).weighted);
  CHECK(std::get<GoldenSection>(search("gptq:int4:hgolden")).weighted);
  CHECK(std::holds_alternative<HessianFull>(search("gptq:int4:hfull")));
  CHECK(std::holds_alternative<KlEntropy>(search("rtn:int8:kl:gtensor")));
  CHECK(std::holds_alternative<Hqq>(search("rtn:int4:asymreal:hqq")));
  CHECK(std::holds_alternative<GgmlSearch>(search("rtn:int4:ggml")));
  CHECK(spec("rtn:int4:golden").scale_search == "golden");
}

TEST_CASE("recipe string: floats name their stored types", "[ptq][recipe]") {
  CHECK(spec("f32").storage == "f32");
  CHECK(spec("fp16").storage == "f16");
  CHECK(spec("f16").storage == "f16");
  CHECK(spec("bf16").storage == "bf16");
  CHECK(spec("bf16").rounding == RoundingKind::none);
}

TEST_CASE("recipe string: what means nothing is refused, naming the word", "[ptq][recipe]") {
  const std::pair<const char*, const char*> refused[] = {
      {"", "''"},
      {"awq:int4", "'awq'"},
      {"rtn", "'rtn'"},
      {"gptq:", "''"},
      {"f32:g64", "'g64'"},
      {"fht+gptq:int4", "'fht'"},
      {"rht+:int4", "''"},
      {"+rtn:int4", "''"},
      {"rht:int4", "'rht'"},
      {"rtn+rht:int4", "'rtn'"},
      {"quip:int5", "'quip:int5'"},
      {"quip#", "'quip#'"},
      {"qtip:5", "'qtip:5'"},
      {"rtn:int4:seed3", "'seed3'"},
      {"rht+rtn:int4:seed-3", "'seed-3'"},
      {"ldlq:int4:act_order", "'act_order'"},
      {"rtn:int4:g64:d8", "'d8'"},
      {"rtn:int4:", "''"},
      {"rtn:int4:g0", "'g0'"},
      {"rtn:int4:g-1", "'g-1'"},
      {"rtn:int4:g64x", "'g64x'"},
      {"rtn:int4:g99999999999999999999999", "'g99999999999999999999999'"},
      {"rtn:int4:g18446744073709551615", "'g18446744073709551615'"},
      {"rtn:int4:g64:grow", "'grow'"},
      {"rtn:int4:sym:asym", "'asym'"},
      {"rtn:int4:asym:s2", "'s1"},
      {"rtn:int4:s5", "'s5'"},
      {"rtn:int4:scale_", "'scale_'"},
      {"rtn:int4:lp0", "'lp0'"},
      {"rtn:int4:lp-2", "'lp-2'"},
      {"rtn:int4:lpnan", "'lpnan'"},
      {"rtn:int4:lp2:hlp2", "'hlp2'"},
      {"rtn:int4:golden:kl", "'kl'"},
      {"rtn:int4:pct", "'pct'"},
      {"rtn:int4:pct49", "'pct49'"},
      {"rtn:int4:pct101", "'pct101'"},
      {"rtn:int4:pctnan", "'pctnan'"},
      {"rtn:int4:lp17", "'lp17'"},
      {"rtn:int4:act_order", "'act_order'"},
      {"rtn:int4:cd2", "'cd2'"},
      {"rtn:int4:damp0.1", "'damp0.1'"},
      {"gptq:int4:damp2", "'damp2'"},
      {"gptq:int4:damp-0.1", "'damp-0.1'"},
      {"gptq:int4:dampnan", "'dampnan'"},
      {"gptq:int4:block0", "'block0'"},
      {"gptq:int4:cd-1", "'cd-1'"},
      {"gptq:int4:cd100000", "'cd100000'"},
      {"gptq:int4:act_order:act_order", "'act_order'"},
      {"gptq:int4:damp0.1:damp0.2", "'damp0.2'"},
  };
  for (const auto& [text, word] : refused) {
    const auto parsed = parse_recipe(text);
    CAPTURE(text);
    REQUIRE_FALSE(parsed.has_value());
    CHECK(parsed.error().code == Errc::invalid_argument);
    CHECK(parsed.error().message.find(word) != std::string::npos);
    CHECK(parsed.error().message.find(std::string("'") + text + "'") != std::string::npos);
  }
}

}  // namespace
}  // namespace lowbit::test::recipe_string_tests
