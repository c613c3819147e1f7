// SPDX-License-Identifier: MIT
#include "lowbit/linalg/hadamard.hpp"

#include "lowbit/linalg/rotations.hpp"
#include "support/layer.hpp"

namespace lowbit::bench {
namespace {

/// Operations of one row, additions and multiplications alike: what the constructions do, with a multiply-add counted as two.
double flops_per_row(Index n) {
  const double size = static_cast<double>(n);
  double power = 1.0;
  while (static_cast<Index>(size / power) % 2 == 0) power *= 2.0;
  const double odd = size / power;
  switch (linalg::Hadamard::plan(static_cast<std::size_t>(n))) {
    case linalg::HadamardPlan::sylvester: return size * std::log2(size);
    case linalg::HadamardPlan::stored: return size * (std::log2(power / 4.0) + 2.0 * 4.0 * odd);
    case linalg::HadamardPlan::haar: return size * (std::log2(power) + 2.0 * odd);
    case linalg::HadamardPlan::windows: break;
  }
  const double window = std::exp2(std::floor(std::log2(size)));
  return 2.0 * window * std::log2(window);
}

/// Rows that stay in cache (as many as 256 KiB hold), rotated in place again and again: an isometry, so they stay finite.
/// GBps counts each number read and written once; `share` is of the FMA peak, of which additions alone reach half.
void hadamard(benchmark::State& state, Index n) {
  const Index tokens = std::max<Index>(1, 65536 / n);
  const linalg::Hadamard R(n, 3);
  Rng rng(1);
  Matrix X(tokens, n);
  for (Index i = 0; i < X.size(); ++i) X.data()[i] = static_cast<float>(rng.normal());
  const MatrixD before = X.cast<double>();
  for (auto _ : state) {
    R.rotate(X);
    benchmark::ClobberMemory();
  }
  for (Index i = 0; i < X.size(); ++i) X.data()[i] = static_cast<float>(before.data()[i]);
  R.rotate(X);
  MatrixD exact = before;
  R.rotate(exact);
  using benchmark::Counter;
  const double rows = static_cast<double>(tokens), flops = flops_per_row(n) * rows;
  state.counters["GFLOPs"] = Counter(flops * 1e-9, Counter::kIsIterationInvariantRate);
  state.counters["share"] = Counter(flops * 1e-9 / machine().fma_gflops, Counter::kIsIterationInvariantRate);
  state.counters["GBps"] = Counter(8.0 * rows * static_cast<double>(n) * 1e-9, Counter::kIsIterationInvariantRate);
  state.counters["us_row"] = Counter(rows * 1e-6, Counter::kIsIterationInvariantRate | Counter::kInvert);
  state.counters["nmse"] = (X.cast<double>() - exact).squaredNorm() / exact.squaredNorm();
  state.SetLabel(R.construction());
}

const bool registered = [] {
  for (const Index n : {128, 576, 1536, 4096, 4093, 5120, 8192, 11008, 14336, 29568})
    benchmark::RegisterBenchmark(("hadamard/f32/" + std::string(isa::native::name) + "/" + std::to_string(n)).c_str(),
                                 [=](benchmark::State& state) { hadamard(state, n); });
  return true;
}();

}  // namespace
}  // namespace lowbit::bench
