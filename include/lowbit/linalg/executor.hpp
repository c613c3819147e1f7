// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace lowbit {

/// A small pool that runs independent tasks 0 … count − 1, each on some thread. Callers cut work into tasks whose number
/// and bounds do not depend on the number of threads, and tasks write to separate places; then results have the same bits
/// for any number of threads.
///
/// run() may be called from one thread at a time and not from inside a task. An exception thrown by a task reaches the
/// caller of run() after all threads have stopped.
class Executor {
 public:
  /// threads: how many run tasks, the caller of run() among them; 0 means as many as the machine has.
  explicit Executor(std::size_t threads = 1) {
    if (threads == 0) threads = std::thread::hardware_concurrency();
    for (std::size_t i = 1; i < threads; ++i) workers_.emplace_back([this] { serve(); });
  }
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;
  ~Executor() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  std::size_t threads() const noexcept { return workers_.size() + 1; }

  template <class Task>
  void run(std::size_t count, Task&& task) {
    run_erased(count, &task, [](void* f, std::size_t i) { (*static_cast<std::remove_reference_t<Task>*>(f))(i); });
  }

 private:
  void run_erased(std::size_t count, void* task, void (*call)(void*, std::size_t)) {
    if (workers_.empty() || count <= 1) {
      for (std::size_t i = 0; i < count; ++i) call(task, i);
      return;
    }
    Job job{count, task, call};
    {
      const std::lock_guard lock(mutex_);
      job_ = &job;
      ++generation_;
      busy_ = workers_.size();
    }
    wake_.notify_all();
    job.work();
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return busy_ == 0; });
    job_ = nullptr;
    if (job.failure) std::rethrow_exception(job.failure);
  }

  struct Job {
    std::size_t count;
    void* task;
    void (*call)(void*, std::size_t);
    std::atomic<std::size_t> next{0};
    std::mutex failure_mutex{};
    std::exception_ptr failure{};

    void work() noexcept {
      for (std::size_t i = next++; i < count; i = next++) {
        try {
          call(task, i);
        } catch (...) {
          const std::lock_guard lock(failure_mutex);
          if (!failure) failure = std::current_exception();
          next = count;
        }
      }
    }
  };

  void serve() {
    std::size_t seen = 0;
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] { return stopping_ || generation_ != seen; });
      if (stopping_) return;
      seen = generation_;
      Job* job = job_;
      lock.unlock();
      job->work();
      lock.lock();
      if (--busy_ == 0) done_.notify_one();
    }
  }

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  Job* job_ = nullptr;
  std::size_t generation_ = 0;
  std::size_t busy_ = 0;
  bool stopping_ = false;
};

}  // namespace lowbit
