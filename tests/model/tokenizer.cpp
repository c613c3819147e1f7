// SPDX-License-Identifier: MIT
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/model/tokenizer.hpp"
#include "support/shared.hpp"
#include "support/temp_dir.hpp"

namespace lowbit::test::tokenizer_tests {
using Ids = std::vector<std::uint32_t>;

namespace {

model::Tokenizer embedded() {
  return model::Tokenizer::read(test::repository_dir() / "examples/data/manual-1m/tokenizer.json").value();
}

const char* const small = R"({
  "added_tokens": [{"id": 0, "content": "<unk>", "special": true}, {"id": 1, "content": "<s>", "special": true},
                   {"id": 20, "content": "<s><b>", "special": false}],
  "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "_"},
                 {"type": "Replace", "pattern": {"String": " "}, "content": "_"}]},
  "pre_tokenizer": null, "post_processor": null,
  "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "_"}, "content": " "},
              {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
  "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": false,
    "vocab": {"<unk>": 0, "<s>": 1, "_": 2, "a": 3, "b": 4, "ab": 5, "aba": 6, "_a": 7, "bab": 8, "aa": 9, "aaa": 10},
    "merges": ["a b", ["ab", "a"], "_ a", "b ab", "a a", "aa a"]}})";

io::Json changed(const char* patch) {
  io::Json json = io::parse_json(std::string_view(small)).value();
  json.merge_patch(io::parse_json(std::string_view(patch)).value());
  return json;
}

/// Merges by the definition: look at all pairs, take the lowest rank, the leftmost of those, until none is left.
Ids by_definition(const model::Tokenizer& t, std::string_view piece) {
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::size_t> rank;
  for (std::size_t i = 0; i < t.merges().size(); ++i) rank[{t.merges()[i].left, t.merges()[i].right}] = i;
  Ids ids;
  for (const char c : piece) ids.push_back(t.id_of(std::string_view(&c, 1)).value());
  for (;;) {
    std::size_t best = t.merges().size(), at = 0;
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
      const auto found = rank.find({ids[i], ids[i + 1]});
      if (found != rank.end() && found->second < best) best = found->second, at = i;
    }
    if (best == t.merges().size()) return ids;
    ids[at] = t.merges()[best].merged;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

std::string random_utf8(Rng& rng, std::size_t length) {
  std::string text;
  while (length-- > 0) {
    std::uint32_t code = 0;
    switch (rng.below(5)) {
      case 0: code = static_cast<std::uint32_t>(rng.below(0x80)); break;
      case 1: code = ' '; break;
      case 2: code = static_cast<std::uint32_t>('a' + rng.below(26)); break;
      case 3: code = static_cast<std::uint32_t>(0x80 + rng.below(0xd800 - 0x80)); break;
      default: code = static_cast<std::uint32_t>(0xe000 + rng.below(0x110000 - 0xe000)); break;
    }
    if (code != 0x2581 && code != '<') model::detail::append_utf8(text, code);
  }
  return text;
}

}  // namespace

TEST_CASE("tokenizer: decode(encode(text)) is the text, for any UTF-8", "[model][tokenizer]") {
  const auto t = embedded();
  Rng rng(11);
  for (int trial = 0; trial < 300; ++trial) {
    const std::string text = random_utf8(rng, static_cast<std::size_t>(rng.below(60)));
    const Ids ids = t.encode(text);
    REQUIRE(t.decode(ids) == text);
    for (const std::uint32_t id : ids) REQUIRE(id < t.vocab_size());
  }
  CHECK(t.decode(t.encode("  two  spaces  ")) == "  two  spaces  ");
  CHECK(t.decode(t.encode(std::string("nul\0inside", 10))) == std::string("nul\0inside", 10));
}

TEST_CASE("tokenizer: bytes that are not UTF-8 become byte tokens and come back as U+FFFD", "[model][tokenizer]") {
  const auto t = embedded();
  const Ids ids = t.encode("\xff");
  REQUIRE(ids.size() == 2);
  CHECK(t.token(ids[1]) == "<0xFF>");
  CHECK(t.decode(ids) == "\xEF\xBF\xBD");
  Rng rng(12);
  for (int trial = 0; trial < 300; ++trial) {
    std::string bytes(static_cast<std::size_t>(rng.below(40)), '\0');
    for (char& b : bytes) b = static_cast<char>(rng.below(256));
    CHECK(model::detail::is_utf8(t.decode(t.encode(bytes))));
  }
}

TEST_CASE("tokenizer: merges follow the definition, lowest rank first and leftmost", "[model][tokenizer]") {
  const auto t = model::Tokenizer::parse(changed(R"({"normalizer": null})")).value();
  Rng rng(13);
  for (int trial = 0; trial < 500; ++trial) {
    std::string piece;
    for (std::uint64_t i = 1 + rng.below(30); i > 0; --i) piece.push_back("ab_"[rng.below(3)]);
    CAPTURE(piece);
    REQUIRE(t.encode(piece) == by_definition(t, piece));
  }
}

