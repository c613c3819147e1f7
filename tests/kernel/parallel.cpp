// SPDX-License-Identifier: MIT
#include "lowbit/kernel/parallel.hpp"

#include <atomic>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/linalg/executor.hpp"
#include "support/layers.hpp"

namespace lowbit::test::parallel_tests {

/// A caller's own: the tasks from the last to the first.
struct Backwards {
  std::size_t count;
  std::size_t threads() const { return count; }
  template <class Task>
  void run(std::size_t tasks, Task&& task) {
    for (std::size_t i = tasks; i-- > 0;) task(i);
  }
};
static_assert(TaskExecutor<Executor> && TaskExecutor<SerialExecutor> && TaskExecutor<Backwards>);
static_assert(!TaskExecutor<int>);

/// Calls body(executor) with one of each kind and several numbers of threads.
template <class Body>
void for_each_executor(Body&& body) {
  SerialExecutor serial;
  body(serial);
  for (const std::size_t threads : {1, 2, 3, 7}) {
    INFO(threads << " threads");
    Executor pool(threads);
    body(pool);
    Backwards own{threads};
    body(own);
#if defined(_OPENMP)
    OpenMpExecutor openmp(threads);
    static_assert(TaskExecutor<OpenMpExecutor>);
    CHECK(openmp.threads() == threads);
    body(openmp);
#endif
  }
}

TEST_CASE("row_part: parts are neighbours, cut at whole units, and make up all rows", "[kernel][parallel]") {
  for (const std::size_t unit : {1, 16, 64})
    for (const std::size_t rows : {0, 1, 15, 16, 17, 63, 64, 65, 1000, 4096})
      for (const std::size_t parts : {1, 2, 3, 7, 64}) {
        INFO(rows << " rows by " << unit << " in " << parts);
        std::size_t at = 0, least = rows, most = 0;
        bool cut = true;
        for (std::size_t i = 0; i < parts; ++i) {
          const RowRange part = row_part(rows, unit, i, parts);
          cut = cut && part.begin == at && part.end >= at && (part.begin % unit == 0 || part.begin == rows);
          at = part.end;
          least = std::min(least, part.end - part.begin);
          most = std::max(most, part.end - part.begin);
        }
        CHECK(cut);
        CHECK(at == rows);
        CHECK(most - least <= unit + (unit - 1));  // the last unit may be short
      }
}

TEST_CASE("executors: each task runs once, and none where there is none", "[kernel][parallel]") {
  for_each_executor([](auto& executor) {
    for (const std::size_t count : {0, 1, 2, 50}) {
      std::vector<std::atomic<int>> ran(count);
      executor.run(count, [&](std::size_t i) { ++ran[i]; });
      CHECK(std::all_of(ran.begin(), ran.end(), [](const std::atomic<int>& n) { return n == 1; }));
    }
  });
#if !defined(_OPENMP)
  WARN("compiled without OpenMP: OpenMpExecutor is not there and was not run");
#endif
}

TEST_CASE("parallel products: the bits of one thread in every mode of compute", "[kernel][parallel]") {
  using Int = Uniform<Int4, UniformOptions{.group_size = 32, .zero_point = ZeroPoint::integer}>;
  using Signs = BinaryScaled<2>;
  for (const auto [rows, cols] : {Shape{1, 1}, Shape{17, 70}, Shape{131, 97}})
    for (const std::size_t tokens : {0, 1, 5, 33}) {
      INFO(rows << " x " << cols << ", " << tokens << " tokens");
      Rng rng(rows + tokens);
      std::vector<float> weights(rows * cols), x(cols * tokens);
      for (float& w : weights) w = static_cast<float>(rng.normal());
      for (float& v : x) v = static_cast<float>(rng.normal());
      const auto packed = quantize_nearest(Int{}, weights, rows, cols).value();
      const auto signs = quantize_nearest(Signs{}, weights, rows, cols).value();
      const auto w = packed.view();
      const auto panels = to_panels(w).value();
      const auto planes = to_panels<compute::add>(signs.view()).value();
      const std::size_t size = rows * tokens;

      std::vector<float> want(5 * size, -1.0f);
      const auto part = [&](std::vector<float>& y, std::size_t i) { return std::span<float>(y).subspan(i * size, size); };
      Int8Activations a(tokens, int8_shape(panels.view())), b(tokens, int8_shape(w));
      Bf16Activations c(tokens, cols);
      AddActivations<add_fields<Signs>> d(tokens, add_shape(planes.view()));
      quantize_activations(x, a.view());
      quantize_activations(x, b.view());
      round_activations(x, c.view());
      sum_activations(x, d.view());
      gemm(w, x, part(want, 0), tokens);
      gemm(panels.view(), a.view(), part(want, 1));
      gemm(w, b.view(), part(want, 2));
      gemm(w, c.view(), part(want, 3));
      gemm(planes.view(), d.view(), part(want, 4));

      for_each_executor([&](auto& executor) {
        std::vector<float> y(5 * size, -2.0f);
        Int8Activations pa(tokens, int8_shape(panels.view())), pb(tokens, int8_shape(w));
        Bf16Activations pc(tokens, cols);
        AddActivations<add_fields<Signs>> pd(tokens, add_shape(planes.view()));
        quantize_activations(executor, x, pa.view());
        quantize_activations(executor, x, pb.view());
        round_activations(executor, x, pc.view());
        sum_activations(executor, x, pd.view());
        const auto f32 = gemm(executor, w, x, part(y, 0), tokens);
        const auto int8 = gemm(executor, panels.view(), pa.view(), part(y, 1));
        gemm(executor, w, pb.view(), part(y, 2));
        gemm(executor, w, pc.view(), part(y, 3));
        gemm(executor, planes.view(), pd.view(), part(y, 4));
        CHECK(std::is_same_v<decltype(f32), const gemm_isa<isa::native, Int>>);
        CHECK(std::is_same_v<decltype(int8), const gemm_int8_isa<isa::native, Int>>);
        CHECK(y == want);
        if (tokens == 1) {
          std::vector<float> one(rows, -2.0f);
          gemv(executor, w, x, one);
          CHECK(std::equal(one.begin(), one.end(), want.begin()));
          gemv<isa::scalar>(executor, w, x, one);
          std::vector<float> scalar(rows);
          gemv<isa::scalar>(w, x, scalar);
          CHECK(one == scalar);
        }
      });
    }
}

}  // namespace lowbit::test::parallel_tests
