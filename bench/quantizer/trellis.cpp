// SPDX-License-Identifier: MIT
#include "lowbit/quantizer/trellis/tile.hpp"

#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lowbit/core/rng.hpp"
#include "lowbit/format/trellis/hyb.hpp"
#include "lowbit/format/trellis/look_up.hpp"
#include "lowbit/format/trellis/one_mad.hpp"
#include "lowbit/format/trellis/three_inst.hpp"

namespace lowbit::bench {
namespace {

/// Rows: encode/trellis_<code>_l<L>_k<K>/<isa>/16x256/cache, one thread, tiles of normal weights, packing included; and
/// decode/… for the way back. Mw: 10^6 weights a second; nmse: the error of the last pass over its energy, which
/// settles at 2^18 weights (trellis_nmse rows).
template <class Tile>
struct Tiles {
  std::vector<float> w;
  std::vector<std::uint8_t> bytes;
  std::vector<float> back;

  explicit Tiles(std::size_t count) : w(count * Tile::tile_size), bytes(count * Tile::bytes_per_tile), back(w.size()) {
    Rng rng(1);
    for (float& v : w) v = static_cast<float>(static_cast<double>(Tile::data_rms) * rng.normal());
  }
  std::size_t count() const { return w.size() / Tile::tile_size; }

  template <class Isa>
  void encode(typename Tile::template Scratch<Isa>& scratch) {
    std::array<std::uint16_t, Tile::steps> states;
    for (std::size_t i = 0; i < count(); ++i) {
      Tile::encode(std::span<const float, Tile::tile_size>(w.data() + i * Tile::tile_size, Tile::tile_size), {}, states,
                   scratch);
      Tile::pack(states, std::span(bytes).subspan(i * Tile::bytes_per_tile, Tile::bytes_per_tile));
    }
  }
  template <class Isa>
  void decode() {
    for (std::size_t i = 0; i < count(); ++i)
      for (std::size_t r = 0; r < Tile::tile_rows; ++r)
        Tile::template decode<Isa>(
            std::span<const std::uint8_t>(bytes).subspan(i * Tile::bytes_per_tile, Tile::bytes_per_tile), r,
            std::span<float, Tile::tile_cols>(back.data() + i * Tile::tile_size + r * Tile::tile_cols,
                                              Tile::tile_cols));
  }
  double nmse() const {
    double lost = 0.0, energy = 0.0;
    for (std::size_t i = 0; i < w.size(); ++i) {
      const double x = static_cast<double>(w[i]), d = x - static_cast<double>(back[i]);
      lost += d * d;
      energy += x * x;
    }
    return lost / energy;
  }
};

void report(benchmark::State& state, std::size_t weights, double bits_per_weight, double nmse) {
  using benchmark::Counter;
  state.counters["Mw"] = Counter(static_cast<double>(weights) * 1e-6, Counter::kIsIterationInvariantRate);
  state.counters["bpw"] = bits_per_weight;
  state.counters["nmse"] = nmse;
}

template <class Tile, class Isa>
void encode(benchmark::State& state, std::size_t count) {
  Tiles<Tile> tiles(count);
  typename Tile::template Scratch<Isa> scratch;
  for (auto _ : state) {
    tiles.template encode<Isa>(scratch);
    benchmark::ClobberMemory();
  }
  tiles.template decode<Isa>();
  report(state, tiles.w.size(), 8.0 * static_cast<double>(tiles.bytes.size()) / static_cast<double>(tiles.w.size()),
         tiles.nmse());
}

template <class Tile, class Isa>
void decode(benchmark::State& state) {
  Tiles<Tile> tiles(16);
  typename Tile::template Scratch<Isa> scratch;
  tiles.template encode<Isa>(scratch);
  for (auto _ : state) {
    tiles.template decode<Isa>();
    benchmark::ClobberMemory();
  }
  report(state, tiles.w.size(), 8.0 * static_cast<double>(tiles.bytes.size()) / static_cast<double>(tiles.w.size()),
         tiles.nmse());
}

template <class C, int L, int K, class Isa = isa::native>
void row(std::size_t settled) {
  using Tile = TrellisTile<C, L, K>;
  const std::string what =
      "trellis_" + std::string(C::name) + "_l" + std::to_string(L) + "_k" + std::to_string(K) + "/" + Isa::name + "/";
  benchmark::RegisterBenchmark(("encode/" + what + "16x256/cache").c_str(), [](benchmark::State& s) {
    encode<Tile, Isa>(s, 16);
  })->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark(("decode/" + what + "16x256/cache").c_str(), decode<Tile, Isa>)
      ->Unit(benchmark::kMicrosecond);
  if (settled != 0)
    benchmark::RegisterBenchmark(("trellis_nmse/" + what + "16x" + std::to_string(16 * settled)).c_str(),
                                 [=](benchmark::State& s) { encode<Tile, Isa>(s, settled); })
        ->Unit(benchmark::kMillisecond)
        ->Iterations(1);
}

template <class C>
void rows() {
  row<C, 12, 1>(1024);
  row<C, 12, 2>(1024);
  row<C, 12, 3>(1024);
  row<C, 12, 4>(1024);
  row<C, 16, 1>(1024);
  row<C, 16, 2>(1024);
  row<C, 16, 3>(1024);
  row<C, 16, 4>(1024);
}

const bool registered = [] {
  rows<trellis::OneMad>();
  rows<trellis::ThreeInst>();
  rows<trellis::Hyb<>>();
  row<trellis::LookUp<1>, 12, 2>(1024);
  row<trellis::LookUp<1>, 16, 2>(1024);
  row<trellis::LookUp<2>, 16, 2>(1024);
  row<trellis::ThreeInst, 14, 2>(1024);
  row<trellis::ThreeInst, 12, 2, isa::scalar>(0);
  row<trellis::ThreeInst, 16, 2, isa::scalar>(0);
#if LOWBIT_HAS_AVX512
  row<trellis::ThreeInst, 12, 2, isa::avx2>(0);
  row<trellis::ThreeInst, 16, 2, isa::avx2>(0);
#endif
  return true;
}();

}  // namespace
}  // namespace lowbit::bench
