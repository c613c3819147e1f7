// SPDX-License-Identifier: MIT
#include "lowbit/calib/moments.hpp"

#include "support/layer.hpp"

namespace lowbit::bench {
namespace {

void moments(benchmark::State& state, bool fp64, Index in) {
  constexpr Index tokens = 1024;
  Rng rng(1);
  Matrix X(tokens, in);
  for (Index i = 0; i < X.size(); ++i) X.data()[i] = static_cast<float>(rng.normal());
  Executor alone;
  calib::Moments H(in, {.fp64_products = fp64});
  for (auto _ : state) H.add(X, alone).value();
  const MatrixD exact = X.cast<double>().transpose() * X.cast<double>() / static_cast<double>(tokens);
  using benchmark::Counter;
  const double flops = static_cast<double>(tokens) * static_cast<double>(in) * static_cast<double>(in + 1);
  state.counters["GFLOPs"] = Counter(flops * 1e-9, Counter::kIsIterationInvariantRate);
  state.counters["share"] = Counter(flops * 1e-9 / machine().fma_gflops, Counter::kIsIterationInvariantRate);
  state.counters["nmse"] = (H.mean() - exact).squaredNorm() / exact.squaredNorm();
}

/// 1024 tokens, one thread; flops of the lower triangle.
const bool registered = [] {
  for (const Index in : {576, 1536})
    for (const bool fp64 : {false, true})
      benchmark::RegisterBenchmark(label("moments", fp64 ? "f64" : "f32", "eigen", static_cast<std::size_t>(in),
                                         static_cast<std::size_t>(in), 1024)
                                       .c_str(),
                                   [=](benchmark::State& state) { moments(state, fp64, in); })
          ->Unit(benchmark::kMillisecond);
  return true;
}();

}  // namespace
}  // namespace lowbit::bench
