// SPDX-License-Identifier: MIT
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lowbit/core/rng.hpp"
#include "lowbit/kernel.hpp"
#include "lowbit/quantizer.hpp"
#include "support/machine.hpp"

namespace lowbit::bench {

/// Where the weights lie when the clock starts. `dram`: enough copies that none is in a cache when its turn comes again.
/// `cache`: one copy, used again and again; labels carry it.
enum class Residence { dram, cache };

inline constexpr std::size_t dram_bytes = std::size_t{288} << 20;

/// A seeded layer: Gaussian weights with sigma 0.02 rounded to nearest. 64 distinct rows are tiled over the matrix, since
/// only speed is at stake in the others.
template <class Q>
class Layer {
 public:
  Layer(std::size_t rows, std::size_t cols, std::size_t tokens, Residence residence) : tokens_(tokens) {
    const std::size_t distinct = rows < 64 ? rows : 64;
    Rng rng(rows * 31 + cols);
    sample_.resize(distinct * cols);
    for (float& w : sample_) w = static_cast<float>(0.02 * rng.normal());
    const auto packed = quantize_nearest(Q{}, sample_, distinct, cols).value();
    QuantizedMatrix<Q> full(rows, cols, packed.quantizer());
    const auto tile = [](const auto& from, const auto& to) {
      for (std::size_t at = 0; at < to.size(); at += from.size())
        std::copy_n(from.begin(), std::min(from.size(), to.size() - at), to.begin() + static_cast<std::ptrdiff_t>(at));
    };
    tile(packed.codes(), full.codes());
    tile(packed.params(), full.params());
    tile(packed.zeros(), full.zeros());
    tile(packed.shared(), full.shared());
    const std::size_t copies = residence == Residence::dram ? dram_bytes / full.stored_bytes() + 1 : 1;
    copies_.assign(copies, full);
    x_.resize(cols * tokens);
    for (float& v : x_) v = static_cast<float>(rng.normal());
    y_.resize(rows * tokens);
  }

  PackedView<Q> weights() {
    next_ = next_ + 1 == copies_.size() ? 0 : next_ + 1;
    return copies_[next_].view();
  }
  std::span<const float> x() const { return x_; }
  std::span<float> y() { return y_; }
  std::size_t rows() const { return copies_[0].rows(); }
  std::size_t cols() const { return copies_[0].cols(); }
  std::size_t tokens() const { return tokens_; }
  double stored_bytes() const { return static_cast<double>(copies_[0].stored_bytes()); }
  double bits_per_weight() const { return copies_[0].bits_per_weight(); }

  /// Σ(y − Wx)² / Σ(Wx)² over the distinct rows and the first token, W unquantized: what the format costs.
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
  std::vector<QuantizedMatrix<Q>> copies_;
  std::vector<float> x_, y_;
  std::size_t next_ = 0, tokens_;
};

/// Speed and error travel together. `share`: of the DRAM read rate (gemv) or of the FMA peak (gemm) of this machine.
template <class Q>
void report(benchmark::State& state, const Layer<Q>& layer) {
  using benchmark::Counter;
  const double flops = 2.0 * static_cast<double>(layer.rows() * layer.cols() * layer.tokens());
  const auto per_second = [](double amount) {
    return Counter(amount * 1e-9, Counter::kIsIterationInvariantRate);
  };
  state.counters["GBps"] = per_second(layer.stored_bytes());
  state.counters["GFLOPs"] = per_second(flops);
  state.counters["bpw"] = layer.bits_per_weight();
  state.counters["nmse"] = layer.nmse();
  state.counters["share"] = layer.tokens() == 1 ? per_second(layer.stored_bytes() / machine().read_gbps)
                                                : per_second(flops / machine().fma_gflops);
}

template <class Q>
std::string quantizer_name() {
  return Q::storage_name() + "_g" + std::to_string(Q{}.group_size);
}

/// op/quantizer/isa/rows x cols, with the tokens and the residence where they are not one and DRAM.
inline std::string label(const std::string& op, const std::string& quantizer, const char* isa, std::size_t rows,
                         std::size_t cols, std::size_t tokens = 1, Residence residence = Residence::dram) {
  return op + "/" + quantizer + "/" + isa + "/" + std::to_string(rows) + "x" + std::to_string(cols) +
         (tokens != 1 ? "/tokens" + std::to_string(tokens) : "") + (residence == Residence::cache ? "/cache" : "");
}

using W4 = Uniform<Int4>;
using W4Asym32 = Uniform<Int4, UniformOptions{.group_size = 32, .zero_point = ZeroPoint::integer}>;
using W3 = Uniform<Int3>;
using W8 = Uniform<Int8>;

/// Calls with each instruction set of the build that has kernels of its own for Q.
template <class Q, class Body>
void for_each_isa(Body&& body) {
  body(isa::scalar{});
#if LOWBIT_HAS_AVX2
  if constexpr (std::is_same_v<gemv_isa<isa::avx2, Q>, isa::avx2>) body(isa::avx2{});
#endif
#if LOWBIT_HAS_AVX512
  if constexpr (std::is_same_v<gemv_isa<isa::avx512, Q>, isa::avx512>) body(isa::avx512{});
#endif
}

}  // namespace lowbit::bench
