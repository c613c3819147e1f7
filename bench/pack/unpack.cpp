// SPDX-License-Identifier: MIT
#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <vector>

#include "lowbit/pack.hpp"

namespace {

using namespace lowbit;

constexpr std::size_t row = 1 << 14;  // codes and bytes stay in the first level cache

/// One row of codes below `cardinality`, again and again. Unpacking goes in tiles of 256 codes, as kernels do it.
template <class L>
void measure(benchmark::State& state, std::size_t cardinality, bool unpack) {
  std::vector<std::uint8_t> codes(row), bytes(pack::row_bytes<L>(row));
  for (std::size_t i = 0; i < row; ++i) codes[i] = static_cast<std::uint8_t>(i * 37 % cardinality);
  pack::pack_row<L>(std::span<const std::uint8_t>(codes), bytes);
  for (auto _ : state) {
    if (unpack)
      for (std::size_t c = 0; c < row; c += 256)
        pack::unpack_range<L>(bytes, c, std::span<std::uint8_t>(codes).subspan(c, 256));
    else
      pack::pack_row<L>(std::span<const std::uint8_t>(codes), bytes);
    benchmark::ClobberMemory();
  }
  using benchmark::Counter;
  state.counters["Mcodes"] = Counter(static_cast<double>(row) * 1e-6, Counter::kIsIterationInvariantRate);
  state.counters["GBps"] = Counter(static_cast<double>(bytes.size()) * 1e-9, Counter::kIsIterationInvariantRate);
  state.counters["bpw"] = 8.0 * static_cast<double>(bytes.size()) / static_cast<double>(row);
}

/// The instruction set that does the work: some layouts have one body for all.
template <class L>
constexpr const char* isa_name() {
  if (requires(std::span<const std::uint8_t> in, std::span<std::uint8_t> out) {
        L::template pack<isa::native>(in, out);
      })
    return isa::native::name;
  return isa::scalar::name;
}

template <class L>
void both(const std::string& layout, std::size_t cardinality) {
  for (const bool unpack : {true, false})
    benchmark::RegisterBenchmark(
        ((unpack ? "unpack/" : "pack/") + layout + "/" + isa_name<L>() + "/1x16384/cache").c_str(),
        [=](benchmark::State& state) { measure<L>(state, cardinality, unpack); })
        ->Unit(benchmark::kMicrosecond);
}

template <int Bits>
void every_width() {
  const std::string width = std::to_string(Bits);
  both<pack::Dense<Bits>>("dense" + width, 1u << Bits);
  both<pack::BitPlanes<Bits>>("bit_planes" + width, 1u << Bits);
  both<pack::WordPadded<Bits>>("word_padded" + width, 1u << Bits);
}

const bool registered = [] {
  every_width<1>();
  every_width<2>();
  every_width<3>();
  every_width<4>();
  every_width<5>();
  every_width<6>();
  every_width<7>();
  every_width<8>();
  both<pack::BitPlanes<4, 32>>("bit_planes4x32", 16);
  both<pack::HighNibbleFirst>("high_nibble_first", 16);
  both<pack::SplitNibbles<16>>("split_nibbles16", 16);
  both<pack::SplitNibbles<32>>("split_nibbles32", 16);
  both<pack::SplitNibbles<64>>("split_nibbles64", 16);
  both<pack::SignedBytes>("signed_bytes", 256);
  both<pack::Trits5>("trits5", 3);
  both<pack::GgufTQ1_0>("gguf_tq1_0", 3);
  both<pack::GgufTQ2_0>("gguf_tq2_0", 3);
  both<pack::GgufQ5>("gguf_q5", 32);
  both<pack::GgufQ3_K>("gguf_q3_k", 8);
  both<pack::GgufQ5_K>("gguf_q5_k", 32);
  both<pack::GgufQ6_K>("gguf_q6_k", 64);
  return true;
}();

}  // namespace
