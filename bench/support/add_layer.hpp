// SPDX-License-Identifier: MIT
#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>
#include <string>
#include <vector>

#include "lowbit/core/rng.hpp"
#include "lowbit/kernel/parallel.hpp"
#include "lowbit/linalg/executor.hpp"
#include "lowbit/quantizer.hpp"
#include "support/layer.hpp"
#include "support/machine.hpp"
#include "support/panel_layer.hpp"

namespace lowbit::bench {

/// A seeded layer in panels of compute::add: 64 distinct rows rounded to nearest, tiled over the matrix; as many copies as
/// pass `stored` bytes.
template <class Q>
class AddLayer {
 public:
  AddLayer(std::size_t rows, std::size_t cols, std::size_t tokens, std::size_t stored) : tokens_(tokens) {
    Rng rng(rows * 31 + cols);
    sample_.resize(64 * cols);
    for (float& w : sample_) w = static_cast<float>(0.02 * rng.normal());
    const auto some = to_panels<compute::add>(quantize_nearest(Q{}, sample_, 64, cols).value().view()).value();
    AddPanels<Q> full(rows, cols, some.view().quantizer);
    for (std::size_t at = 0; at < full.bytes().size(); at += some.bytes().size())
      std::copy_n(some.bytes().data(), some.bytes().size(), full.bytes().data() + at);
    copies_.assign(std::max<std::size_t>(1, stored / full.bytes().size() + (stored != 0)), full);
    x_.resize(cols * tokens);
    for (float& v : x_) v = static_cast<float>(rng.normal());
    y_.resize(rows * tokens);
    sums_ = AddActivations<add_fields<Q>>(tokens, add_shape(full.view()));
  }

  /// One product with the next copy, the tables of sums made inside, panels cut among the threads.
  template <class Isa>
  void multiply(Executor& executor) {
    next_ = next_ + 1 == copies_.size() ? 0 : next_ + 1;
    const AddPanelView<Q> w = copies_[next_].view();
    const auto x = sums_.view();
    if (executor.threads() == 1) {
      sum_activations(x_, x);
      gemm<Isa>(w, x, y_);
    } else {
      sum_activations(executor, x_, x);
      gemm<Isa>(executor, w, x, y_);
    }
  }
  double stored_bytes() const { return static_cast<double>(copies_[0].bytes().size()); }
  double bits_per_weight() const { return copies_[0].bits_per_weight(); }
  double nmse() const {
    double error = 0, power = 0;
    const std::size_t cols = copies_[0].cols();
    for (std::size_t r = 0; r < 64; ++r) {
      double want = 0;
      for (std::size_t c = 0; c < cols; ++c) want += static_cast<double>(sample_[r * cols + c]) * static_cast<double>(x_[c]);
      error += (want - static_cast<double>(y_[r])) * (want - static_cast<double>(y_[r]));
      power += want * want;
    }
    return error / power;
  }

 private:
  std::vector<float> sample_;
  std::vector<AddPanels<Q>> copies_;
  std::vector<float> x_, y_;
  AddActivations<add_fields<Q>> sums_;
  std::size_t next_ = 0, tokens_;
};

/// gemv and gemm of Q in compute::add; share is that of the read rate, for any number of tokens.
template <class Q, class Isa>
void add_row(const std::string& name, std::size_t rows, std::size_t cols, std::size_t tokens, unsigned threads,
             Residence residence) {
  using Ran = gemm_add_isa<Isa, Q>;
  const std::string row = label(tokens == 1 ? "gemv_add" : "gemm_add", name, Ran::name, rows, cols, tokens, residence) +
                          (threads > 1 ? "/threads" + std::to_string(threads) : "");
  benchmark::RegisterBenchmark(row.c_str(), [=](benchmark::State& state) {
    auto& layer = layer_of<AddLayer<Q>>(row, rows, cols, tokens, residence == Residence::dram ? dram_bytes : 0);
    Executor executor(threads);
    layer.template multiply<Isa>(executor);
    double measure = read_rate(threads);
    for (auto _ : state) {
      layer.template multiply<Isa>(executor);
      benchmark::ClobberMemory();
    }
    measure = 0.5 * (measure + read_rate(threads));
    using benchmark::Counter;
    const auto per_second = [](double amount) { return Counter(amount, Counter::kIsIterationInvariantRate); };
    const double bytes = 1e-9 * layer.stored_bytes();
    state.counters["GBps"] = per_second(bytes);
    state.counters["GFLOPs"] = per_second(2e-9 * static_cast<double>(rows * cols * tokens));
    state.counters["bpw"] = layer.bits_per_weight();
    state.counters["nmse"] = layer.nmse();
    state.counters["share"] = per_second(bytes / measure);
  })->Unit(benchmark::kMicrosecond)->UseRealTime();
}

}  // namespace lowbit::bench
