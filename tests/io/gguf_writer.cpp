// SPDX-License-Identifier: MIT
#include "lowbit/io/gguf_writer.hpp"

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "io/file_size_limit.hpp"
#include "io/gguf_bytes.hpp"
#include "lowbit/core/contract.hpp"
#include "support/temp_dir.hpp"

namespace lowbit::test::gguf_writer_tests {
using namespace lowbit::io;
using test::Bytes;
using test::TempDir;

namespace {

GgufWriter start(const std::filesystem::path& path, bool overwrite = false) {
  return GgufWriter::create(path, overwrite).value();
}

void copy(const GgufFile& from, const std::filesystem::path& path) {
  auto writer = start(path);
  for (const GgufKeyValue& entry : from.metadata()) REQUIRE(writer.set(entry.key, entry.value));
  for (const GgufTensor& tensor : from.tensors()) REQUIRE(writer.add(tensor));
  REQUIRE(writer.finish());
}

}  // namespace

TEST_CASE("GgufWriter: the bytes are those of the format, laid out by hand", "[io][gguf]") {
  TempDir dir;
  auto writer = start(dir / "f");
  REQUIRE(writer.set_string("general.architecture", "llama"));
  REQUIRE(writer.add("w", {32}, GgmlType::Q4_0, Bytes(18, 7)));
  REQUIRE(writer.set_u32("n", 5));  // keys may follow tensors
  const std::vector<std::string> words{"a", "bc"};
  REQUIRE(writer.set_string_array("words", words));
  REQUIRE(writer.add("v", {2, 1}, GgmlType::F16, Bytes{1, 2, 3, 4}));
  REQUIRE(writer.finish());
  Bytes encoded_words;
  for (const std::string& word : words) test::put_string(encoded_words, word);
  Bytes data(18, 7);
  data.resize(32);
  data.insert(data.end(), {1, 2, 3, 4});
  data.resize(64);
  CHECK(test::read_file(dir / "f") ==
        test::gguf_bytes({test::gguf_text("general.architecture", "llama"), test::gguf_number("n", 4, 5, 4),
                          test::gguf_array("words", 8, 2, encoded_words)},
                         {{"w", {32}, 2, 0}, {"v", {2, 1}, 1, 32}}, data));
  CHECK(test::files_in(dir.path()) == 1);
}

TEST_CASE("GgufWriter: every metadata type is read back, and the copy is the same file", "[io][gguf]") {
  TempDir dir;
  {
    auto writer = start(dir / "f");
    REQUIRE(writer.set_u8("u8", 255));
    REQUIRE(writer.set_i8("i8", -128));
    REQUIRE(writer.set_u16("u16", 65535));
    REQUIRE(writer.set_i16("i16", -32768));
    REQUIRE(writer.set_u32("u32", 4294967295u));
    REQUIRE(writer.set_i32("i32", std::numeric_limits<std::int32_t>::min()));
    REQUIRE(writer.set_u64("u64", std::numeric_limits<std::uint64_t>::max()));
    REQUIRE(writer.set_i64("i64", std::numeric_limits<std::int64_t>::min()));
    REQUIRE(writer.set_f32("f32", 1e-5f));
    REQUIRE(writer.set_f64("f64", 0.1));
    REQUIRE(writer.set_bool("bool", true));
    REQUIRE(writer.set_string("string", std::string_view("n\0ul é", 7)));
    REQUIRE(writer.set_u8_array("u8s", std::vector<std::uint8_t>{1, 255}));
    REQUIRE(writer.set_i8_array("i8s", std::vector<std::int8_t>{-1, 1}));
    REQUIRE(writer.set_u16_array("u16s", std::vector<std::uint16_t>{1, 65535}));
    REQUIRE(writer.set_i16_array("i16s", std::vector<std::int16_t>{-1}));
    REQUIRE(writer.set_u32_array("u32s", std::vector<std::uint32_t>{7}));
    REQUIRE(writer.set_i32_array("i32s", std::vector<std::int32_t>{-7, 8, 9}));
    REQUIRE(writer.set_u64_array("u64s", std::vector<std::uint64_t>{1ull << 63}));
    REQUIRE(writer.set_i64_array("i64s", std::vector<std::int64_t>{-1}));
    REQUIRE(writer.set_f32_array("f32s", std::vector<float>{0.5f, -0.0f}));
    REQUIRE(writer.set_f64_array("f64s", std::vector<double>{}));
    REQUIRE(writer.set_bool_array("bools", {true, false, true}));
    REQUIRE(writer.set_string_array("strings", std::vector<std::string>{"", "x"}));
    REQUIRE(writer.set_u32("general.alignment", 64));
    for (const GgmlTypeInfo& info : ggml_types) {
      Bytes bytes(std::size_t{info.block_bytes} * 4);
      for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 31 + info.block_bytes);
      REQUIRE(writer.add(std::string(info.name), {info.block_length * 2ull, 1, 2}, info.type, bytes));
    }
    REQUIRE(writer.finish());
  }
  auto file = GgufFile::open(dir / "f");
  REQUIRE(file);
  CHECK(file->alignment() == 64);
  CHECK(*file->get<std::uint8_t>("u8") == 255);
  CHECK(*file->get<std::int8_t>("i8") == -128);
  CHECK(*file->get<std::uint16_t>("u16") == 65535);
  CHECK(*file->get<std::int16_t>("i16") == -32768);
  CHECK(*file->get<std::uint32_t>("u32") == 4294967295u);
  CHECK(*file->get<std::int32_t>("i32") == std::numeric_limits<std::int32_t>::min());
  CHECK(*file->get<std::uint64_t>("u64") == std::numeric_limits<std::uint64_t>::max());
  CHECK(*file->get<std::int64_t>("i64") == std::numeric_limits<std::int64_t>::min());
  CHECK(*file->get<float>("f32") == 1e-5f);
  CHECK(*file->get<double>("f64") == 0.1);
  CHECK(*file->get<bool>("bool"));
  CHECK(*file->get<std::string>("string") == std::string("n\0ul é", 7));
  CHECK(*file->get<std::vector<std::uint8_t>>("u8s") == std::vector<std::uint8_t>{1, 255});
  CHECK(*file->get<std::vector<int>>("i8s") == std::vector<int>{-1, 1});
  CHECK(*file->get<std::vector<int>>("u16s") == std::vector<int>{1, 65535});
  CHECK(*file->get<std::vector<int>>("i16s") == std::vector<int>{-1});
  CHECK(*file->get<std::vector<int>>("u32s") == std::vector<int>{7});
  CHECK(*file->get<std::vector<std::int32_t>>("i32s") == std::vector<std::int32_t>{-7, 8, 9});
  CHECK(*file->get<std::vector<std::uint64_t>>("u64s") == std::vector<std::uint64_t>{1ull << 63});
  CHECK(*file->get<std::vector<std::int64_t>>("i64s") == std::vector<std::int64_t>{-1});
  CHECK(*file->get<std::vector<float>>("f32s") == std::vector<float>{0.5f, -0.0f});
  CHECK(file->get<std::vector<double>>("f64s")->empty());
  CHECK(*file->get<std::vector<bool>>("bools") == std::vector<bool>{true, false, true});
  CHECK(*file->get<std::vector<std::string>>("strings") == std::vector<std::string>{"", "x"});
  for (const GgmlTypeInfo& info : ggml_types) {
    const GgufTensor* tensor = file->find(info.name);
    REQUIRE(tensor != nullptr);
    CHECK(tensor->type == info.type);
    CHECK(tensor->dims == std::vector<std::uint64_t>{info.block_length * 2ull, 1, 2});
    CHECK(tensor->bytes[1] == static_cast<std::uint8_t>(31 + info.block_bytes));
  }
  copy(*file, dir / "g");
  CHECK((test::read_file(dir / "g") == test::read_file(dir / "f")));
}

