// SPDX-License-Identifier: MIT
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>

#include "catch.hpp"
#include "io/file_size_limit.hpp"
#include "io/test_bytes.hpp"
#include "lowbit/io/atomic_file.hpp"
#include "lowbit/io/mapped_file.hpp"
#include "support/temp_dir.hpp"

namespace lowbit::test::files_tests {
using namespace lowbit::io;
using test::Bytes;
using test::TempDir;

TEST_CASE("MappedFile: the bytes are the file's and keep their address when the object moves", "[io]") {
  TempDir dir;
  const Bytes content{1, 2, 3, 250};
  test::write_file(dir / "f", content);
  auto mapped = MappedFile::open(dir / "f");
  REQUIRE(mapped);
  CHECK(Bytes(mapped->bytes().begin(), mapped->bytes().end()) == content);
  const std::uint8_t* const address = mapped->bytes().data();
  MappedFile moved = std::move(*mapped);
  CHECK(moved.bytes().data() == address);
  CHECK(mapped->bytes().empty());
  MappedFile assigned;
  assigned = std::move(moved);
  CHECK(assigned.bytes().data() == address);
}

TEST_CASE("MappedFile: an empty file is empty; no file, a folder, a pipe are named errors", "[io]") {
  TempDir dir;
  test::write_file(dir / "empty", std::string_view());
  REQUIRE(MappedFile::open(dir / "empty"));
  CHECK(MappedFile::open(dir / "empty")->bytes().empty());

  auto absent = MappedFile::open(dir / "absent");
  REQUIRE_FALSE(absent);
  CHECK(absent.error().code == Errc::missing);
  CHECK(absent.error().file == (dir / "absent").string());

  auto folder = MappedFile::open(dir.path());
  REQUIRE_FALSE(folder);
  CHECK(folder.error().code == Errc::io_error);
  CHECK(folder.error().message == "cannot read: Is a directory");

  REQUIRE(mkfifo((dir / "pipe").c_str(), 0600) == 0);
  auto pipe = MappedFile::open(dir / "pipe");  // must not wait for a writer
  REQUIRE_FALSE(pipe);
  CHECK(pipe.error().code == Errc::io_error);

  if (geteuid() != 0) {
    test::write_file(dir / "secret", "x");
    std::filesystem::permissions(dir / "secret", std::filesystem::perms::none);
    auto secret = MappedFile::open(dir / "secret");
    REQUIRE_FALSE(secret);
    CHECK(secret.error().code == Errc::io_error);
  }
}

TEST_CASE("read_text: gives the bytes, refuses what is longer than asked for", "[io]") {
  TempDir dir;
  test::write_file(dir / "f", std::string_view("a\0b", 3));
  auto text = read_text(dir / "f", 3);
  REQUIRE(text);
  CHECK(*text == std::string("a\0b", 3));
  auto longer = read_text(dir / "f", 2);
  REQUIRE_FALSE(longer);
  CHECK(longer.error().code == Errc::out_of_bounds);
  CHECK(read_text(dir.path(), 10).error().code == Errc::io_error);
  CHECK(read_text(dir / "absent", 10).error().code == Errc::missing);
}

TEST_CASE("AtomicFile: the destination appears at commit, whole, and nothing else stays", "[io]") {
  TempDir dir;
  {
    auto file = AtomicFile::create(dir / "out", false);
    REQUIRE(file);
    REQUIRE(file->write("hello "));
    REQUIRE(file->write("world"));
    CHECK_FALSE(std::filesystem::exists(dir / "out"));
    AtomicFile moved = std::move(*file);
    REQUIRE(moved.commit());
  }
  CHECK(*read_text(dir / "out", 100) == "hello world");
  CHECK(test::files_in(dir.path()) == 1);
}

TEST_CASE("AtomicFile: destroyed without commit it leaves nothing, and the old file as it was", "[io]") {
  TempDir dir;
  test::write_file(dir / "out", "old");
  {
    auto file = AtomicFile::create(dir / "out", true);
    REQUIRE(file);
    REQUIRE(file->write("new"));
    CHECK(test::files_in(dir.path()) == 2);
    auto other = AtomicFile::create(dir / "other", false);
    REQUIRE(other);
    *other = std::move(*file);  // the first content of `other` is dropped
    CHECK(test::files_in(dir.path()) == 2);
  }
  CHECK(*read_text(dir / "out", 100) == "old");
  CHECK(test::files_in(dir.path()) == 1);
}

TEST_CASE("AtomicFile: an existing destination is replaced only when asked", "[io]") {
  TempDir dir;
  test::write_file(dir / "out", "old");
  auto refused = AtomicFile::create(dir / "out", false);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::already_exists);

  auto replaced = AtomicFile::create(dir / "out", true);
  REQUIRE(replaced);
  REQUIRE(replaced->write("new"));
  REQUIRE(replaced->commit());
  CHECK(*read_text(dir / "out", 100) == "new");

  auto late = AtomicFile::create(dir / "late", false);
  REQUIRE(late);
  REQUIRE(late->write("mine"));
  test::write_file(dir / "late", "somebody else's");
  auto committed = late->commit();
  REQUIRE_FALSE(committed);
  CHECK(committed.error().code == Errc::already_exists);
  CHECK(*read_text(dir / "late", 100) == "somebody else's");
  CHECK(test::files_in(dir.path()) == 2);
}

TEST_CASE("AtomicFile: a folder, an absent folder and an empty name are named errors", "[io]") {
  TempDir dir;
  CHECK(AtomicFile::create(dir.path(), true).error().code == Errc::io_error);
  CHECK(AtomicFile::create(dir / "no" / "out", true).error().code == Errc::io_error);
  CHECK(AtomicFile::create("", true).error().code == Errc::invalid_argument);
  CHECK(AtomicFile::create(dir.path() / "", true).error().code == Errc::invalid_argument);
}

TEST_CASE("AtomicFile: a full disk is an error that names the file, and nothing stays", "[io]") {
  TempDir dir;
  {
    const test::FileSizeLimit limit(4096);
    auto file = AtomicFile::create(dir / "out", false);
    REQUIRE(file);
    REQUIRE(file->write(Bytes(4000)));
    auto full = file->write(Bytes(4000));
    REQUIRE_FALSE(full);
    CHECK(full.error().code == Errc::io_error);
    CHECK(full.error().file == (dir / "out").string());
    CHECK(full.error().message == "cannot write: File too large");
    CHECK_FALSE(file->write(Bytes(1)));
    CHECK_FALSE(file->commit());
  }
  CHECK(test::files_in(dir.path()) == 0);
}

}  // namespace lowbit::test::files_tests
