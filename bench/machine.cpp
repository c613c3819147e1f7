// SPDX-License-Identifier: MIT
// The yardsticks: what the memory and the arithmetic units give, in the same program as the rows that are measured by them.
#include "support/machine.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <vector>

#include "lowbit/core/buffer.hpp"
#include "lowbit/core/isa.hpp"

namespace {

#if LOWBIT_HAS_AVX512
constexpr int lanes = 16;
#elif LOWBIT_HAS_AVX2
constexpr int lanes = 8;
#else
constexpr int lanes = 4;
#endif
typedef float Floats __attribute__((vector_size(lanes * 4)));
typedef std::uint64_t Words __attribute__((vector_size(lanes * 4)));

constexpr std::size_t stream_bytes = std::size_t{512} << 20;

/// Processor time, like the rates of the rows: other programs on the machine disturb it less.
double seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

/// Reads every byte once; the four sums are for the loads' sake.
std::uint64_t read_all(const std::uint8_t* p, std::size_t bytes) {
  Words sum[4] = {};
  for (std::size_t i = 0; i + sizeof sum <= bytes; i += sizeof sum) {
    __builtin_prefetch(p + i + 4096);
    Words in[4];
    std::memcpy(in, p + i, sizeof in);
    sum[0] ^= in[0];
    sum[1] ^= in[1];
    sum[2] ^= in[2];
    sum[3] ^= in[3];
  }
  sum[0] ^= sum[1] ^ sum[2] ^ sum[3];
  return sum[0][0] ^ sum[0][1];
}

constexpr int chains = 12, steps = 1 << 20;

/// chains · steps independent multiply-adds.
float multiply_add(float factor, float addend) {
  Floats a0 = {}, a1 = {}, a2 = {}, a3 = {}, a4 = {}, a5 = {}, a6 = {}, a7 = {}, a8 = {}, a9 = {}, a10 = {}, a11 = {};
  const Floats f = a0 + factor, d = a0 + addend;
  for (int i = 0; i < steps; ++i) {
    a0 = a0 * f + d, a1 = a1 * f + d, a2 = a2 * f + d, a3 = a3 * f + d, a4 = a4 * f + d, a5 = a5 * f + d;
    a6 = a6 * f + d, a7 = a7 * f + d, a8 = a8 * f + d, a9 = a9 * f + d, a10 = a10 * f + d, a11 = a11 * f + d;
  // The values must differ in the compiler's eyes, or twelve equal chains become one.
#define LOWBIT_BENCH_KEEP(v) __asm__ volatile("" : "+x"(v))
#if defined(__x86_64__) && LOWBIT_HAS_AVX512
#undef LOWBIT_BENCH_KEEP
#define LOWBIT_BENCH_KEEP(v) __asm__ volatile("" : "+v"(v))
#elif !defined(__x86_64__)
#undef LOWBIT_BENCH_KEEP
#define LOWBIT_BENCH_KEEP(v) __asm__ volatile("" : "+w"(v))
#endif
    LOWBIT_BENCH_KEEP(a0);
    LOWBIT_BENCH_KEEP(a1);
    LOWBIT_BENCH_KEEP(a2);
    LOWBIT_BENCH_KEEP(a3);
    LOWBIT_BENCH_KEEP(a4);
    LOWBIT_BENCH_KEEP(a5);
    LOWBIT_BENCH_KEEP(a6);
    LOWBIT_BENCH_KEEP(a7);
    LOWBIT_BENCH_KEEP(a8);
    LOWBIT_BENCH_KEEP(a9);
    LOWBIT_BENCH_KEEP(a10);
    LOWBIT_BENCH_KEEP(a11);
  }
  const Floats sum = a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11;
  return sum[0];
}

constexpr double fma_flops = 2.0 * chains * steps * lanes;

const lowbit::AlignedBuffer<std::uint8_t>& stream_buffer() {
  static const lowbit::AlignedBuffer<std::uint8_t> buffer = [] {
    lowbit::AlignedBuffer<std::uint8_t> b(stream_bytes);
    std::memset(b.data(), 1, b.size());
    return b;
  }();
  return buffer;
}

lowbit::bench::Machine measure() {
  std::vector<double> read, fma;
  const auto& buffer = stream_buffer();
  for (int i = 0; i < 5; ++i) {
    double start = seconds();
    benchmark::DoNotOptimize(read_all(buffer.data(), buffer.size()));
    read.push_back(static_cast<double>(stream_bytes) / (seconds() - start) * 1e-9);
    start = seconds();
    benchmark::DoNotOptimize(multiply_add(0.999f, 0.001f));
    fma.push_back(fma_flops / (seconds() - start) * 1e-9);
  }
  std::nth_element(read.begin(), read.begin() + 2, read.end());
  return {read[2], *std::max_element(fma.begin(), fma.end())};
}

void read_stream(benchmark::State& state) {
  const auto& buffer = stream_buffer();
  for (auto _ : state) benchmark::DoNotOptimize(read_all(buffer.data(), buffer.size()));
  using benchmark::Counter;
  const double bytes = static_cast<double>(stream_bytes) * 1e-9;
  state.counters["GBps"] = Counter(bytes, Counter::kIsIterationInvariantRate);
  state.counters["share"] = Counter(bytes / lowbit::bench::machine().read_gbps, Counter::kIsIterationInvariantRate);
}
BENCHMARK(read_stream)->Name("read/stream")->Unit(benchmark::kMillisecond);

void peak_fma(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(multiply_add(0.999f, 0.001f));
  using benchmark::Counter;
  const double flops = fma_flops * 1e-9;
  state.counters["GFLOPs"] = Counter(flops, Counter::kIsIterationInvariantRate);
  state.counters["share"] = Counter(flops / lowbit::bench::machine().fma_gflops, Counter::kIsIterationInvariantRate);
}
BENCHMARK(peak_fma)->Name("peak/fma")->Unit(benchmark::kMillisecond);

}  // namespace

const lowbit::bench::Machine& lowbit::bench::machine() {
  static const Machine measured = measure();
  return measured;
}
