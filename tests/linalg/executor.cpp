// SPDX-License-Identifier: MIT
#include "lowbit/linalg/executor.hpp"

#include <cmath>
#include <numeric>
#include <stdexcept>

#include "catch.hpp"

namespace lowbit::test::executor_tests {

TEST_CASE("Executor: every task runs once, with the same result for 1 to 4 threads", "[linalg][executor]") {
  std::vector<double> want;
  for (std::size_t threads = 1; threads <= 4; ++threads) {
    Executor executor(threads);
    CHECK(executor.threads() == threads);
    for (int repeat = 0; repeat < 20; ++repeat)
      for (const std::size_t count : {0, 1, 3, 1000}) {
        std::vector<int> runs(count);
        std::vector<double> out(count);
        executor.run(count, [&](std::size_t i) {
          ++runs[i];
          out[i] = std::sin(static_cast<double>(i));
        });
        CHECK(runs == std::vector<int>(count, 1));
        if (count == 1000 && want.empty()) want = out;
        if (count == 1000) CHECK(out == want);
      }
  }
}

TEST_CASE("Executor: an exception of a task reaches the caller, and the pool goes on", "[linalg][executor]") {
  for (std::size_t threads = 1; threads <= 4; ++threads) {
    Executor executor(threads);
    for (int repeat = 0; repeat < 20; ++repeat) {
      CHECK_THROWS_AS(executor.run(50,
                                   [](std::size_t i) {
                                     if (i == 17) throw std::runtime_error("task 17");
                                   }),
                      std::runtime_error);
      std::vector<int> runs(50);
      executor.run(50, [&](std::size_t i) { ++runs[i]; });
      CHECK(std::accumulate(runs.begin(), runs.end(), 0) == 50);
    }
  }
}

TEST_CASE("Executor: 0 threads means those of the machine", "[linalg][executor]") {
  CHECK(Executor(0).threads() >= 1);
}

}  // namespace lowbit::test::executor_tests