TEST_CASE("GgufWriter: an empty file and a file of keys alone read back", "[io][gguf]") {
  TempDir dir;
  REQUIRE(start(dir / "empty").finish());
  CHECK(test::read_file(dir / "empty") == test::gguf_bytes({}, {}, {}));
  auto writer = start(dir / "keys");
  REQUIRE(writer.set_u8("a", 1));
  REQUIRE(writer.finish());
  auto file = GgufFile::open(dir / "keys");
  REQUIRE(file);
  CHECK(file->tensors().empty());
  CHECK(test::read_file(dir / "keys").size() % 32 == 0);
}

TEST_CASE("GgufWriter: wrong keys and tensors are refused and the rest can go on", "[io][gguf]") {
  TempDir dir;
  auto writer = start(dir / "f");
  REQUIRE(writer.set_u32("a", 1));
  CHECK(writer.set_u8("a", 1).error().code == Errc::duplicate);
  CHECK(writer.set_u8("", 1).error().code == Errc::invalid_argument);
  CHECK(writer.set_u8("a b", 1).error().code == Errc::invalid_argument);
  CHECK(writer.set_u8("é", 1).error().code == Errc::invalid_argument);
  CHECK(writer.set_u8(std::string(65536, 'k'), 1).error().code == Errc::invalid_argument);
  CHECK(writer.set_u64("general.alignment", 32).error().code == Errc::invalid_argument);
  CHECK(writer.set_u32("general.alignment", 33).error().code == Errc::invalid_argument);
  CHECK(writer.set_u32("general.alignment", 0).error().tensor == "general.alignment");

  REQUIRE(writer.add("t", {4}, GgmlType::F32, Bytes(16)));
  CHECK(writer.add("t", {4}, GgmlType::F32, Bytes(16)).error().code == Errc::duplicate);
  CHECK(writer.add("u", {4}, GgmlType::F32, Bytes(15)).error().code == Errc::shape_mismatch);
  CHECK(writer.add("u", {}, GgmlType::F32, Bytes(4)).error().code == Errc::out_of_bounds);
  CHECK(writer.add("u", {1, 1, 1, 1, 1}, GgmlType::F32, Bytes(4)).error().code == Errc::out_of_bounds);
  CHECK(writer.add("u", {0}, GgmlType::F32, {}).error().code == Errc::out_of_bounds);
  CHECK(writer.add("u", {33}, GgmlType::Q4_0, Bytes(18)).error().code == Errc::malformed);
  CHECK(writer.add("u", {32}, static_cast<GgmlType>(4), Bytes(18)).error().code == Errc::unsupported);
  CHECK(writer.add(std::string(64, 'n'), {1}, GgmlType::F32, Bytes(4)).error().code == Errc::invalid_argument);
  CHECK(writer.add("", {1}, GgmlType::F32, Bytes(4)).error().code == Errc::invalid_argument);
  CHECK(writer.add("\xff", {1}, GgmlType::F32, Bytes(4)).error().code == Errc::invalid_argument);
  REQUIRE(writer.finish());
  auto file = GgufFile::open(dir / "f");
  REQUIRE(file);
  CHECK(file->tensors().size() == 1);
  CHECK(file->metadata().size() == 1);
  CHECK_THROWS_AS(static_cast<void>(writer.finish()), ContractViolation);
}

