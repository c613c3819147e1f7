// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

/// Large buffers ask Linux for pages of 2 MiB: a stream of weights read once from memory meets no page walks then, and
/// prefetchers no page ends (one stream, Zen 4: 17 to 27 GB/s). Preset to 0 to leave pages alone.
#ifndef LOWBIT_HUGE_PAGES
#if defined(__linux__)
#define LOWBIT_HUGE_PAGES 1
#else
#define LOWBIT_HUGE_PAGES 0
#endif
#endif

#if LOWBIT_HUGE_PAGES
#include <sys/mman.h>
#endif

/// Owned, zero-filled storage for trivially copyable elements, aligned to 64 bytes (one cache line, the widest register) or,
/// where that large, to a huge page.

namespace lowbit {

template <class T>
  requires std::is_trivially_copyable_v<T>
class AlignedBuffer {
 public:
  static constexpr std::size_t alignment = 64;

  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t size) : size_(size) {
    if (size_ == 0) return;
    data_ = static_cast<T*>(::operator new(size_ * sizeof(T), aligned()));
#if LOWBIT_HUGE_PAGES && defined(MADV_HUGEPAGE)
    if (size_ * sizeof(T) >= huge_page) ::madvise(data_, size_ * sizeof(T) / huge_page * huge_page, MADV_HUGEPAGE);
#endif
    std::memset(static_cast<void*>(data_), 0, size_ * sizeof(T));
  }
  AlignedBuffer(const AlignedBuffer& other) : AlignedBuffer(other.size_) {
    if (size_ != 0) std::memcpy(static_cast<void*>(data_), other.data_, size_ * sizeof(T));
  }
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~AlignedBuffer() {
    if (data_ != nullptr) ::operator delete(static_cast<void*>(data_), aligned());
  }

  T* data() noexcept { return data_; }
  const T* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  T& operator[](std::size_t i) noexcept { return data_[i]; }
  const T& operator[](std::size_t i) const noexcept { return data_[i]; }
  T* begin() noexcept { return data_; }
  T* end() noexcept { return data_ + size_; }
  const T* begin() const noexcept { return data_; }
  const T* end() const noexcept { return data_ + size_; }
  operator std::span<T>() noexcept { return {data_, size_}; }              // NOLINT: a buffer is a span
  operator std::span<const T>() const noexcept { return {data_, size_}; }  // NOLINT

  friend bool operator==(const AlignedBuffer& a, const AlignedBuffer& b) noexcept {
    return a.size_ == b.size_ && (a.size_ == 0 || std::memcmp(a.data_, b.data_, a.size_ * sizeof(T)) == 0);
  }

 private:
  static constexpr std::size_t huge_page = std::size_t{2} << 20;
  std::align_val_t aligned() const noexcept {
    return std::align_val_t{LOWBIT_HUGE_PAGES && size_ * sizeof(T) >= huge_page ? huge_page : alignment};
  }

  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace lowbit
