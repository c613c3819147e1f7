// SPDX-License-Identifier: MIT
// The yardsticks: what the memory and the arithmetic units give, in the same program as the rows that are measured by them.
#include "support/machine.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

#include "lowbit/core/buffer.hpp"
#include "lowbit/core/isa.hpp"

#if LOWBIT_HAS_AVX2
#include <immintrin.h>
#endif

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

typedef Words UnalignedWords __attribute__((aligned(1), may_alias));

/// Reads every byte once, in four streams: what this memory gives most with.
std::uint64_t read_all(const std::uint8_t* p, std::size_t bytes) {
  const std::size_t part = bytes / 4;
  Words a = {}, b = {}, c = {}, d = {};
  for (std::size_t i = 0; i + 4 * sizeof a <= part; i += 4 * sizeof a) {
    for (std::size_t k = 0; k < 4 * sizeof a; k += sizeof a) {
      a ^= *reinterpret_cast<const UnalignedWords*>(p + i + k);
      b ^= *reinterpret_cast<const UnalignedWords*>(p + part + i + k);
      c ^= *reinterpret_cast<const UnalignedWords*>(p + 2 * part + i + k);
      d ^= *reinterpret_cast<const UnalignedWords*>(p + 3 * part + i + k);
    }
  }
  a ^= b ^ c ^ d;
  return a[0] ^ a[1];
}

// The values must differ in the compiler's eyes, or twelve equal chains become one.
#if defined(__x86_64__) && LOWBIT_HAS_AVX512
#define LOWBIT_BENCH_KEEP(v) __asm__ volatile("" : "+v"(v))
#elif defined(__x86_64__)
#define LOWBIT_BENCH_KEEP(v) __asm__ volatile("" : "+x"(v))
#else
#define LOWBIT_BENCH_KEEP(v) __asm__ volatile("" : "+w"(v))
#endif
#define LOWBIT_BENCH_EACH(f) \
  f(a0); f(a1); f(a2); f(a3); f(a4); f(a5); f(a6); f(a7); f(a8); f(a9); f(a10); f(a11);

constexpr int chains = 12, steps = 1 << 20;

/// chains · steps independent multiply-adds.
float multiply_add(float factor, float addend) {
  Floats a0 = {}, a1 = {}, a2 = {}, a3 = {}, a4 = {}, a5 = {}, a6 = {}, a7 = {}, a8 = {}, a9 = {}, a10 = {}, a11 = {};
  const Floats f = a0 + factor, d = a0 + addend;
#define LOWBIT_BENCH_FMA(a) a = a * f + d
  for (int i = 0; i < steps; ++i) {
    LOWBIT_BENCH_EACH(LOWBIT_BENCH_FMA)
    LOWBIT_BENCH_EACH(LOWBIT_BENCH_KEEP)
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

#if LOWBIT_HAS_AVX2
#if LOWBIT_HAS_AVX512
using Ints = __m512i;
#else
using Ints = __m256i;
#endif

/// chains · steps independent sums of byte products.
int multiply_bytes(char weight, char activation) {
  Ints a0 = {}, a1 = {}, a2 = {}, a3 = {}, a4 = {}, a5 = {}, a6 = {}, a7 = {}, a8 = {}, a9 = {}, a10 = {}, a11 = {};
#if LOWBIT_HAS_AVX512
  const Ints w = _mm512_set1_epi8(weight), x = _mm512_set1_epi8(activation);
#else
  const Ints w = _mm256_set1_epi8(weight), x = _mm256_set1_epi8(activation);
#endif
#if LOWBIT_HAS_AVX512_VNNI
#define LOWBIT_BENCH_DOT(a) a = _mm512_dpbusd_epi32(a, w, x)
#elif LOWBIT_HAS_AVX512
#define LOWBIT_BENCH_DOT(a) \
  a = _mm512_add_epi32(a, _mm512_madd_epi16(_mm512_maddubs_epi16(w, x), _mm512_set1_epi16(1)))
#else
#define LOWBIT_BENCH_DOT(a) \
  a = _mm256_add_epi32(a, _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), _mm256_set1_epi16(1)))
#endif
  for (int i = 0; i < steps; ++i) {
    LOWBIT_BENCH_EACH(LOWBIT_BENCH_DOT)
    LOWBIT_BENCH_EACH(LOWBIT_BENCH_KEEP)
  }
  const Ints sum = a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11;
  int first;
  std::memcpy(&first, &sum, sizeof first);
  return first;
}
constexpr double byte_products = 2.0 * chains * steps * sizeof(Ints);
#endif

