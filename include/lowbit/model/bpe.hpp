// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <queue>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lowbit/model/utf8.hpp"

namespace lowbit::model {

struct BpeOptions {
  std::optional<std::uint32_t> unknown{};  ///< stands for a character that is not in the vocabulary
  bool byte_fallback = false;              ///< … unless its bytes are there as "<0x00>" … "<0xFF>"
  bool fuse_unknown = false;               ///< neighbouring unknown characters become one token
  bool ignore_merges = false;              ///< a piece that is a token is emitted at once
};

/// Byte-pair encoding of one piece of text: characters become tokens, then the neighbouring pair of lowest rank is
/// merged, leftmost first, until no pair has a rank.
/// Source   Sennrich, Haddow, Birch, "Neural machine translation of rare words with subword units", ACL 2016.
class Bpe {
 public:
  struct Merge {
    std::uint32_t left = 0, right = 0, merged = 0;
  };

  BpeOptions options{};

  /// False when the text or the id is taken. Ids may come in any order.
  bool add_token(std::string text, std::uint32_t id) {
    if (id < tokens_.size() && used_[id]) return false;
    if (!ids_.emplace(text, id).second) return false;
    if (id >= tokens_.size()) {
      tokens_.resize(std::size_t{id} + 1);
      used_.resize(std::size_t{id} + 1, false);
    }
    tokens_[id] = std::move(text);
    used_[id] = true;
    return true;
  }
  /// The next merge in rank; false when the pair has one already. Ids must exist.
  bool add_merge(Merge merge) {
    const auto rank = static_cast<std::uint32_t>(merges_.size());
    if (!ranks_.emplace(key(merge.left, merge.right), rank).second) return false;
    merges_.push_back(merge);
    return true;
  }

  std::optional<std::uint32_t> find(std::string_view text) const {
    const auto found = ids_.find(std::string(text));
    return found == ids_.end() ? std::nullopt : std::optional(found->second);
  }
  /// One past the largest id. Ids that no token has hold an empty string.
  std::size_t size() const noexcept { return tokens_.size(); }
  bool used(std::uint32_t id) const noexcept { return id < used_.size() && used_[id]; }
  const std::string& text(std::uint32_t id) const { return tokens_.at(id); }
  std::span<const Merge> merges() const noexcept { return merges_; }

  static std::string byte_token(unsigned char byte) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    return std::string("<0x") + digits[byte >> 4] + digits[byte & 15u] + ">";
  }
  /// The byte that "<0x41>" stands for.
  static std::optional<unsigned char> byte_of(std::string_view token) noexcept {
    if (token.size() != 6 || token.substr(0, 3) != "<0x" || token[5] != '>') return std::nullopt;
    unsigned value = 0;
    for (const char c : token.substr(3, 2)) {
      const bool digit = c >= '0' && c <= '9', upper = c >= 'A' && c <= 'F', lower = c >= 'a' && c <= 'f';
      if (!digit && !upper && !lower) return std::nullopt;
      value = value * 16 + static_cast<unsigned>(digit ? c - '0' : (upper ? c - 'A' : c - 'a') + 10);
    }
    return static_cast<unsigned char>(value);
  }

  /// Appends the tokens of a piece. O(n log n) in its length.
  void encode(std::string_view piece, std::vector<std::uint32_t>& out) const {
    if (piece.empty()) return;
    if (options.ignore_merges) {
      if (const auto whole = find(piece)) {
        out.push_back(*whole);
        return;
      }
    }
    std::vector<Symbol> symbols = split(piece);
    merge(symbols);
    for (std::size_t i = 0; i < symbols.size(); i = symbols[i].next) out.push_back(symbols[i].id);
  }

 private:
  static constexpr std::size_t none = ~std::size_t{0};
  struct Symbol {
    std::uint32_t id;
    std::size_t previous, next;  ///< none before the first, size() after the last
    bool alive = true;
  };
  struct Candidate {
    std::uint32_t rank;
    std::size_t at;
    bool operator>(const Candidate& other) const noexcept {
      return std::tie(rank, at) > std::tie(other.rank, other.at);
    }
  };

  static std::uint64_t key(std::uint32_t left, std::uint32_t right) noexcept {
    return std::uint64_t{left} << 32 | right;
  }

  std::vector<Symbol> split(std::string_view piece) const {
    std::vector<Symbol> symbols;
    bool last_unknown = false;
    const auto push = [&](std::uint32_t id) { symbols.push_back({id, symbols.size() - 1, symbols.size() + 1}); };
    for (std::size_t i = 0; i < piece.size();) {
      const detail::Utf8Char c = detail::utf8_at(piece, i);
      const std::string_view bytes = piece.substr(i, c.size);
      i += c.size;
      if (const auto id = c.valid ? find(bytes) : std::nullopt) {
        push(*id);
        last_unknown = false;
      } else if (options.byte_fallback && has_bytes(bytes)) {
        for (const char b : bytes) push(*find(byte_token(static_cast<unsigned char>(b))));
        last_unknown = false;
      } else if (options.unknown) {
        if (!(last_unknown && options.fuse_unknown)) push(*options.unknown);
        last_unknown = true;
      }
    }
    return symbols;
  }

  bool has_bytes(std::string_view bytes) const {
    for (const char b : bytes)
      if (!find(byte_token(static_cast<unsigned char>(b)))) return false;
    return true;
  }

  void merge(std::vector<Symbol>& symbols) const {
    std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
    const auto consider = [&](std::size_t left) {
      if (left == none || symbols[left].next >= symbols.size()) return;
      const auto found = ranks_.find(key(symbols[left].id, symbols[symbols[left].next].id));
      if (found != ranks_.end()) queue.push({found->second, left});
    };
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) consider(i);
    while (!queue.empty()) {
      const Candidate best = queue.top();
      queue.pop();
      Symbol& left = symbols[best.at];
      if (!left.alive || left.next >= symbols.size()) continue;
      Symbol& right = symbols[left.next];
      const Merge& rule = merges_[best.rank];
      if (left.id != rule.left || right.id != rule.right) continue;  // either has been merged since
      left.id = rule.merged;
      right.alive = false;
      left.next = right.next;
      if (left.next < symbols.size()) symbols[left.next].previous = best.at;
      consider(left.previous);
      consider(best.at);
    }
  }

  std::vector<std::string> tokens_;
  std::vector<bool> used_;
  std::unordered_map<std::string, std::uint32_t> ids_;
  std::vector<Merge> merges_;
  std::unordered_map<std::uint64_t, std::uint32_t> ranks_;
};

}  // namespace lowbit::model
