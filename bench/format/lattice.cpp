// SPDX-License-Identifier: MIT
#include <benchmark/benchmark.h>

#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include "lowbit/core/rng.hpp"
#include "lowbit/core/type_list.hpp"
#include "lowbit/format/d4_ball.hpp"
#include "lowbit/format/e8_ball.hpp"
#include "lowbit/format/e8p_residual.hpp"
#include "lowbit/format/lattice/barnes_wall.hpp"
#include "lowbit/format/lattice/batch.hpp"
#include "lowbit/format/lattice/checkerboard.hpp"
#include "lowbit/format/lattice/gosset.hpp"
#include "lowbit/format/lattice/leech.hpp"
#include "lowbit/format/voronoi_code.hpp"

/// Rows: lattice_nearest/<lattice>/<isa> and vector_encode/<format>/<isa>: 2^15 Gaussian weights, in cache, one thread.
/// Mw: 10^6 weights a second. second_moment: of the lattice, from these weights. nmse: of the format at its opt_scale.

namespace lowbit::bench {
namespace {

using benchmark::Counter;

constexpr std::size_t count = std::size_t{1} << 15;

std::vector<float> weights(double sigma, std::size_t size) {
  Rng rng(1);
  std::vector<float> w(size);
  for (float& v : w) v = static_cast<float>(sigma * rng.normal());
  return w;
}

void report(benchmark::State& state, std::size_t size) {
  state.counters["Mw"] = Counter(static_cast<double>(size) * 1e-6, Counter::kIsIterationInvariantRate);
}

template <class L>
void nearest(benchmark::State& state, bool batch) {
  const auto x = weights(4.0 * std::pow(L::volume, 1.0 / static_cast<double>(L::dim)), count / L::dim * L::dim);
  std::vector<float> y(x.size());
  for (auto _ : state) {
    if (batch)
      lattice::nearest_batch<L>(x, y);
    else
      lattice::nearest_batch_scalar<L>(x, y);
    benchmark::ClobberMemory();
  }
  double sum = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += std::pow(static_cast<double>(x[i]) - static_cast<double>(y[i]), 2);
  report(state, x.size());
  state.counters["second_moment"] =
      sum / static_cast<double>(x.size()) / std::pow(L::volume, 2.0 / static_cast<double>(L::dim));
}

template <class F>
void encode(benchmark::State& state, bool batch) {
  constexpr auto scale = static_cast<double>(F::opt_scale);
  const auto x = weights(scale, count);
  std::vector<typename F::code_type> codes(count / F::dim);
  for (auto _ : state) {
    if (batch)
      encode_all(F{}, x, codes);
    else
      for (std::size_t c = 0; c < codes.size(); ++c)
        codes[c] = F{}.encode(std::span<const float, F::dim>(x.data() + c * F::dim, F::dim));
    benchmark::ClobberMemory();
  }
  double sum = 0.0, power = 0.0;
  for (std::size_t c = 0; c < codes.size(); ++c) {
    float y[F::dim];
    F{}.decode(codes[c], y);
    for (std::size_t i = 0; i < F::dim; ++i) {
      const auto v = static_cast<double>(x[c * F::dim + i]);
      sum += (v - static_cast<double>(y[i])) * (v - static_cast<double>(y[i]));
      power += v * v;
    }
  }
  report(state, x.size());
  state.counters["bpw"] =
      static_cast<double>(std::bit_width(F::cardinality - 1)) / static_cast<double>(F::dim);
  state.counters["nmse"] = sum / power;
}

template <class F>
void decode(benchmark::State& state) {
  Rng rng(2);
  std::vector<typename F::code_type> codes(count / F::dim);
  for (auto& c : codes) c = static_cast<typename F::code_type>(rng.next_u64() % F::cardinality);
  std::vector<float> y(count);
  for (auto _ : state) {
    for (std::size_t c = 0; c < codes.size(); ++c)
      F{}.decode(codes[c], std::span<float, F::dim>(y.data() + c * F::dim, F::dim));
    benchmark::ClobberMemory();
  }
  report(state, count);
}

template <class L>
void lattice_rows(const std::string& name) {
  benchmark::RegisterBenchmark(("lattice_nearest/" + name + "/scalar").c_str(), nearest<L>, false);
  if constexpr (requires(lattice::detail::f32_lanes(&v)[L::dim]) { L::round(v); })
    benchmark::RegisterBenchmark(("lattice_nearest/" + name + "/" + isa::native::name).c_str(), nearest<L>, true);
}

template <class F>
void format_rows() {
  const std::string name(F::name);
  benchmark::RegisterBenchmark(("vector_encode/" + name + "/scalar").c_str(), encode<F>, false);
  if constexpr (requires(std::span<const float> x, std::span<typename F::code_type> c) { F{}.encode_batch(x, c); })
    benchmark::RegisterBenchmark(("vector_encode/" + name + "/" + isa::native::name).c_str(), encode<F>, true);
  benchmark::RegisterBenchmark(("vector_decode/" + name + "/scalar").c_str(), decode<F>);
}

const bool registered = [] {
  lattice_rows<lattice::D4>("d4");
  lattice_rows<lattice::E8>("e8");
  lattice_rows<lattice::BarnesWall16>("barnes_wall16");
  lattice_rows<lattice::Leech24>("leech24");
  format_rows<E8P>();
  format_rows<E8P3>();
  format_rows<E8P4>();
  format_rows<E8Ball<8>>();
  format_rows<E8Ball<12>>();
  format_rows<E8Ball<16>>();
  format_rows<D4Ball<8>>();
  format_rows<D4Ball<12>>();
  format_rows<E8Voronoi<4>>();
  format_rows<E8Voronoi<8>>();
  return true;
}();

}  // namespace
}  // namespace lowbit::bench
