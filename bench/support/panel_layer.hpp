// SPDX-License-Identifier: MIT
#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "lowbit/core/rng.hpp"
#include "lowbit/kernel/parallel.hpp"
#include "lowbit/linalg/executor.hpp"
#include "lowbit/quantizer.hpp"
#include "support/layer.hpp"
#include "support/machine.hpp"

namespace lowbit::bench {

/// A seeded layer in panels: 64 distinct rows rounded to nearest, tiled over the matrix; as many copies as pass
/// `stored` bytes.
template <class Q>
class PanelLayer {
 public:
  PanelLayer(std::size_t rows, std::size_t cols, std::size_t tokens, std::size_t stored) : tokens_(tokens) {
    const std::size_t distinct = rows < 64 ? rows : 64;
    Rng rng(rows * 31 + cols);
    sample_.resize(distinct * cols);
    for (float& w : sample_) w = static_cast<float>(0.02 * rng.normal());
    const auto some = to_panels(quantize_nearest(Q{}, sample_, distinct, cols).value().view()).value();
    Panels<Q> full(rows, cols, some.view().quantizer,
                   std::vector<float>(some.view().shared.begin(), some.view().shared.end()));
    for (std::size_t at = 0; at < full.bytes().size(); at += some.bytes().size())
      std::copy_n(some.bytes().data(), std::min(some.bytes().size(), full.bytes().size() - at), full.bytes().data() + at);
    copies_.assign(std::max<std::size_t>(1, stored / full.bytes().size() + (stored != 0)), full);
    x_.resize(cols * tokens);
    for (float& v : x_) v = static_cast<float>(rng.normal());
    y_.resize(rows * tokens);
    activations_ = Int8Activations(tokens, int8_shape(full.view()));
  }

  /// One product with the next copy, activations quantized inside, panels cut among the threads.
  template <class Isa>
  void multiply(Executor& executor) {
    next_ = next_ + 1 == copies_.size() ? 0 : next_ + 1;
    const PanelView<Q> w = copies_[next_].view();
    const Int8View x = activations_.view();
    if (executor.threads() == 1) {
      quantize_activations<Isa>(x_, x);
      gemm<Isa>(w, x, y_);
    } else {
      quantize_activations<Isa>(executor, x_, x);
      gemm<Isa>(executor, w, x, y_);
    }
  }
  void product() { gemm(copies_[0].view(), activations_.view(), y_); }
  void acts() { quantize_activations(x_, activations_.view()); }
  std::size_t rows() const { return copies_[0].rows(); }
  std::size_t cols() const { return copies_[0].cols(); }
  double stored_bytes() const { return static_cast<double>(copies_[0].bytes().size()); }
  double bits_per_weight() const { return copies_[0].bits_per_weight(); }
  double nmse() const {
    double error = 0, power = 0;
    for (std::size_t r = 0; r * cols() < sample_.size(); ++r) {
      double want = 0;
      for (std::size_t c = 0; c < cols(); ++c)
        want += static_cast<double>(sample_[r * cols() + c]) * static_cast<double>(x_[c]);
      error += (want - static_cast<double>(y_[r])) * (want - static_cast<double>(y_[r]));
      power += want * want;
    }
    return error / power;
  }

 private:
  std::vector<float> sample_;
  std::vector<Panels<Q>> copies_;
  std::vector<float> x_, y_;
  Int8Activations activations_;
  std::size_t next_ = 0, tokens_;
};

/// The layer of the row that runs: built once, though a row's function is called several times; one at a time.
inline std::pair<std::string, std::shared_ptr<void>> current_layer;
template <class Layer, class... Arguments>
Layer& layer_of(const std::string& label, Arguments... arguments) {
  if (current_layer.first != label) {
    current_layer = {};
    current_layer = {label, std::make_shared<Layer>(arguments...)};
  }
  return *static_cast<Layer*>(current_layer.second.get());
}

/// gemv and gemm of Q in compute::int8. From DRAM up to 16 tokens; one copy, hence from the last cache, for more.
template <class Q, class Isa>
void panel_row(const std::string& name, std::size_t rows, std::size_t cols, std::size_t tokens, unsigned threads,
               Residence residence) {
  using Ran = gemm_int8_isa<Isa, Q>;
  const std::string row = label(tokens == 1 ? "gemv_int8" : "gemm_int8", name, Ran::name, rows, cols, tokens, residence) +
                          (threads > 1 ? "/threads" + std::to_string(threads) : "");
  benchmark::RegisterBenchmark(row.c_str(), [=](benchmark::State& state) {
    auto& layer = layer_of<PanelLayer<Q>>(row, rows, cols, tokens, residence == Residence::dram ? dram_bytes : 0);
    Executor executor(threads);
    const auto yardstick = [&] { return tokens == 1 ? read_rate(threads) : int8_rate(threads); };
    layer.template multiply<Isa>(executor);
    double measure = yardstick();
    for (auto _ : state) {
      layer.template multiply<Isa>(executor);
      benchmark::ClobberMemory();
    }
    measure = 0.5 * (measure + yardstick());
    using benchmark::Counter;
    const double flops = 2e-9 * static_cast<double>(rows * cols * tokens), bytes = 1e-9 * layer.stored_bytes();
    const auto per_second = [](double amount) { return Counter(amount, Counter::kIsIterationInvariantRate); };
    state.counters["GBps"] = per_second(bytes);
    state.counters["GFLOPs"] = per_second(flops);
    state.counters["bpw"] = layer.bits_per_weight();
    state.counters["nmse"] = layer.nmse();
    state.counters["share"] = per_second((tokens == 1 ? bytes : flops) / measure);
  })->Unit(benchmark::kMicrosecond)->UseRealTime();
}

template <class Q, class Isa = isa::native>
void panel_rows(const std::string& name) {
  for (const unsigned threads : {1u, 2u}) {
    panel_row<Q, Isa>(name, 4096, 4096, 1, threads, Residence::dram);
    panel_row<Q, Isa>(name, 4096, 4096, 8, threads, Residence::dram);
    panel_row<Q, Isa>(name, 4096, 4096, 512, threads, Residence::cache);
  }
  panel_row<Q, Isa>(name, 1024, 4096, 1, 1, Residence::cache);
  for (const std::size_t tokens : {2, 4, 16}) panel_row<Q, Isa>(name, 4096, 4096, tokens, 1, Residence::dram);
  for (const std::size_t tokens : {32, 128}) panel_row<Q, Isa>(name, 4096, 4096, tokens, 1, Residence::cache);
}

}  // namespace lowbit::bench
