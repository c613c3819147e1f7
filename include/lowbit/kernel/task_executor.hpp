// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>

#include "lowbit/core/checked.hpp"
#include "lowbit/core/isa.hpp"
#include "lowbit/kernel/row_range.hpp"

#if defined(_OPENMP)
#include <omp.h>
#endif

namespace lowbit {

/// What runs the pieces of a product: run(count, task) calls task(0) … task(count − 1), each once and on any thread, and
/// returns when all are done. lowbit::Executor (linalg/executor.hpp, a pool of threads) and OpenMpExecutor are two; so is
/// the pool of a program that uses the kernels. Tasks do not throw.
template <class E>
concept TaskExecutor = requires(E& executor, std::size_t count, void (*task)(std::size_t)) {
  { executor.threads() } -> std::convertible_to<std::size_t>;
  executor.run(count, task);
};

/// All tasks on the thread that asks.
struct SerialExecutor {
  static constexpr std::size_t threads() noexcept { return 1; }
  template <class Task>
  void run(std::size_t count, Task&& task) const {
    for (std::size_t i = 0; i < count; ++i) task(i);
  }
};

#if defined(_OPENMP)
/// The threads of OpenMP, where the program is compiled with it.
class OpenMpExecutor {
 public:
  /// threads: 0 means as many as OpenMP would take.
  explicit OpenMpExecutor(std::size_t threads = 0)
      : threads_(threads != 0 ? threads : static_cast<std::size_t>(std::max(1, omp_get_max_threads()))) {}
  std::size_t threads() const noexcept { return threads_; }
  template <class Task>
  void run(std::size_t count, Task&& task) const {
#pragma omp parallel for num_threads(static_cast<int>(threads_)) schedule(dynamic, 1)
    for (std::size_t i = 0; i < count; ++i) task(i);
  }

 private:
  std::size_t threads_;
};
#endif

inline namespace LOWBIT_ISA_NAMESPACE {

/// Part i of `parts` of a matrix: neighbouring rows, cut at multiples of `unit`, so that each part of the packed rows is one
/// stream; parts differ by one unit at most, and those past the last unit are empty.
constexpr RowRange row_part(std::size_t rows, std::size_t unit, std::size_t i, std::size_t parts) noexcept {
  const std::size_t units = ceil_div(rows, unit), each = units / parts, more = units % parts;
  const auto begin = [&](std::size_t part) { return std::min(rows, (part * each + std::min(part, more)) * unit); };
  return {begin(i), begin(i + 1)};
}

/// Calls task(rows) for parts that make up all rows, cut at multiples of `unit`. Few tokens are bounded by memory: one long
/// stream to a thread. Many are bounded by arithmetic: four parts to a thread, so that a slow one does not hold up the others.
template <TaskExecutor E, class Task>
void for_each_row_part(E& executor, std::size_t rows, std::size_t unit, std::size_t tokens, Task&& task) {
  const std::size_t threads = std::max<std::size_t>(1, executor.threads());
  const std::size_t wanted = threads == 1 || tokens < 16 ? threads : 4 * threads;
  const std::size_t parts = std::min(std::max<std::size_t>(1, ceil_div(rows, unit)), wanted);
  executor.run(parts, [&](std::size_t i) { task(row_part(rows, unit, i, parts)); });
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit
