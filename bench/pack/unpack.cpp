// SPDX-License-Identifier: MIT
#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <vector>

#include "lowbit/pack/dense.hpp"

namespace {

constexpr std::size_t row = 1 << 16;

template <int Bits>
void dense(benchmark::State& state, bool unpack) {
  std::vector<std::uint8_t> codes(row), bytes(lowbit::pack::row_bytes<lowbit::pack::Dense<Bits>>(row));
  for (std::size_t i = 0; i < row; ++i) codes[i] = static_cast<std::uint8_t>((i * 37) & ((1u << Bits) - 1u));
  lowbit::pack::pack_row<lowbit::pack::Dense<Bits>>(std::span<const std::uint8_t>(codes), bytes);
  for (auto _ : state) {
    if (unpack)
      lowbit::pack::unpack_row<lowbit::pack::Dense<Bits>>(bytes, std::span<std::uint8_t>(codes));
    else
      lowbit::pack::pack_row<lowbit::pack::Dense<Bits>>(std::span<const std::uint8_t>(codes), bytes);
    benchmark::ClobberMemory();
  }
  using benchmark::Counter;
  state.counters["GBps"] = Counter(static_cast<double>(bytes.size()) * 1e-9, Counter::kIsIterationInvariantRate);
  state.counters["bpw"] = Bits;
}

template <int Bits>
void both() {
  const std::string width = "int" + std::to_string(Bits) + "/" + lowbit::isa::native::name + "/1x65536/cache";
  benchmark::RegisterBenchmark(("unpack/" + width).c_str(), [](benchmark::State& s) { dense<Bits>(s, true); })
      ->Unit(benchmark::kMicrosecond);
  benchmark::RegisterBenchmark(("pack/" + width).c_str(), [](benchmark::State& s) { dense<Bits>(s, false); })
      ->Unit(benchmark::kMicrosecond);
}

const bool registered = [] {
  both<3>();
  both<4>();
  both<8>();
  return true;
}();

}  // namespace