#if LOWBIT_HAS_AVX512_BF16
float multiply_bf16(float weight, float activation) {
  __m512 a0 = {}, a1 = {}, a2 = {}, a3 = {}, a4 = {}, a5 = {}, a6 = {}, a7 = {}, a8 = {}, a9 = {}, a10 = {}, a11 = {};
  const __m512bh w = _mm512_cvtne2ps_pbh(_mm512_set1_ps(weight), _mm512_set1_ps(weight));
  const __m512bh x = _mm512_cvtne2ps_pbh(_mm512_set1_ps(activation), _mm512_set1_ps(activation));
#define LOWBIT_BENCH_DOT_BF16(a) a = _mm512_dpbf16_ps(a, w, x)
  for (int i = 0; i < steps; ++i) {
    LOWBIT_BENCH_EACH(LOWBIT_BENCH_DOT_BF16)
    LOWBIT_BENCH_EACH(LOWBIT_BENCH_KEEP)
  }
  const __m512 sum = a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11;
  return sum[0];
}
constexpr double bf16_products = 2.0 * chains * steps * 32;
#endif

double wall() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// 10^9 per second of `amount` done by every thread: median of three.
template <class Work>
double rate(unsigned threads, double amount, Work work) {
  double rates[3];
  for (double& r : rates) {
    const double start = wall();
    std::vector<std::thread> others;
    for (unsigned t = 1; t < threads; ++t) others.emplace_back(work, t);
    work(0u);
    for (std::thread& other : others) other.join();
    r = amount * threads / (wall() - start) * 1e-9;
  }
  std::sort(rates, rates + 3);
  return rates[1];
}

void yardstick(const char* name, const char* counter, unsigned threads, double (*measure)(unsigned)) {
  benchmark::RegisterBenchmark((std::string(name) + (threads > 1 ? "/threads" + std::to_string(threads) : "")).c_str(),
                               [=](benchmark::State& state) {
                                 double sum = 0;
                                 for (auto _ : state) sum += measure(threads);
                                 state.counters[counter] = sum / static_cast<double>(state.iterations());
                               })
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime()
      ->Iterations(5);
}

const bool registered = [] {
  using namespace lowbit::bench;
  for (const unsigned threads : {1u, 2u}) {
    yardstick("read/stream", "GBps", threads, read_rate);
    yardstick("peak/fma", "GFLOPs", threads, fma_rate);
#if LOWBIT_HAS_AVX2
    yardstick(LOWBIT_HAS_AVX512_VNNI ? "peak/vnni" : "peak/maddubs", "GFLOPs", threads, int8_rate);
#endif
#if LOWBIT_HAS_AVX512_BF16
    yardstick("peak/bf16", "GFLOPs", threads, bf16_rate);
#endif
  }
  return true;
}();

}  // namespace

const lowbit::bench::Machine& lowbit::bench::machine() {
  static const Machine measured = measure();
  return measured;
}

double lowbit::bench::read_rate(unsigned threads) {
  const auto& buffer = stream_buffer();
  const std::size_t part = stream_bytes / 2 / threads;  // half of it: rows ask often
  return rate(threads, static_cast<double>(part),
              [&](unsigned t) { benchmark::DoNotOptimize(read_all(buffer.data() + t * part, part)); });
}
double lowbit::bench::fma_rate(unsigned threads) {
  return rate(threads, fma_flops, [](unsigned) { benchmark::DoNotOptimize(multiply_add(0.999f, 0.001f)); });
}
double lowbit::bench::int8_rate([[maybe_unused]] unsigned threads) {
#if LOWBIT_HAS_AVX2
  return rate(threads, byte_products, [](unsigned) { benchmark::DoNotOptimize(multiply_bytes(3, 1)); });
#else
  return 0.0;
#endif
}
double lowbit::bench::bf16_rate([[maybe_unused]] unsigned threads) {
#if LOWBIT_HAS_AVX512_BF16
  return rate(threads, bf16_products, [](unsigned) { benchmark::DoNotOptimize(multiply_bf16(0.5f, 0.25f)); });
#else
  return 0.0;
#endif
}
