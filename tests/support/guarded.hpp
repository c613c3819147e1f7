// SPDX-License-Identifier: MIT
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <new>
#include <span>

namespace lowbit::test {

/// A copy of some data between two pages that may not be touched: flush against the one behind it, or the one before it.
template <class T>
class Guarded {
 public:
  enum class Edge { end, begin };

  Guarded(std::span<const T> data, Edge edge) : size_(data.size()) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t bytes = data.size_bytes(), body = (bytes + page - 1) / page * page;
    length_ = body + 2 * page;
    void* base = mmap(nullptr, length_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) throw std::bad_alloc();
    base_ = static_cast<char*>(base);
    if (body != 0 && mprotect(base_ + page, body, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
    at_ = reinterpret_cast<T*>(base_ + page + (edge == Edge::end ? body - bytes : 0));
    if (bytes != 0) std::memcpy(at_, data.data(), bytes);
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() { munmap(base_, length_); }

  std::span<T> span() const { return {at_, size_}; }

 private:
  char* base_ = nullptr;
  T* at_ = nullptr;
  std::size_t size_, length_ = 0;
};

}  // namespace lowbit::test
