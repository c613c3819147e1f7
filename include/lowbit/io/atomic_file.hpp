// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <utility>

#include "lowbit/core/contract.hpp"
#include "lowbit/core/result.hpp"
#include "lowbit/io/bytes.hpp"
#include "lowbit/io/posix.hpp"

namespace lowbit::io {

/// A file that appears whole or not at all: bytes go to a temporary file in the destination's folder, and commit()
/// flushes it to the disk and renames it into place. Until then, and after any failure, the destination is as it was.
///
/// The temporary file is removed on every path but a killed process, which may leave one `.lowbit-*.tmp` behind.
/// Without `overwrite` an existing destination is refused twice: at once in create(), and again, atomically where the
/// file system has hard links, in commit(). With `overwrite` a symbolic link is replaced, not followed.
/// Errors   already_exists; io_error with the system's reason (no space, no permission, no such folder).
class AtomicFile {
 public:
  static Result<AtomicFile> create(std::filesystem::path destination, bool overwrite) {
    LOWBIT_CHECK(check_destination(destination, overwrite));
    LOWBIT_TRY(temporary, detail::create_temporary(destination));
    return AtomicFile(std::move(temporary), std::move(destination), overwrite);
  }

  AtomicFile(AtomicFile&& other) noexcept
      : fd_(std::move(other.fd_)),
        temporary_(std::move(other.temporary_)),
        destination_(std::move(other.destination_)),
        size_(other.size_),
        overwrite_(other.overwrite_),
        failed_(other.failed_) {
    other.temporary_.clear();
  }
  AtomicFile& operator=(AtomicFile&& other) noexcept {
    if (this != &other) {
      discard();
      fd_ = std::move(other.fd_);
      temporary_ = std::move(other.temporary_);
      destination_ = std::move(other.destination_);
      size_ = other.size_;
      overwrite_ = other.overwrite_;
      failed_ = other.failed_;
      other.temporary_.clear();
    }
    return *this;
  }
  ~AtomicFile() { discard(); }

  /// Appends. After a failure every later write and the commit fail as well.
  Result<> write(std::span<const std::uint8_t> bytes) {
    LOWBIT_EXPECTS(static_cast<bool>(fd_), "AtomicFile::write() needs a file that is not committed or moved from");
    if (failed_) return broken();
    if (const int code = detail::write_all(fd_.get(), bytes, size_); code != 0) {
      failed_ = true;
      return detail::os_error("write", destination_, code);
    }
    size_ += bytes.size();
    return {};
  }
  Result<> write(std::string_view text) { return write(as_bytes(text)); }

  /// Makes the file appear under its name. Call once.
  Result<> commit() {
    LOWBIT_EXPECTS(static_cast<bool>(fd_), "AtomicFile::commit() needs a file that is not committed or moved from");
    if (failed_) return broken();
    failed_ = true;
    if (::fsync(fd_.get()) != 0) return detail::os_error("flush", destination_, errno);
    if (!fd_.reset()) return fail_and_discard("close", errno);
    if (const int code = place(); code != 0) {
      if (code == EEXIST && !overwrite_) {
        discard();
        return exists(destination_);
      }
      return fail_and_discard("rename into place", code);
    }
    temporary_.clear();
    flush_folder();
    return {};
  }

  const std::filesystem::path& destination() const noexcept { return destination_; }

 private:
  AtomicFile(detail::TemporaryFile temporary, std::filesystem::path destination, bool overwrite)
      : fd_(std::move(temporary.fd)),
        temporary_(std::move(temporary.path)),
        destination_(std::move(destination)),
        overwrite_(overwrite) {}

  static Error exists(const std::filesystem::path& path) {
    return {.code = Errc::already_exists, .message = "the destination exists", .file = path.string()};
  }
  static Result<> check_destination(const std::filesystem::path& path, bool overwrite) {
    if (path.filename().empty())
      return Error{.code = Errc::invalid_argument, .message = "the destination names no file", .file = path.string()};
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) return {};
    if (S_ISDIR(status.st_mode)) return detail::os_error("write", path, EISDIR);
    if (!overwrite) return exists(path);
    return {};
  }

  /// 0 or errno. link() refuses an existing name atomically, which rename() does not.
  int place() const noexcept {
    if (!overwrite_) {
      if (::link(temporary_.c_str(), destination_.c_str()) == 0) {
        ::unlink(temporary_.c_str());
        return 0;
      }
      if (errno == EEXIST) return EEXIST;
      struct stat status {};  // no hard links here: test, then rename
      if (::lstat(destination_.c_str(), &status) == 0) return EEXIST;
    }
    return std::rename(temporary_.c_str(), destination_.c_str()) == 0 ? 0 : errno;
  }

  /// Makes the new name durable. Some file systems cannot flush a folder; the file itself is safe by then.
  void flush_folder() const {
    const detail::FileDescriptor folder(
        ::open(detail::parent_of(destination_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder) static_cast<void>(::fsync(folder.get()));
  }

  Error broken() const {
    return {.code = Errc::io_error, .message = "an earlier write failed", .file = destination_.string()};
  }
  Error fail_and_discard(std::string_view verb, int code) {
    discard();
    return detail::os_error(verb, destination_, code);
  }
  void discard() noexcept {
    fd_.reset();
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
    temporary_.clear();
  }

  detail::FileDescriptor fd_;
  std::filesystem::path temporary_;  ///< empty once there is nothing left to remove
  std::filesystem::path destination_;
  std::uint64_t size_ = 0;
  bool overwrite_ = false;
  bool failed_ = false;
};

/// The whole file as bytes in a string.
/// Errors   missing, io_error, out_of_bounds (more than max_bytes; nothing is read then).
inline Result<std::string> read_text(const std::filesystem::path& path, std::uint64_t max_bytes) {
  LOWBIT_TRY(file, detail::open_regular(path));
  const auto too_large = [&](std::uint64_t size) {
    return Error{.code = Errc::out_of_bounds,
                 .message = "the file has " + std::to_string(size) + " bytes, more than the " +
                            std::to_string(max_bytes) + " allowed",
                 .file = path.string()};
  };
  if (file.size > max_bytes || file.size > std::numeric_limits<std::size_t>::max() / 2) return too_large(file.size);
  std::string text(static_cast<std::size_t>(file.size), '\0');
  std::size_t filled = 0;
  while (filled < text.size()) {
    const ssize_t got = ::read(file.fd.get(), text.data() + filled, text.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return detail::os_error("read", path, errno);
    if (got == 0)
      return Error{.code = Errc::truncated,
                   .message = "the file shrank while it was read",
                   .file = path.string(),
                   .offset = filled};
    filled += static_cast<std::size_t>(got);
  }
  return text;
}

}  // namespace lowbit::io
