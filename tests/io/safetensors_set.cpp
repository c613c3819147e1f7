// SPDX-License-Identifier: MIT
#include "lowbit/io/safetensors_set.hpp"

#include <string>

#include "catch.hpp"
#include "io/test_bytes.hpp"
#include "support/temp_dir.hpp"

namespace lowbit::test::safetensors_set_tests {
using namespace lowbit::io;
using test::Bytes;
using test::TempDir;

namespace {

constexpr const char* index_name = "model.safetensors.index.json";

/// A shard of one-byte tensors.
void write_shard(const std::filesystem::path& path, std::string_view names, std::string_view metadata = "") {
  std::string json = "{";
  if (!metadata.empty()) json += "\"__metadata__\":{" + std::string(metadata) + "}";
  Bytes data;
  for (const char name : names) {
    if (json.size() > 1) json += ',';
    json += "\"" + std::string(1, name) + R"(":{"dtype":"U8","shape":[1],"data_offsets":[)" +
            std::to_string(data.size()) + "," + std::to_string(data.size() + 1) + "]}";
    data.push_back(static_cast<std::uint8_t>(name));
  }
  test::write_file(path, test::safetensors_bytes(json + "}", data));
}

Error refused(const std::filesystem::path& path) {
  auto set = SafetensorsSet::open(path);
  REQUIRE_FALSE(set);
  return set.error();
}

}  // namespace

TEST_CASE("SafetensorsSet: a single file, by name or by folder", "[io][safetensors]") {
  TempDir dir;
  write_shard(dir / "model.safetensors", "ba", R"("k":"v")");
  for (const auto& path : {dir.path(), dir / "model.safetensors"}) {
    auto set = SafetensorsSet::open(path);
    REQUIRE(set);
    REQUIRE(set->tensors().size() == 2);
    CHECK(set->tensors()[0].name == "a");
    CHECK(set->metadata().at("k") == "v");
    auto moved = std::move(*set);
    CHECK(moved.find("b")->bytes[0] == 'b');
  }
}

TEST_CASE("SafetensorsSet: shards read as one file, sorted by name", "[io][safetensors]") {
  TempDir dir;
  write_shard(dir / "model-00001-of-00002.safetensors", "ca", R"("k":"1","only":"here")");
  write_shard(dir / "model-00002-of-00002.safetensors", "bd", R"("k":"2")");
  test::write_file(dir / index_name, R"({"metadata":{"total_size":99},"weight_map":{
    "a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors",
    "c":"model-00001-of-00002.safetensors"}})");
  for (const auto& path : {dir.path(), dir / index_name}) {
    auto set = SafetensorsSet::open(path);
    REQUIRE(set);
    std::string names;
    for (const TensorView& tensor : set->tensors()) {
      names += tensor.name;
      CHECK(tensor.bytes[0] == static_cast<std::uint8_t>(tensor.name[0]));
    }
    CHECK(names == "abcd");  // d is in a shard though not in the map
    CHECK(set->metadata().at("k") == "1");
    CHECK(set->metadata().at("only") == "here");
    CHECK(set->find("e") == nullptr);
  }
}

TEST_CASE("SafetensorsSet: nothing there, a missing shard and a missing tensor are named", "[io][safetensors]") {
  TempDir dir;
  CHECK(refused(dir.path()).code == Errc::missing);
  CHECK(refused(dir / "none.safetensors").code == Errc::missing);
  write_shard(dir / "one", "a");
  test::write_file(dir / index_name, R"({"weight_map":{"a":"one","b":"two.safetensors"}})");
  const Error shard = refused(dir.path());
  CHECK(shard.code == Errc::missing);
  CHECK(shard.file == (dir / "two.safetensors").string());
  CHECK(shard.message == "a shard of the index is absent: two.safetensors");
  test::write_file(dir / index_name, R"({"weight_map":{"a":"one","b":"one"}})");
  const Error tensor = refused(dir.path());
  CHECK(tensor.code == Errc::missing);
  CHECK(tensor.tensor == "b");
}

TEST_CASE("SafetensorsSet: a tensor in two shards is a duplicate", "[io][safetensors]") {
  TempDir dir;
  write_shard(dir / "one", "ab");
  write_shard(dir / "two", "bc");
  test::write_file(dir / index_name, R"({"weight_map":{"a":"one","b":"one","c":"two"}})");
  const Error error = refused(dir.path());
  CHECK(error.code == Errc::duplicate);
  CHECK(error.tensor == "b");
}

TEST_CASE("SafetensorsSet: an index cannot name a file outside its folder", "[io][safetensors]") {
  TempDir dir;
  std::filesystem::create_directory(dir / "inner");
  write_shard(dir / "outside", "a");
  write_shard(dir / "inner" / "ok", "a");
  test::write_file(dir / "inner" / index_name, R"({"weight_map":{"a":"ok"}})");
  CHECK(SafetensorsSet::open(dir / "inner"));
  for (const std::string leaf : {"../outside", "..", ".", "", "/etc/passwd", "sub/ok", "..\\\\outside", "C:ok",
                                 "ok\\u0000", "ok\\n", "./ok", "a..b"}) {
    test::write_file(dir / "inner" / index_name, R"({"weight_map":{"a":")" + leaf + "\"}}");
    INFO(leaf);
    CHECK(refused(dir / "inner").code == Errc::malformed);
  }
}

TEST_CASE("SafetensorsSet: a malformed index or shard is an error that names the file", "[io][safetensors]") {
  TempDir dir;
  write_shard(dir / "one", "a");
  for (const char* text : {"", "[]", "{}", R"({"weight_map":[]})", R"({"weight_map":{"a":1}})", R"({"weight_map":null})",
                           R"({"weight_map":{"a":"one","a":"one"}})", R"({"weight_map":{"a":"one"}} x)",
                           R"({"weight_map":{"a":["one"]}})", "{\"weight_map\":{\"\xff\":\"one\"}}"}) {
    test::write_file(dir / index_name, std::string_view(text));
    INFO(text);
    CHECK(refused(dir.path()).file == (dir / index_name).string());
  }
  test::write_file(dir / index_name, R"({"weight_map":{"a":"one"}})");
  REQUIRE(SafetensorsSet::open(dir.path()));
  test::write_file(dir / "one", "damaged");
  const Error error = refused(dir.path());
  CHECK(error.code == Errc::truncated);
  CHECK(error.file == (dir / "one").string());
}

}  // namespace lowbit::test::safetensors_set_tests
