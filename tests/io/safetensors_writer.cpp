// SPDX-License-Identifier: MIT
#include "lowbit/io/safetensors_writer.hpp"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "io/file_size_limit.hpp"
#include "io/test_bytes.hpp"
#include "lowbit/core/contract.hpp"
#include "lowbit/io/safetensors_set.hpp"
#include "support/shared.hpp"
#include "support/temp_dir.hpp"

namespace lowbit::test::safetensors_writer_tests {

using namespace io;

namespace {

SafetensorsWriter start(const std::filesystem::path& path, bool overwrite = false) {
  return SafetensorsWriter::create(path, overwrite).value();
}

}  // namespace

TEST_CASE("SafetensorsWriter: canonical bytes, as the format's reference writer lays them out", "[io][safetensors]") {
  TempDir dir;
  auto writer = start(dir / "f");
  writer.set_metadata({{"b", "2"}, {"a", "1"}});
  REQUIRE(writer.add("u", Dtype::U8, {3}, Bytes{1, 2, 3}));
  REQUIRE(writer.add("h", Dtype::F16, {1, 1}, Bytes{0, 0x3c}));
  REQUIRE(writer.add("a", Dtype::U8, {}, Bytes{9}));
  REQUIRE(writer.add("w", Dtype::F32, {1}, Bytes{0, 0, 0x80, 0x3f}));
  REQUIRE(writer.finish());
  std::string json =
      R"({"__metadata__":{"a":"1","b":"2"},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
      R"("h":{"dtype":"F16","shape":[1,1],"data_offsets":[4,6]},"a":{"dtype":"U8","shape":[],"data_offsets":[6,7]},)"
      R"("u":{"dtype":"U8","shape":[3],"data_offsets":[7,10]}})";
  while (json.size() % 8 != 0) json += ' ';
  CHECK(test::read_file(dir / "f") ==
        test::safetensors_bytes(json, Bytes{0, 0, 0x80, 0x3f, 0, 0x3c, 9, 1, 2, 3}));
  CHECK(test::files_in(dir.path()) == 1);
}

TEST_CASE("SafetensorsWriter: what was written is read back, every dtype, and written again it is the same file",
          "[io][safetensors]") {
  TempDir dir;
  std::map<std::string, Bytes> content;
  {
    auto writer = start(dir / "f");
    for (unsigned i = 0; i < dtype_count; ++i) {
      const auto dtype = static_cast<Dtype>(i);
      Bytes bytes(bits(dtype) * 12 / 8);
      for (std::size_t k = 0; k < bytes.size(); ++k) bytes[k] = static_cast<std::uint8_t>(17 * i + k);
      const std::string name = "t." + std::to_string(i * 7 % 23) + "/\n\"\\\x01é";
      REQUIRE(writer.add(name, dtype, {3, 1, 4}, bytes));
      content[name] = bytes;
    }
    REQUIRE(writer.add("empty", Dtype::F32, {0, 5}, {}));
    content["empty"] = {};
    writer.set_metadata({{"k\"é", "v\n"}});
    REQUIRE(writer.finish());
  }
  auto file = SafetensorsFile::open(dir / "f");
  REQUIRE(file);
  REQUIRE(file->tensors().size() == content.size());
  for (const auto& [name, bytes] : content) {
    const TensorView* tensor = file->find(name);
    REQUIRE(tensor != nullptr);
    CHECK(Bytes(tensor->bytes.begin(), tensor->bytes.end()) == bytes);
    CHECK(tensor->shape == (name == "empty" ? std::vector<std::uint64_t>{0, 5} : std::vector<std::uint64_t>{3, 1, 4}));
  }
  CHECK(file->metadata() == std::map<std::string, std::string>{{"k\"é", "v\n"}});
  CHECK(test::read_file(dir / "f")[0] % 8 == 0);

  auto again = start(dir / "g");
  for (std::size_t i = file->tensors().size(); i-- > 0;) REQUIRE(again.add(file->tensors()[i]));
  again.set_metadata(file->metadata());
  REQUIRE(again.finish());
  CHECK(test::read_file(dir / "g") == test::read_file(dir / "f"));
}

TEST_CASE("SafetensorsWriter: an empty file is canonical too", "[io][safetensors]") {
  TempDir dir;
  REQUIRE(start(dir / "f").finish());
  CHECK(test::read_file(dir / "f") == test::safetensors_bytes("{}      "));
}

TEST_CASE("SafetensorsWriter: a wrong tensor is refused and the rest can go on", "[io][safetensors]") {
  TempDir dir;
  auto writer = start(dir / "f");
  REQUIRE(writer.add("a", Dtype::U8, {2}, Bytes{1, 2}));
  CHECK(writer.add("a", Dtype::U8, {2}, Bytes{1, 2}).error().code == Errc::duplicate);
  CHECK(writer.add("b", Dtype::U8, {2}, Bytes{1}).error().code == Errc::shape_mismatch);
  CHECK(writer.add("b", Dtype::F4, {3}, Bytes{1, 2}).error().code == Errc::malformed);
  CHECK(writer.add("b", Dtype::F32, {1ull << 62, 4}, {}).error().code == Errc::out_of_bounds);
  CHECK(writer.add("b", Dtype::F32, {1ull << 63, 2, 0}, {}).error().code == Errc::out_of_bounds);
  CHECK(writer.add("__metadata__", Dtype::U8, {0}, {}).error().code == Errc::invalid_argument);
  CHECK(writer.add("\xff", Dtype::U8, {0}, {}).error().code == Errc::invalid_argument);
  CHECK(writer.add("b", Dtype::U8, {2}, Bytes{1}).error().tensor == "b");
  REQUIRE(writer.finish());
  CHECK(SafetensorsFile::open(dir / "f")->tensors().size() == 1);
  CHECK_THROWS_AS(static_cast<void>(writer.finish()), ContractViolation);
}

TEST_CASE("SafetensorsWriter: nothing stays behind when it is destroyed, refused or given bad metadata",
          "[io][safetensors]") {
  TempDir dir;
  {
    auto writer = start(dir / "f");
    REQUIRE(writer.add("a", Dtype::U8, {2}, Bytes{1, 2}));
    auto moved = std::move(writer);
    CHECK(moved.add("b", Dtype::U8, {1}, Bytes{1}));
  }
  CHECK(test::files_in(dir.path()) == 0);
  {
    auto writer = start(dir / "f");
    writer.set_metadata({{"k", "\xff"}});
    CHECK(writer.finish().error().code == Errc::invalid_argument);
  }
  CHECK(test::files_in(dir.path()) == 0);
  test::write_file(dir / "f", "old");
  CHECK(SafetensorsWriter::create(dir / "f", false).error().code == Errc::already_exists);
  CHECK(SafetensorsWriter::create(dir / "no" / "f", true).error().code == Errc::io_error);
  REQUIRE(start(dir / "f", true).finish());
  CHECK(test::files_in(dir.path()) == 1);
  CHECK(SafetensorsFile::open(dir / "f"));
}

TEST_CASE("SafetensorsWriter: a full disk in add() or finish() leaves the old file and nothing else",
          "[io][safetensors]") {
  TempDir dir;
  test::write_file(dir / "f", "old");
  {
    auto writer = start(dir / "f", true);
    const test::FileSizeLimit limit(4096);
    REQUIRE(writer.add("a", Dtype::U8, {4000}, Bytes(4000)));
    CHECK(writer.add("b", Dtype::U8, {4000}, Bytes(4000)).error().code == Errc::io_error);
    CHECK(writer.add("c", Dtype::U8, {1}, Bytes(1)).error().code == Errc::io_error);
    CHECK(writer.finish().error().code == Errc::io_error);  // never a file without the tensor that failed
  }
  {
    auto writer = start(dir / "f", true);
    const test::FileSizeLimit limit(4096);
    REQUIRE(writer.add("a", Dtype::U8, {4090}, Bytes(4090)));
    const auto finished = writer.finish();  // the header does not fit beside the data
    REQUIRE_FALSE(finished);
    CHECK(finished.error().file == (dir / "f").string());
  }
  CHECK(test::files_in(dir.path()) == 1);
  CHECK(test::read_file(dir / "f") == Bytes{'o', 'l', 'd'});
}

TEST_CASE("SafetensorsWriter: a real checkpoint is reproduced byte for byte", "[io][safetensors]") {
  const auto shared = test::shared_dir();
  if (!shared) LOWBIT_SKIP("no shared models");
  const auto path = *shared / "models" / "manual-1m" / "model.safetensors";
  if (!std::filesystem::exists(path)) LOWBIT_SKIP("no manual-1m");
  TempDir dir;
  auto set = SafetensorsSet::open(path.parent_path());
  REQUIRE(set);
  auto writer = start(dir / "copy");
  for (const TensorView& tensor : set->tensors()) REQUIRE(writer.add(tensor));
  writer.set_metadata(set->metadata());
  REQUIRE(writer.finish());
  CHECK((test::read_file(dir / "copy") == test::read_file(path)));
}

}  // namespace lowbit::test::safetensors_writer_tests
