// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <utility>
#include <vector>

#include "lowbit/core/result.hpp"
#include "lowbit/io/atomic_file.hpp"
#include "lowbit/io/posix.hpp"

namespace lowbit::io::detail {

/// Bytes set aside on disk, beside the file they will end up in, until its header is known. The spool has no name in
/// the folder, so it is gone with its descriptor, however the process ends. Internal.
class Spool {
 public:
  static Result<Spool> create(const std::filesystem::path& destination) {
    LOWBIT_TRY(temporary, create_temporary(destination));
    if (::unlink(temporary.path.c_str()) != 0) return os_error("unlink a temporary file for", destination, errno);
    return Spool(std::move(temporary.fd), destination);
  }

  std::uint64_t size() const noexcept { return size_; }

  /// After a failure every later append and copy fails as well: a file must not come out with a tensor less.
  Result<> append(std::span<const std::uint8_t> bytes) {
    LOWBIT_CHECK(check());
    if (const int code = write_all(fd_.get(), bytes, size_); code != 0) {
      failed_ = true;
      return os_error("write", destination_, code);
    }
    size_ += bytes.size();
    return {};
  }

  Result<> check() const {
    if (!failed_) return {};
    return Error{.code = Errc::io_error, .message = "an earlier write failed", .file = destination_.string()};
  }

  /// Copies [begin, begin + count) to the end of `out`.
  Result<> copy_to(AtomicFile& out, std::uint64_t begin, std::uint64_t count) const {
    std::vector<std::uint8_t> chunk(static_cast<std::size_t>(std::min<std::uint64_t>(count, 1u << 20)));
    while (count > 0) {
      const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(count, chunk.size()));
      const ssize_t got = ::pread(fd_.get(), chunk.data(), want, static_cast<off_t>(begin));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return os_error("read back a temporary file for", destination_, got < 0 ? errno : EIO);
      const auto read = static_cast<std::size_t>(got);
      LOWBIT_CHECK(out.write(std::span<const std::uint8_t>(chunk.data(), read)));
      begin += read;
      count -= read;
    }
    return {};
  }

 private:
  Spool(FileDescriptor fd, std::filesystem::path destination)
      : fd_(std::move(fd)), destination_(std::move(destination)) {}

  FileDescriptor fd_;
  std::filesystem::path destination_;
  std::uint64_t size_ = 0;
  bool failed_ = false;
};

}  // namespace lowbit::io::detail
