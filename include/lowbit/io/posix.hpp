// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "lowbit/core/result.hpp"

/// The thin layer over POSIX file descriptors that the files of this folder share. Internal.

namespace lowbit::io::detail {

/// "cannot <verb>: <strerror>", with the file named.
inline Error os_error(std::string_view verb, const std::filesystem::path& path, int code) {
  return {.code = Errc::io_error,
          .message = "cannot " + std::string(verb) + ": " + std::generic_category().message(code),
          .file = path.string()};
}

/// Owns one descriptor.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) noexcept : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~FileDescriptor() { reset(); }

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  /// Closes; false when the system reports that earlier writes were lost.
  bool reset() noexcept { return fd_ < 0 || ::close(std::exchange(fd_, -1)) == 0; }

 private:
  int fd_ = -1;
};

struct OpenFile {
  FileDescriptor fd;
  std::uint64_t size = 0;
};

/// Opens a regular file for reading. A directory, device or pipe is refused rather than waited for.
inline Result<OpenFile> open_regular(const std::filesystem::path& path) {
  int raw = -1;
  do raw = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  while (raw < 0 && errno == EINTR);
  if (raw < 0) {
    Error error = os_error("open", path, errno);
    if (errno == ENOENT) error.code = Errc::missing;
    return error;
  }
  OpenFile file{.fd = FileDescriptor(raw)};
  struct stat status {};
  if (::fstat(raw, &status) != 0) return os_error("examine", path, errno);
  if (S_ISDIR(status.st_mode)) return os_error("read", path, EISDIR);
  if (!S_ISREG(status.st_mode))
    return Error{.code = Errc::io_error, .message = "cannot read: not a regular file", .file = path.string()};
  file.size = static_cast<std::uint64_t>(status.st_size);
  return file;
}

/// Writes all bytes at `position` of the file; 0, or the errno of the failure.
inline int write_all(int fd, std::span<const std::uint8_t> bytes, std::uint64_t position) noexcept {
  while (!bytes.empty()) {
    constexpr std::size_t most = std::size_t{1} << 30;  // some systems refuse 2 GiB and more in one call
    const ssize_t written = ::pwrite(fd, bytes.data(), std::min(bytes.size(), most), static_cast<off_t>(position));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    if (written == 0) return ENOSPC;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    position += static_cast<std::uint64_t>(written);
  }
  return 0;
}

/// The folder that holds `path`.
inline std::filesystem::path parent_of(const std::filesystem::path& path) {
  const std::filesystem::path parent = path.parent_path();
  return parent.empty() ? std::filesystem::path(".") : parent;
}

struct TemporaryFile {
  FileDescriptor fd;
  std::filesystem::path path;
};

/// Creates a new, empty file in the folder of `destination`, so that a rename between the two stays in one file system.
inline Result<TemporaryFile> create_temporary(const std::filesystem::path& destination) {
  static std::atomic<std::uint32_t> counter{0};
  for (int attempt = 0; attempt < 1000; ++attempt) {
    char leaf[64];
    std::snprintf(leaf, sizeof leaf, ".lowbit-%lx-%x.tmp", static_cast<unsigned long>(::getpid()),
                  static_cast<unsigned>(counter.fetch_add(1)));
    TemporaryFile file{.fd = {}, .path = parent_of(destination) / leaf};
    const int raw = ::open(file.path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (raw >= 0) {
      file.fd = FileDescriptor(raw);
      return file;
    }
    if (errno != EEXIST && errno != EINTR) return os_error("create a temporary file for", destination, errno);
  }
  return os_error("create a temporary file for", destination, EEXIST);
}

}  // namespace lowbit::io::detail