TEST_CASE("tokenizer: a long unbroken text takes no quadratic time", "[model][tokenizer]") {
  const auto t = model::Tokenizer::parse(changed(R"({"normalizer": null})")).value();
  const Ids ids = t.encode(std::string(600000, 'a'));  // quadratic work would be 10^11 steps
  CHECK(ids == Ids(300000, 9));
}

TEST_CASE("tokenizer: added tokens come first, the longest at the leftmost place", "[model][tokenizer]") {
  const auto t = model::Tokenizer::parse(changed("{}")).value();
  CHECK(t.encode("a<s>b") == Ids{7, 1, 2, 4});
  CHECK(t.encode("<s><b>a") == Ids{20, 7});
  CHECK(t.encode("<s><s><b>") == Ids{1, 20});
  CHECK(t.encode("") == Ids{});
  CHECK(t.encode_with_bos("a") == Ids{1, 7});
  CHECK(t.decode(Ids{1, 7}) == "<s> a");
  CHECK(t.decode(Ids{1, 7}, true) == "a");
  CHECK(t.vocab_size() == 21);
  CHECK(t.kind(0) == model::TokenKind::unknown);
  CHECK(t.kind(1) == model::TokenKind::control);
  CHECK(t.kind(20) == model::TokenKind::user_defined);
  CHECK(t.kind(15) == model::TokenKind::unused);
  CHECK(t.kind(5) == model::TokenKind::normal);
  CHECK(t.merge_text(1) == "ab a");
}

TEST_CASE("tokenizer: rstrip and lstrip swallow white space", "[model][tokenizer]") {
  const auto t = model::Tokenizer::parse(
                     changed(R"({"added_tokens": [{"id": 1, "content": "<s>", "lstrip": true, "rstrip": true}]})"))
                     .value();
  CHECK(t.encode("a  <s> b") == Ids{7, 1, 2, 4});
}

TEST_CASE("tokenizer: unknown characters fuse when asked, and only neighbours do", "[model][tokenizer]") {
  const auto fused = model::Tokenizer::parse(changed(R"({"normalizer": null})")).value();
  CHECK(fused.encode("xyaz") == Ids{0, 3, 0});
  const auto apart = model::Tokenizer::parse(changed(R"({"normalizer": null, "model": {"fuse_unk": false}})")).value();
  CHECK(apart.encode("xyaz") == Ids{0, 0, 3, 0});
}

TEST_CASE("tokenizer: with ignore_merges a whole piece in the vocabulary is one token", "[model][tokenizer]") {
  const auto encode = [](const char* patch) { return model::Tokenizer::parse(changed(patch))->encode("bb"); };
  CHECK(encode(R"({"normalizer": null, "model": {"vocab": {"bb": 11}}})") == Ids{4, 4});
  CHECK(encode(R"({"normalizer": null, "model": {"vocab": {"bb": 11}, "ignore_merges": true}})") == Ids{11});
}

TEST_CASE("tokenizer: a Metaspace pre-tokenizer puts its prefix where its scheme says", "[model][tokenizer]") {
  const auto make = [](const std::string& scheme) {
    const std::string patch = R"({"normalizer": null, "pre_tokenizer": {"type": "Metaspace", "replacement": "_",
                                  "split": false, "prepend_scheme": ")" +
                              scheme + "\"}}";
    return model::Tokenizer::parse(changed(patch.c_str())).value();
  };
  CHECK(make("always").encode("a<s>a") == Ids{7, 1, 7});
  CHECK(make("first").encode("a<s>a") == Ids{7, 1, 3});
  CHECK(make("never").encode("a<s>a") == Ids{3, 1, 3});
  CHECK(make("always").encode(" a") == Ids{7});
}

