// SPDX-License-Identifier: MIT
#pragma once

#include <initializer_list>
#include <unordered_set>

#include "lowbit/model/tokenizer.hpp"

/// How a tokenizer.json becomes a Tokenizer: every refusal of the format.

namespace lowbit::model {

inline Result<> Tokenizer::parse_model(const io::Json& model) {
  using detail::tokenizer_error;
  LOWBIT_TRY(type, io::get_string(model, "type", "BPE"));
  if (type != "BPE") return detail::not_implemented("model", type);
  LOWBIT_TRY(dropout, io::get_f64(model, "dropout", 0.0));
  if (dropout != 0.0) return tokenizer_error(Errc::unsupported, "dropout", "random merges are not implemented");
  for (const std::string_view key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    LOWBIT_TRY(affix, io::get_string(model, key, ""));
    if (!affix.empty()) return tokenizer_error(Errc::unsupported, key, "word affixes are not implemented");
  }
  LOWBIT_TRY(byte_fallback, io::get_bool(model, "byte_fallback", false));
  LOWBIT_TRY(fuse_unknown, io::get_bool(model, "fuse_unk", false));
  LOWBIT_TRY(ignore_merges, io::get_bool(model, "ignore_merges", false));
  bpe_.options = {.byte_fallback = byte_fallback, .fuse_unknown = fuse_unknown, .ignore_merges = ignore_merges};

  LOWBIT_TRY(vocab, io::get_object(model, "vocab"));
  if (vocab->empty()) return tokenizer_error(Errc::malformed, "vocab", "the vocabulary is empty");
  const std::uint64_t cap = 4 * std::uint64_t{vocab->size()} + 4096;  // leaves gaps, but no room for a memory bomb
  for (const auto& [text, id] : vocab->items()) {
    const auto* number = id.get_ptr<const io::Json::number_unsigned_t*>();
    if (number == nullptr) return tokenizer_error(Errc::malformed, text, "the id of a token is not a whole number");
    if (*number >= cap)
      return tokenizer_error(Errc::out_of_bounds, text, "the id of a token is far past the vocabulary");
    if (!bpe_.add_token(text, static_cast<std::uint32_t>(*number)))
      return tokenizer_error(Errc::duplicate, text, "two tokens have id " + std::to_string(*number));
  }
  LOWBIT_TRY(unknown, io::get_string(model, "unk_token", ""));
  if (!unknown.empty()) {
    bpe_.options.unknown = bpe_.find(unknown);
    if (!bpe_.options.unknown) return tokenizer_error(Errc::missing, "unk_token", "is not in the vocabulary");
  }
  return parse_merges(model);
}

inline Result<> Tokenizer::parse_merges(const io::Json& model) {
  using detail::tokenizer_error;
  LOWBIT_TRY(merges, io::get_array(model, "merges"));
  std::size_t rank = 0;
  for (const io::Json& merge : *merges) {
    const std::string name = "merges[" + std::to_string(rank++) + "]";
    std::string left, right;
    if (const auto* text = merge.get_ptr<const std::string*>()) {
      const std::size_t space = text->find(' ');
      if (space == std::string::npos || text->find(' ', space + 1) != std::string::npos)
        return tokenizer_error(Errc::malformed, name, "a merge is two parts with one space between");
      left = text->substr(0, space);
      right = text->substr(space + 1);
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      left = *merge[0].get_ptr<const std::string*>();
      right = *merge[1].get_ptr<const std::string*>();
    } else {
      return tokenizer_error(Errc::malformed, name, "a merge is a string or an array of two strings");
    }
    const auto left_id = bpe_.find(left), right_id = bpe_.find(right), merged_id = bpe_.find(left + right);
    if (!left_id || !right_id || !merged_id)
      return tokenizer_error(Errc::missing, name, "a part of the merge, or its result, is not in the vocabulary");
    if (!bpe_.add_merge({*left_id, *right_id, *merged_id}))
      return tokenizer_error(Errc::duplicate, name, "the pair is merged twice");
  }
  return {};
}

inline Result<> Tokenizer::parse_added(const io::Json& json) {
  using detail::tokenizer_error;
  if (io::find_member(json, "added_tokens") == nullptr) return {};
  LOWBIT_TRY(list, io::get_array(json, "added_tokens"));
  const std::uint64_t cap = 4 * std::uint64_t{bpe_.size() + list->size()} + 4096;
  std::unordered_set<std::string> seen;
  for (const io::Json& entry : *list) {
    AddedToken token;
    LOWBIT_TRY(content, io::get_string(entry, "content"));
    LOWBIT_TRY(id, io::get_u64(entry, "id"));
    LOWBIT_TRY(special, io::get_bool(entry, "special", false));
    LOWBIT_TRY(lstrip, io::get_bool(entry, "lstrip", false));
    LOWBIT_TRY(rstrip, io::get_bool(entry, "rstrip", false));
    LOWBIT_TRY(single_word, io::get_bool(entry, "single_word", false));
    if (content.empty()) return tokenizer_error(Errc::malformed, "added_tokens", "an added token is empty");
    if (single_word) return tokenizer_error(Errc::unsupported, content, "single_word is not implemented");
    if (id >= cap) return tokenizer_error(Errc::out_of_bounds, content, "the id of a token is far past the vocabulary");
    if (!seen.insert(content).second) return tokenizer_error(Errc::duplicate, content, "a token is added twice");
    const auto known = bpe_.find(content);
    if (known ? *known != id : !bpe_.add_token(content, static_cast<std::uint32_t>(id)))
      return tokenizer_error(Errc::duplicate, content, "an added token disagrees with the vocabulary about its id");
    added_starts_[static_cast<unsigned char>(content.front())] = true;
    token = {std::move(content), static_cast<std::uint32_t>(id), special, lstrip, rstrip};
    added_.push_back(std::move(token));
  }
  std::stable_sort(added_.begin(), added_.end(),
                   [](const AddedToken& a, const AddedToken& b) { return a.content.size() > b.content.size(); });
  return {};
}

inline Result<> Tokenizer::parse_pre_tokenizer(const io::Json& json) {
  const io::Json* pre = io::find_member(json, "pre_tokenizer");
  if (pre == nullptr) return {};
  LOWBIT_TRY(steps, detail::flatten(*pre, "pre_tokenizer", "pretokenizers"));
  for (const io::Json* step : steps) {
    LOWBIT_TRY(type, io::get_string(*step, "type"));
    if (type != "Metaspace" || steps.size() != 1) return detail::not_implemented("pre_tokenizer", type);
    LOWBIT_TRY(split, io::get_bool(*step, "split", true));
    if (split) return detail::not_implemented("pre_tokenizer", "Metaspace with split");
    LOWBIT_TRY(replacement, io::get_string(*step, "replacement", detail::metaspace));
    LOWBIT_TRY(scheme, io::get_string(*step, "prepend_scheme", "always"));
    if (replacement.empty())
      return detail::tokenizer_error(Errc::malformed, "pre_tokenizer", "Metaspace with an empty replacement");
    if (scheme != "always" && scheme != "first" && scheme != "never")
      return detail::not_implemented("pre_tokenizer", "Metaspace with prepend_scheme " + scheme);
    metaspace_ = std::move(replacement);
    metaspace_prefix_ = scheme == "always" ? Prefix::always : scheme == "first" ? Prefix::first : Prefix::never;
  }
  return {};
}

/// The start token is the first special token of a TemplateProcessing; without one it goes by its usual names.
inline Result<> Tokenizer::parse_post_processor(const io::Json& json) {
  if (const io::Json* post = io::find_member(json, "post_processor"); post != nullptr) {
    LOWBIT_TRY(steps, detail::flatten(*post, "post_processor", "processors"));
    for (const io::Json* step : steps) {
      LOWBIT_TRY(type, io::get_string(*step, "type"));
      if (type != "TemplateProcessing") continue;
      LOWBIT_TRY(single, io::get_array(*step, "single"));
      if (single->empty()) continue;
      if (const io::Json* token = io::find_member(single->front(), "SpecialToken"); token != nullptr) {
        LOWBIT_TRY(content, io::get_string(*token, "id"));
        bos_ = bpe_.find(content);
        if (!bos_)
          return detail::tokenizer_error(Errc::missing, "post_processor", "its start token is not in the vocabulary");
      }
    }
  }
  const auto first_of = [&](std::initializer_list<std::string_view> names) -> std::optional<std::uint32_t> {
    for (const std::string_view name : names)
      if (const auto id = bpe_.find(name)) return id;
    return std::nullopt;
  };
  if (!bos_) bos_ = first_of({"<s>", "<|begin_of_text|>"});
  eos_ = first_of({"</s>", "<|end_of_text|>", "<|endoftext|>"});
  return {};
}

inline void Tokenizer::classify() {
  kinds_.assign(bpe_.size(), TokenKind::unused);
  for (std::uint32_t id = 0; id < kinds_.size(); ++id) {
    if (!bpe_.used(id)) continue;
    const bool byte = bpe_.options.byte_fallback && Bpe::byte_of(bpe_.text(id)).has_value();
    kinds_[id] = byte ? TokenKind::byte : TokenKind::normal;
  }
  for (const AddedToken& token : added_)
    kinds_[token.id] = token.special ? TokenKind::control : TokenKind::user_defined;
  if (bpe_.options.unknown) kinds_[*bpe_.options.unknown] = TokenKind::unknown;
}

inline Result<Tokenizer> Tokenizer::parse(const io::Json& json) {
  Tokenizer tokenizer;
  LOWBIT_TRY(model, io::get_object(json, "model"));
  LOWBIT_CHECK(tokenizer.parse_model(*model));
  LOWBIT_CHECK(tokenizer.parse_added(json));
  LOWBIT_TRY(normalizer, detail::Normalizer::parse(json));
  LOWBIT_TRY(decoder, detail::TokenDecoder::parse(json));
  tokenizer.normalizer_ = std::move(normalizer);
  tokenizer.decoder_ = std::move(decoder);
  LOWBIT_CHECK(tokenizer.parse_pre_tokenizer(json));
  LOWBIT_CHECK(tokenizer.parse_post_processor(json));
  tokenizer.classify();
  return tokenizer;
}

}  // namespace lowbit::model
