// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/contract.hpp"
#include "lowbit/core/result.hpp"
#include "lowbit/io/atomic_file.hpp"
#include "lowbit/io/json.hpp"
#include "lowbit/model/bpe.hpp"
#include "lowbit/model/tokenizer_steps.hpp"

namespace lowbit::model {

/// What a token is, numbered as in GGUF's tokenizer.ggml.token_type.
enum class TokenKind : std::uint8_t { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

/// Text to token ids and back, from a tokenizer.json of the SentencePiece-style BPE family (Llama 2): no splitting
/// before the merges, spaces as U+2581, bytes as a fallback.
///
/// Added tokens are matched in the raw text first, the longest at the leftmost place; each stretch between them is
/// normalized and merged on its own. Implemented: model BPE; normalizers Prepend, Replace of a plain string, Sequence;
/// pre-tokenizers null and Metaspace without splitting; decoders Replace, ByteFallback, Fuse, Strip, Metaspace,
/// Sequence. Anything else, the byte-level family with its regular expressions among it, is refused by name when the
/// file is read.
///
/// Law: with byte tokens for all 256 bytes, decode(encode(text)) == text for every UTF-8 text that holds neither U+2581
/// nor an added token. Bytes that are not UTF-8 become byte tokens, and come back as U+FFFD.
class Tokenizer {
 public:
  struct AddedToken {
    std::string content;
    std::uint32_t id = 0;
    bool special = false;
    bool lstrip = false, rstrip = false;  ///< swallows the white space before, after
  };

  /// A file of at most 128 MiB.
  /// Errors   io_error, missing, malformed, duplicate, out_of_bounds, unsupported; `tensor` names the key.
  static Result<Tokenizer> read(const std::filesystem::path& path) {
    constexpr std::uint64_t max_bytes = std::uint64_t{128} << 20;
    LOWBIT_TRY(text, io::read_text(path, max_bytes));
    auto json = io::parse_json(text, {.max_depth = 32, .max_bytes = max_bytes});
    if (!json) return std::move(json).error().in_file(path.string());
    auto tokenizer = parse(*json);
    if (!tokenizer) return std::move(tokenizer).error().in_file(path.string());
    return tokenizer;
  }

  static Result<Tokenizer> parse(const io::Json& json);

  /// No start token is added. Text of fewer than 2^31 bytes. O(n log n).
  std::vector<std::uint32_t> encode(std::string_view text) const {
    std::vector<std::uint32_t> ids;
    for (std::size_t at = 0; at < text.size();) {
      std::size_t begin = text.size(), end = text.size();
      const AddedToken* match = find_added(text, at, begin, end);
      encode_stretch(text.substr(at, begin - at), at == 0, ids);
      if (match != nullptr) ids.push_back(match->id);
      at = end;
    }
    return ids;
  }
  /// The start token, where the tokenizer has one, and then the text.
  std::vector<std::uint32_t> encode_with_bos(std::string_view text) const {
    std::vector<std::uint32_t> ids = encode(text);
    if (bos_) ids.insert(ids.begin(), *bos_);
    return ids;
  }

  /// The text of some tokens; ids past the vocabulary are left out. skip_special leaves out special added tokens too.
  std::string decode(std::span<const std::uint32_t> ids, bool skip_special = false) const {
    std::vector<std::string> tokens;
    for (const std::uint32_t id : ids)
      if (bpe_.used(id) && !(skip_special && kinds_[id] == TokenKind::control)) tokens.push_back(bpe_.text(id));
    return decoder_(std::move(tokens));
  }

  std::size_t vocab_size() const noexcept { return bpe_.size(); }
  std::optional<std::uint32_t> bos() const noexcept { return bos_; }
  std::optional<std::uint32_t> eos() const noexcept { return eos_; }
  std::optional<std::uint32_t> unknown() const noexcept { return bpe_.options.unknown; }
  std::optional<std::uint32_t> id_of(std::string_view token) const { return bpe_.find(token); }
  /// As written in the file; empty for an id that no token has.
  const std::string& token(std::uint32_t id) const {
    LOWBIT_EXPECTS(id < bpe_.size(), "an id below vocab_size()");
    return bpe_.text(id);
  }
  TokenKind kind(std::uint32_t id) const {
    LOWBIT_EXPECTS(id < kinds_.size(), "an id below vocab_size()");
    return kinds_[id];
  }
  std::span<const AddedToken> added_tokens() const noexcept { return added_; }
  std::span<const Bpe::Merge> merges() const noexcept { return bpe_.merges(); }
  /// "left right"
  std::string merge_text(std::size_t rank) const {
    LOWBIT_EXPECTS(rank < bpe_.merges().size(), "a rank below the number of merges");
    return bpe_.text(bpe_.merges()[rank].left) + " " + bpe_.text(bpe_.merges()[rank].right);
  }
  bool byte_fallback() const noexcept { return bpe_.options.byte_fallback; }
  /// Whether a space is put before the text.
  bool adds_space_prefix() const { return normalizer_.prepends_space() || metaspace_prefix_ != Prefix::never; }

 private:
  enum class Prefix : std::uint8_t { never, first, always };

  Result<> parse_model(const io::Json& model);
  Result<> parse_merges(const io::Json& model);
  Result<> parse_added(const io::Json& json);
  Result<> parse_pre_tokenizer(const io::Json& json);
  Result<> parse_post_processor(const io::Json& json);
  void classify();

  static bool is_space(char c) noexcept { return c == ' ' || (c >= '\t' && c <= '\r'); }

  /// The leftmost added token at or after `from`, the longest of those; [begin, end) is what it covers.
  const AddedToken* find_added(std::string_view text, std::size_t from, std::size_t& begin, std::size_t& end) const {
    for (std::size_t i = from; i < text.size(); ++i) {
      if (!added_starts_[static_cast<unsigned char>(text[i])]) continue;
      for (const AddedToken& token : added_) {  // longest first
        if (text.substr(i, token.content.size()) != token.content) continue;
        begin = i;
        end = i + token.content.size();
        while (token.lstrip && begin > from && is_space(text[begin - 1])) --begin;
        while (token.rstrip && end < text.size() && is_space(text[end])) ++end;
        return &token;
      }
    }
    return nullptr;
  }

  void encode_stretch(std::string_view text, bool first, std::vector<std::uint32_t>& ids) const {
    if (text.empty()) return;
    std::string piece = normalizer_(text);
    if (!metaspace_.empty()) {
      piece = detail::replace_all(piece, " ", metaspace_);
      const bool wanted = metaspace_prefix_ == Prefix::always || (metaspace_prefix_ == Prefix::first && first);
      if (wanted && !piece.starts_with(metaspace_)) piece.insert(0, metaspace_);
    }
    bpe_.encode(piece, ids);
  }

  Bpe bpe_;
  detail::Normalizer normalizer_;
  detail::TokenDecoder decoder_;
  std::string metaspace_{};  ///< replacement of a Metaspace pre-tokenizer; empty without one
  Prefix metaspace_prefix_ = Prefix::never;
  std::vector<AddedToken> added_;
  std::vector<bool> added_starts_ = std::vector<bool>(256, false);  ///< first bytes of added tokens
  std::vector<TokenKind> kinds_;
  std::optional<std::uint32_t> bos_, eos_;
};

}  // namespace lowbit::model

#include "lowbit/model/tokenizer_parse.hpp"