TEST_CASE("tokenizer: malformed and unsupported files are refused by name", "[model][tokenizer]") {
  const auto [patch, word, code] = GENERATE(table<const char*, const char*, Errc>({
      {R"({"model": null})", "model", Errc::missing},
      {R"({"model": {"type": "Unigram"}})", "Unigram", Errc::unsupported},
      {R"({"model": {"vocab": null}})", "vocab", Errc::missing},
      {R"({"model": {"vocab": []}})", "vocab", Errc::malformed},
      {R"({"model": {"vocab": {"z": 3}}})", "id 3", Errc::duplicate},
      {R"({"model": {"vocab": {"z": -3}}})", "z", Errc::malformed},
      {R"({"model": {"vocab": {"z": 4294967295}}})", "z", Errc::out_of_bounds},
      {R"({"model": {"vocab": {"z": 1e300}}})", "z", Errc::malformed},
      {R"({"model": {"unk_token": "<none>"}})", "unk_token", Errc::missing},
      {R"({"model": {"merges": null}})", "merges", Errc::missing},
      {R"({"model": {"merges": ["ab"]}})", "merges[0]", Errc::malformed},
      {R"({"model": {"merges": ["a b", "a b c"]}})", "merges[1]", Errc::malformed},
      {R"({"model": {"merges": [["a"]]}})", "merges[0]", Errc::malformed},
      {R"({"model": {"merges": [["a", 1]]}})", "merges[0]", Errc::malformed},
      {R"({"model": {"merges": ["b b"]}})", "merges[0]", Errc::missing},
      {R"({"model": {"merges": ["a b", ["a", "b"]]}})", "merges[1]", Errc::duplicate},
      {R"({"model": {"dropout": 0.1}})", "dropout", Errc::unsupported},
      {R"({"model": {"end_of_word_suffix": "</w>"}})", "end_of_word_suffix", Errc::unsupported},
      {R"({"model": {"byte_fallback": "yes"}})", "byte_fallback", Errc::malformed},
      {R"({"added_tokens": {"id": 1}})", "added_tokens", Errc::malformed},
      {R"({"added_tokens": [{"id": 1}]})", "content", Errc::missing},
      {R"({"added_tokens": [{"id": 1, "content": ""}]})", "added_tokens", Errc::malformed},
      {R"({"added_tokens": [{"id": 3, "content": "<x>"}]})", "<x>", Errc::duplicate},
      {R"({"added_tokens": [{"id": 9, "content": "<s>"}]})", "<s>", Errc::duplicate},
      {R"({"added_tokens": [{"id": 4294967296, "content": "<x>"}]})", "<x>", Errc::out_of_bounds},
      {R"({"added_tokens": [{"id": 1, "content": "<s>"}, {"id": 1, "content": "<s>"}]})", "<s>", Errc::duplicate},
      {R"({"added_tokens": [{"id": 1, "content": "<s>", "single_word": true}]})", "single_word", Errc::unsupported},
      {R"({"normalizer": {"type": "NFKC"}})", "NFKC", Errc::unsupported},
      {R"({"normalizer": {"type": "Replace", "pattern": {"Regex": "x"}, "content": ""}})", "regular",
       Errc::unsupported},
      {R"({"normalizer": {"type": "Replace", "pattern": {"String": ""}, "content": ""}})", "normalizer",
       Errc::malformed},
      {R"({"decoder": {"type": "WordPiece"}})", "WordPiece", Errc::unsupported},
      {R"({"pre_tokenizer": {"type": "ByteLevel"}})", "ByteLevel", Errc::unsupported},
      {R"({"pre_tokenizer": {"type": "Metaspace"}})", "Metaspace", Errc::unsupported},
      {R"({"post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<bos>"}}]}})",
       "post_processor", Errc::missing},
  }));
  CAPTURE(patch);
  const auto t = model::Tokenizer::parse(changed(patch));
  REQUIRE_FALSE(t);
  CHECK(t.error().code == code);
  CHECK(to_string(t.error()).find(word) != std::string::npos);
}

TEST_CASE("tokenizer: every prefix of a file is an error, never a tokenizer", "[model][tokenizer]") {
  const test::TempDir dir;
  const std::string text = small;
  const auto path = dir / "tokenizer.json";
  const auto read = [&](std::string_view content) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
    return model::Tokenizer::read(path);
  };
  for (std::size_t n = 0; n < text.size(); ++n) {
    const auto t = read(std::string_view(text).substr(0, n));
    REQUIRE_FALSE(t);
    REQUIRE(t.error().file == path.string());
  }
  CHECK(read(text).has_value());
}

TEST_CASE("tokenizer: a damaged byte never crashes", "[model][tokenizer]") {
  const std::string text = small;
  for (std::size_t i = 0; i < text.size(); ++i)
    for (const char damage : {'\0', '0', '"', '}', '\x7f', '\xff'}) {
      std::string bytes = text;
      bytes[i] = damage;
      const auto json = io::parse_json(std::string_view(bytes));
      if (!json) continue;
      const auto t = model::Tokenizer::parse(*json);
      if (t) CHECK(t->encode("a b aba").size() <= 8);
    }
}

TEST_CASE("tokenizer: the embedded model's file is read", "[model][tokenizer]") {
  const auto t = embedded();
  CHECK(t.vocab_size() == 4096);
  CHECK(t.bos() == 1u);
  CHECK(t.eos() == 2u);
  CHECK(t.unknown() == 0u);
  CHECK(t.byte_fallback());
  CHECK(t.adds_space_prefix());
  CHECK(t.kind(3) == model::TokenKind::byte);
  CHECK(t.token(3) == "<0x00>");
  CHECK(t.merge_text(2) == "h e");
}

}  // namespace lowbit::test::tokenizer_tests
