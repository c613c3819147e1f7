// SPDX-License-Identifier: MIT
#pragma once

#include <sys/mman.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <utility>

#include "lowbit/core/result.hpp"
#include "lowbit/io/posix.hpp"

namespace lowbit::io {

/// A whole file mapped read-only. Move-only; the bytes keep their address when the object moves.
///
/// An empty file gives an empty span. The mapping is private and the file may be replaced by rename meanwhile; a file
/// that another process truncates while it is mapped makes reads past its new end raise SIGBUS: that is the caller's
/// hazard, as with every mapping.
/// Errors   missing (no such file), io_error (directory, device, pipe, no permission, mapping refused).
/// Cost     O(1); pages are read as they are touched.
class MappedFile {
 public:
  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~MappedFile() {
    if (data_ != nullptr) ::munmap(data_, size_);
  }

  static Result<MappedFile> open(const std::filesystem::path& path) {
    LOWBIT_TRY(file, detail::open_regular(path));
    MappedFile mapped;
    if (file.size == 0) return mapped;
    if (file.size > std::numeric_limits<std::size_t>::max()) return detail::os_error("map", path, EFBIG);
    const auto size = static_cast<std::size_t>(file.size);
    void* const data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd.get(), 0);
    if (data == MAP_FAILED) return detail::os_error("map", path, errno);
    mapped.data_ = data;
    mapped.size_ = size;
    return mapped;
  }

  std::span<const std::uint8_t> bytes() const noexcept { return {static_cast<const std::uint8_t*>(data_), size_}; }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace lowbit::io
