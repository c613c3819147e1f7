// SPDX-License-Identifier: MIT
#include "lowbit/quantizer/pvq.hpp"

#include <benchmark/benchmark.h>

#include <bit>
#include <span>
#include <string>
#include <vector>

#include "lowbit/core/rng.hpp"

namespace lowbit::bench {
namespace {

template <class Q>
struct Row {
  static constexpr std::size_t D = Q::format_type::dim, cols = 4096, rows = 16;
  Q q{};
  typename Q::params_type p;
  std::vector<float> w = std::vector<float>(rows * cols), back = w;
  std::vector<typename Q::code_type> codes = std::vector<typename Q::code_type>(w.size() / D);

  Row() {
    Rng rng(1);
    for (float& v : w) v = static_cast<float>(0.02 * rng.normal());
    p = q.fit(w);
    encode_lanes();
  }
  std::span<const float, D> block(std::size_t b) const { return std::span<const float, D>(w.data() + b * D, D); }
  void encode_lanes() { q.quantize_group(w, p, std::span(codes)); }
  void encode_scalar() {
    for (std::size_t b = 0; b < codes.size(); ++b) codes[b] = q.quantize(block(b), p);
  }
  void decode() {
    for (std::size_t b = 0; b < codes.size(); ++b) q.dequantize(codes[b], p, std::span<float, D>(back.data() + b * D, D));
  }
  void report(benchmark::State& state) {
    decode();
    double error = 0.0, square = 0.0;
    for (std::size_t i = 0; i < w.size(); ++i) {
      const double x = static_cast<double>(w[i]), e = x - static_cast<double>(back[i]);
      error += e * e;
      square += x * x;
    }
    using benchmark::Counter;
    state.counters["Gw"] = Counter(static_cast<double>(w.size()) * 1e-9, Counter::kIsIterationInvariantRate);
    state.counters["code_bpw"] =
        static_cast<double>(std::bit_width(Q::format_type::cardinality - 1)) / static_cast<double>(D);
    state.counters["nmse"] = error / square;
  }
};

/// Rows: pvq_encode/<type>/<isa>/16x4096/cache and pvq_decode/…: the search, the enumeration and the lengths of N(0, 1)
/// weights under one scale, without packing. Gw: 10^9 weights a second.
template <class Q>
void rows() {
  const std::string name = Q::storage_name() + "/", shape = "/16x4096/cache";
  const auto add = [&](const std::string& what, void (Row<Q>::*run)()) {
    benchmark::RegisterBenchmark((what + shape).c_str(), [run](benchmark::State& state) {
      Row<Q> row;
      for (auto _ : state) {
        (row.*run)();
        benchmark::ClobberMemory();
      }
      row.report(state);
    })->Unit(benchmark::kMillisecond);
  };
  add("pvq_encode/" + name + "scalar", &Row<Q>::encode_scalar);
  add("pvq_encode/" + name + isa::native::name, &Row<Q>::encode_lanes);
  add("pvq_decode/" + name + "scalar", &Row<Q>::decode);
}

const bool registered = [] {
  rows<Pvq2>();
  rows<Pvq2_5>();
  rows<Pvq3>();
  rows<Pvq3_25>();
  rows<Pvq4>();
  return true;
}();

}  // namespace
}  // namespace lowbit::bench
