// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lowbit/core/bodies.hpp"
#include "lowbit/core/result.hpp"
#include "lowbit/io/checkpoint/config.hpp"

#if defined(LOWBIT_BODY)
#include <regex>
#endif

/// Which modules the patterns of somebody else's quantization config mean.

namespace lowbit::pipeline {

namespace detail {

/// True when the regular expression matches at the beginning of `name` (Python's re.match, which these files are written
/// for). Patterns and names come from files: both are bounded, and the matcher takes polynomial time where the library has
/// one. Errors: unsupported for patterns that ECMAScript's grammar refuses; out_of_bounds.
Result<bool> matches_beginning(const std::string& pattern, const std::string& name);

/// How well an entry of `targets` or `ignore` names a linear module: 3 its name, 2 a pattern, 1 its class, 0 not.
inline Result<int> ct_match(const std::string& entry, const std::string& module) {
  if (entry == module) return 3;
  if (entry == "Linear") return 1;
  if (!entry.starts_with("re:")) return 0;
  LOWBIT_TRY(matched, matches_beginning(entry.substr(3), module));
  return matched ? 2 : 0;
}

}  // namespace detail

/// What GPTQ's config says about one module; nothing: it is not quantized. The first rule that matches decides.
inline Result<std::optional<io::GptqParams>> params_for(const io::GptqConfig& config, const std::string& module) {
  io::GptqParams params = config.params;
  for (const io::GptqConfig::Rule& rule : config.rules) {
    LOWBIT_TRY(matched, detail::matches_beginning(rule.pattern, module));
    if (!matched) continue;
    if (rule.excludes) return std::optional<io::GptqParams>();
    params.bits = rule.bits.value_or(params.bits);
    params.group_size = rule.group_size.value_or(params.group_size);
    params.symmetric = rule.symmetric.value_or(params.symmetric);
    break;
  }
  return std::optional(params);
}

inline Result<std::optional<std::size_t>> params_for(const io::AwqConfig& config, const std::string& module) {
  for (const std::string& part : config.not_converted)
    if (module.find(part) != std::string::npos) return std::optional<std::size_t>();
  return std::optional(config.group_size);
}

/// The scheme that names the module best: by its name, by a pattern, by its class; among equals the first by key.
inline Result<std::optional<io::CtConfig::Scheme>> params_for(const io::CtConfig& config, const std::string& module) {
  for (const std::string& entry : config.ignore) {
    LOWBIT_TRY(match, detail::ct_match(entry, module));
    if (match > 0) return std::optional<io::CtConfig::Scheme>();
  }
  int best = 0;
  std::optional<io::CtConfig::Scheme> found;
  for (const io::CtConfig::Scheme& scheme : config.schemes)
    for (const std::string& target : scheme.targets) {
      LOWBIT_TRY(match, detail::ct_match(target, module));
      if (match <= best) continue;
      best = match;
      found = scheme;
    }
  return found;
}

inline Result<std::optional<io::MlxConfig::Widths>> params_for(const io::MlxConfig& config, const std::string& module) {
  const auto own = config.modules.find(module);
  return own == config.modules.end() ? std::optional(config.widths) : own->second;
}

/// A regular expression that matches this module's name alone.
inline std::string exact_pattern(std::string_view module) {
  std::string pattern = "^";
  for (const char c : module) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    if (!plain) pattern += '\\';
    pattern += c;
  }
  return pattern + "$";
}

#if defined(LOWBIT_BODY)

namespace detail {

LOWBIT_BODY Result<bool> matches_beginning(const std::string& pattern, const std::string& name) {
  constexpr std::size_t max_pattern = 1024, max_name = 512;
  const auto refuse = [&](Errc code, const std::string& why) {
    return Error{.code = code, .message = "the pattern '" + pattern.substr(0, 200) + "' " + why, .tensor = name.substr(0, 200)};
  };
  if (pattern.size() > max_pattern || name.size() > max_name)
    return refuse(Errc::out_of_bounds, "or the name it is tried on is too long");
  try {
#if defined(__GLIBCXX__)
    const std::regex expression(pattern, std::regex::ECMAScript | std::regex_constants::__polynomial);
#else
    const std::regex expression(pattern, std::regex::ECMAScript);
#endif
    return std::regex_search(name, expression, std::regex_constants::match_continuous);
  } catch (const std::regex_error& error) {
    return refuse(Errc::unsupported, std::string("is not understood: ") + error.what());
  }
}

}  // namespace detail

#endif

}  // namespace lowbit::pipeline
