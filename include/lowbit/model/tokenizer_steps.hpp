// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/result.hpp"
#include "lowbit/io/json.hpp"
#include "lowbit/model/bpe.hpp"
#include "lowbit/model/utf8.hpp"

/// The steps around the merges of a tokenizer.json: what happens to a text before, and to tokens after.

namespace lowbit::model::detail {

/// "▁", U+2581: a space, in vocabularies of the SentencePiece family.
inline constexpr std::string_view metaspace = "\xE2\x96\x81";

inline Error tokenizer_error(Errc code, std::string_view key, std::string message) {
  return Error{.code = code, .message = "tokenizer.json: " + std::move(message), .tensor = std::string(key)};
}

inline Error not_implemented(std::string_view key, const std::string& type) {
  return tokenizer_error(Errc::unsupported, key, "type \"" + type + "\" is not implemented");
}

/// Flattens {"type": "Sequence", "<list>": [...]} into the steps themselves. Depth is bounded by the JSON reader.
inline Result<std::vector<const io::Json*>> flatten(const io::Json& json, std::string_view key, std::string_view list) {
  std::vector<const io::Json*> steps;
  LOWBIT_TRY(type, io::get_string(json, "type"));
  if (type != "Sequence") {
    steps.push_back(&json);
    return steps;
  }
  LOWBIT_TRY(members, io::get_array(json, list));
  for (const io::Json& member : *members) {
    LOWBIT_TRY(inner, flatten(member, key, list));
    steps.insert(steps.end(), inner.begin(), inner.end());
  }
  return steps;
}

/// The plain string that a Replace looks for.
inline Result<std::string> plain_pattern(const io::Json& step, std::string_view key) {
  LOWBIT_TRY(pattern, io::get_object(step, "pattern"));
  if (io::find_member(*pattern, "Regex") != nullptr) return not_implemented(key, "Replace with a regular expression");
  LOWBIT_TRY(text, io::get_string(*pattern, "String"));
  if (text.empty()) return tokenizer_error(Errc::malformed, key, "Replace looks for an empty string");
  return std::move(text);
}

/// Prepend and Replace, in order.
class Normalizer {
 public:
  static Result<Normalizer> parse(const io::Json& tokenizer) {
    Normalizer normalizer;
    const io::Json* json = io::find_member(tokenizer, "normalizer");
    if (json == nullptr) return normalizer;
    LOWBIT_TRY(steps, flatten(*json, "normalizer", "normalizers"));
    for (const io::Json* step : steps) {
      LOWBIT_TRY(type, io::get_string(*step, "type"));
      if (type == "Prepend") {
        LOWBIT_TRY(text, io::get_string(*step, "prepend"));
        normalizer.steps_.push_back({.prepend = std::move(text)});
      } else if (type == "Replace") {
        LOWBIT_TRY(from, plain_pattern(*step, "normalizer"));
        LOWBIT_TRY(to, io::get_string(*step, "content"));
        normalizer.steps_.push_back({.from = std::move(from), .to = std::move(to)});
      } else {
        return not_implemented("normalizer", type);
      }
    }
    return normalizer;
  }

  /// text is not empty.
  std::string operator()(std::string_view text) const {
    std::string out(text);
    for (const Step& step : steps_) out = step.from.empty() ? step.prepend + out : replace_all(out, step.from, step.to);
    return out;
  }
  bool prepends_space() const {
    for (const Step& step : steps_)
      if (step.from.empty() && (step.prepend == metaspace || step.prepend == " ")) return true;
    return false;
  }

