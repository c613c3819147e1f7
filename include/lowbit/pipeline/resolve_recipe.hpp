// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "lowbit/pipeline/stored_types.hpp"
#include "lowbit/ptq/recipe_string.hpp"

namespace lowbit::pipeline {

/// The words that may stand for FORMAT in a recipe, sorted: what the list of stored types can be called by.
inline std::vector<std::string> format_words() {
  std::vector<std::string> words;
  for (const Codec* codec : all_codecs()) {
    std::string name = codec->storage_name();
    if (name.starts_with("gguf_")) {
      if (!find_codec(name.substr(5))) name = name.substr(5);  // mxfp4 and nvfp4 are other types than GGUF's
    } else {
      for (std::string_view end : {"_f16", "_bf16", "_f32", "_ue4m3", "_ue5m3", "_e8m0"})
        if (name.ends_with(end)) name.resize(name.size() - end.size());
      for (std::string_view end : {"_sym", "_asym", "_asymreal"})
        if (name.ends_with(end)) name.resize(name.size() - end.size());
    }
    words.push_back(std::move(name));
  }
  for (const FormatAlias& alias : format_aliases) words.emplace_back(alias.word);
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  return words;
}

/// Finds the stored type that a parsed recipe means, in this order: FORMAT_zero_scale, FORMAT_scale, FORMAT, gguf_FORMAT,
/// with "sym" and "f16" where the recipe says nothing.
/// Errors: invalid_argument for a format that is not there and for a modifier that means nothing to it, naming the word.
inline Result<ptq::RecipeSpec> resolve(ptq::RecipeSpec spec) {
  if (!spec.storage.empty()) return spec;  // floats, or resolved before
  const auto fail = [&](std::string_view word, const std::string& why) {
    return Error{.code = Errc::invalid_argument,
                 .message = "recipe '" + spec.text + "': '" + std::string(word) + "' " + why};
  };
  for (const FormatAlias& alias : format_aliases)
    if (spec.format == alias.word) spec.format = alias.format;
  const bool zero_said = !spec.zero_point.empty(), scale_said = !spec.scale_storage.empty();
  const std::string scale = "_" + (scale_said ? spec.scale_storage : "f16");
  std::vector<std::string> candidates = {spec.format + "_" + (zero_said ? spec.zero_point : "sym") + scale};
  if (!zero_said) candidates.push_back(spec.format + scale);
  if (!zero_said && !scale_said) candidates.insert(candidates.end(), {spec.format, "gguf_" + spec.format});
  const Codec* codec = nullptr;
  for (const std::string& name : candidates)
    if (auto found = find_codec(name); found && codec == nullptr) codec = *found;
  if (codec == nullptr) {
    const auto words = format_words();
    if (!std::binary_search(words.begin(), words.end(), spec.format)) {
      std::string choices;
      for (const std::string& word : words) choices += (choices.empty() ? "" : ", ") + word;
      return fail(spec.format, "is no format; choose from " + choices);
    }
    if (zero_said) return fail(spec.zero_point, "does not apply to " + spec.format + (scale_said ? " with such scales" : ""));
    return fail("scale_" + spec.scale_storage, "does not apply to " + spec.format);
  }
  const CodecTraits traits = codec->traits();
  if (spec.by_moments() && spec.rounding != ptq::RoundingKind::hessian && spec.rounding != traits.learned)
    return fail(std::string_view(spec.text).substr(0, spec.text.find(':')), "does not round to " + spec.format);
  if (spec.group_size && traits.fixed_group != 0)
    return fail("g…", "does not apply: " + spec.format + " fixes its own groups");
  if (spec.rule && !traits.symmetric_rule) return fail("s1 … s4", "do not apply to " + spec.format);
  if (!spec.scale_search.empty() && !codec->search_applies(spec.hessian.scale))
    return fail(spec.scale_search,
                "does not apply: " + (traits.range_search ? codec->storage_name() + " has nothing that it could search"
                                                          : spec.format + " chooses its own scales"));
  if (!spec.variant.empty() && !codec->knows_variant(spec.variant))
    return fail(spec.variant, "does not apply to " + spec.format);
  spec.storage = codec->storage_name();
  spec.group_size = traits.fixed_group != 0 ? traits.fixed_group : spec.group_size.value_or(traits.default_group);
  if (*spec.group_size < per_tensor && *spec.group_size % traits.code_columns != 0)
    return fail("g" + std::to_string(*spec.group_size),
                "does not apply: " + spec.format + " needs a multiple of " + std::to_string(traits.code_columns));
  spec.rule = spec.rule.value_or(SymmetricRule::gptq);
  if (const auto* entropy = std::get_if<KlEntropy>(&spec.hessian.scale);
      entropy != nullptr && *spec.group_size < entropy->min_size)
    return fail(spec.scale_search, "does not apply to groups of fewer than " + std::to_string(entropy->min_size) +
                                       " weights; say grow or gtensor");
  return spec;
}

/// A recipe string, ready to run. Errors: those of ptq::parse_recipe and resolve.
inline Result<ptq::RecipeSpec> parse_recipe(std::string_view text) {
  LOWBIT_TRY(spec, ptq::parse_recipe(text));
  return resolve(std::move(spec));
}

}  // namespace lowbit::pipeline