TEST_CASE("GgufWriter: nothing stays behind when it is destroyed, refused or out of space", "[io][gguf]") {
  TempDir dir;
  {
    auto writer = start(dir / "f");
    REQUIRE(writer.add("t", {4}, GgmlType::F32, Bytes(16)));
    auto moved = std::move(writer);
    CHECK(moved.set_u8("a", 1));
  }
  CHECK(test::files_in(dir.path()) == 0);
  test::write_file(dir / "f", "old");
  CHECK(GgufWriter::create(dir / "f", false).error().code == Errc::already_exists);
  {
    auto writer = start(dir / "f", true);
    const test::FileSizeLimit limit(4096);
    REQUIRE(writer.add("a", {4000}, GgmlType::I8, Bytes(4000)));
    CHECK(writer.add("b", {4000}, GgmlType::I8, Bytes(4000)).error().code == Errc::io_error);
    CHECK(writer.finish().error().code == Errc::io_error);
  }
  {
    auto writer = start(dir / "f", true);
    const test::FileSizeLimit limit(4096);
    REQUIRE(writer.add("a", {4090}, GgmlType::I8, Bytes(4090)));
    CHECK(writer.finish().error().file == (dir / "f").string());
  }
  CHECK(test::files_in(dir.path()) == 1);
  CHECK(test::read_file(dir / "f") == Bytes{'o', 'l', 'd'});
}

}  // namespace lowbit::test::gguf_writer_tests