 private:
  struct Step {
    std::string prepend{}, from{}, to{};
  };
  std::vector<Step> steps_;
};

/// Replace, ByteFallback, Fuse, Strip and Metaspace, in order; each turns a list of strings into another.
class TokenDecoder {
 public:
  static Result<TokenDecoder> parse(const io::Json& tokenizer) {
    TokenDecoder decoder;
    const io::Json* json = io::find_member(tokenizer, "decoder");
    if (json == nullptr) return decoder;
    LOWBIT_TRY(steps, flatten(*json, "decoder", "decoders"));
    for (const io::Json* json_step : steps) {
      LOWBIT_TRY(type, io::get_string(*json_step, "type"));
      Step step;
      if (type == "Replace") {
        LOWBIT_TRY(from, plain_pattern(*json_step, "decoder"));
        LOWBIT_TRY(to, io::get_string(*json_step, "content"));
        step = {.kind = Kind::replace, .from = std::move(from), .to = std::move(to)};
      } else if (type == "ByteFallback") {
        step.kind = Kind::byte_fallback;
      } else if (type == "Fuse") {
        step.kind = Kind::fuse;
      } else if (type == "Strip") {
        LOWBIT_TRY(content, io::get_string(*json_step, "content"));
        LOWBIT_TRY(start, io::get_u64(*json_step, "start"));
        LOWBIT_TRY(stop, io::get_u64(*json_step, "stop"));
        if (content.empty()) return tokenizer_error(Errc::malformed, "decoder", "Strip of an empty string");
        step = {.kind = Kind::strip, .from = std::move(content), .start = start, .stop = stop};
      } else if (type == "Metaspace") {
        LOWBIT_TRY(replacement, io::get_string(*json_step, "replacement", metaspace));
        LOWBIT_TRY(scheme, io::get_string(*json_step, "prepend_scheme", "always"));
        step = {.kind = Kind::spaces, .from = std::move(replacement), .start = scheme == "never" ? 0u : 1u};
      } else {
        return not_implemented("decoder", type);
      }
      decoder.steps_.push_back(std::move(step));
    }
    return decoder;
  }

  std::string operator()(std::vector<std::string> tokens) const {
    for (const Step& step : steps_) tokens = apply(step, std::move(tokens));
    return join(tokens);
  }

 private:
  enum class Kind : std::uint8_t { replace, byte_fallback, fuse, strip, spaces };
  struct Step {
    Kind kind = Kind::fuse;
    std::string from{}, to{};
    std::uint64_t start = 0, stop = 0;
  };

  static std::string join(const std::vector<std::string>& tokens) {
    std::string out;
    for (const std::string& token : tokens) out += token;
    return out;
  }

  static std::vector<std::string> apply(const Step& step, std::vector<std::string> tokens) {
    switch (step.kind) {
      case Kind::replace:
        for (std::string& token : tokens) token = replace_all(token, step.from, step.to);
        break;
      case Kind::byte_fallback: return bytes_to_text(tokens);
      case Kind::fuse: return {join(tokens)};
      case Kind::strip:
        for (std::string& token : tokens) token = strip(token, step);
        break;
      case Kind::spaces:
        for (std::string& token : tokens) token = replace_all(token, step.from, " ");
        if (step.start != 0 && !tokens.empty() && tokens.front().starts_with(' ')) tokens.front().erase(0, 1);
        break;
    }
    return tokens;
  }

  /// A run of byte tokens becomes its characters, or one U+FFFD per byte when the run is not UTF-8.
  static std::vector<std::string> bytes_to_text(const std::vector<std::string>& tokens) {
    std::vector<std::string> out;
    std::string run;
    const auto flush = [&] {
      if (run.empty()) return;
      if (is_utf8(run)) {
        out.push_back(run);
      } else {
        for (std::size_t i = 0; i < run.size(); ++i) out.emplace_back(replacement_character);
      }
      run.clear();
    };
    for (const std::string& token : tokens) {
      if (const auto byte = Bpe::byte_of(token)) {
        run.push_back(static_cast<char>(*byte));
      } else {
        flush();
        out.push_back(token);
      }
    }
    flush();
    return out;
  }

  static std::string strip(std::string_view token, const Step& step) {
    for (std::uint64_t i = 0; i < step.start && token.starts_with(step.from); ++i)
      token.remove_prefix(step.from.size());
    for (std::uint64_t i = 0; i < step.stop && token.ends_with(step.from); ++i) token.remove_suffix(step.from.size());
    return std::string(token);
  }

  std::vector<Step> steps_;
};

}  // namespace lowbit::model::detail
