// SPDX-License-Identifier: MIT
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/format/trellis/hyb.hpp"
#include "lowbit/format/trellis/look_up.hpp"
#include "lowbit/format/trellis/one_mad.hpp"
#include "lowbit/format/trellis/three_inst.hpp"
#include "lowbit/quantizer/trellis/tile.hpp"
#include "lowbit/quantizer/trellis/viterbi.hpp"

namespace lowbit::test::trellis_rate_tests {

namespace {

/// Error over energy.
struct Loss {
  double lost = 0.0, energy = 0.0;
  void add(float w, float back) {
    const double d = static_cast<double>(w) - static_cast<double>(back);
    lost += d * d;
    energy += static_cast<double>(w) * static_cast<double>(w);
  }
  double nmse() const { return lost / energy; }
};

template <std::size_t N>
std::array<float, N> normal_tile(double rms, std::uint64_t stream) {
  Rng rng(2024, stream);
  std::array<float, N> x;
  for (float& v : x) v = static_cast<float>(rms * rng.normal());
  return x;
}

/// Of normal weights through packed tiles, row by row.
template <class Tile>
double tile_loss(std::size_t tiles) {
  typename Tile::template Scratch<> scratch;
  Loss loss;
  for (std::size_t i = 0; i < tiles; ++i) {
    const auto x = normal_tile<256>(static_cast<double>(Tile::data_rms), i);
    std::array<std::uint16_t, Tile::steps> states;
    Tile::encode(x, {}, states, scratch);
    std::array<std::uint8_t, Tile::bytes_per_tile> bytes;
    Tile::pack(states, bytes);
    for (std::size_t r = 0; r < 16; ++r) {
      std::array<float, 16> y;
      Tile::decode(bytes, r, y);
      for (std::size_t c = 0; c < 16; ++c) loss.add(x[16 * r + c], y[c]);
    }
  }
  return loss.nmse();
}

/// Of normal weights through the paths that `search` finds.
template <class C, class Search>
double path_loss(std::size_t tiles, double rms, Search search) {
  Loss loss;
  std::array<std::uint16_t, 256 / C::dim> states;
  for (std::size_t i = 0; i < tiles; ++i) {
    const auto x = normal_tile<256>(rms, i);
    search(x, states);
    for (std::size_t t = 0; t < states.size(); ++t) {
      std::array<float, C::dim> y;
      C::value(states[t], y);
      for (std::size_t v = 0; v < C::dim; ++v) loss.add(x[C::dim * t + v], y[v]);
    }
  }
  return loss.nmse();
}

template <class C>
double free_loss_of_twelve_bits() {
  trellis::Viterbi<C, 12, 2> search;
  return path_loss<C>(64, 0.97 * static_cast<double>(C::rms),
                      [&](const auto& x, auto& states) { search.free(x, {}, states); });
}

}  // namespace

TEST_CASE("TrellisTile: twelve-bit states at two bits a weight lose at most 0.080 of normal weights' energy",
          "[quantizer][trellis]") {
  CHECK(tile_loss<TrellisTile<trellis::OneMad, 12, 2>>(64) <= 0.080);
  CHECK(tile_loss<TrellisTile<trellis::ThreeInst, 12, 2>>(64) <= 0.080);
  CHECK(tile_loss<TrellisTile<trellis::Hyb<>, 12, 2>>(64) <= 0.080);
  CHECK(tile_loss<TrellisTile<trellis::LookUp<>, 12, 2>>(64) <= 0.080);
}

TEST_CASE("TrellisTile: sixteen-bit states at two bits a weight lose at most 0.073 of normal weights' energy",
          "[quantizer][trellis]") {
  CHECK(tile_loss<TrellisTile<trellis::ThreeInst, 16, 2>>(8) <= 0.073);
  CHECK(tile_loss<TrellisTile<trellis::Hyb<>, 16, 2>>(8) <= 0.073);
}

TEST_CASE("Viterbi: free paths of twelve-bit states at two bits a weight lose 0.072 of normal weights' energy",
          "[quantizer][trellis]") {
  CHECK(free_loss_of_twelve_bits<trellis::OneMad>() == test::Approx(0.072).epsilon(0.03));
  CHECK(free_loss_of_twelve_bits<trellis::ThreeInst>() == test::Approx(0.072).epsilon(0.03));
}

TEST_CASE("TrellisTile: one, three and four bits a weight stay within 1.5 dB of the Gaussian limit",
          "[quantizer][trellis]") {
  // [U] measured at 0.4 to 1.1 dB
  CHECK(tile_loss<TrellisTile<trellis::ThreeInst, 12, 1>>(64) <= std::pow(10.0, 0.15) / 4.0);
  CHECK(tile_loss<TrellisTile<trellis::Hyb<>, 12, 1>>(64) <= std::pow(10.0, 0.15) / 4.0);
  CHECK(tile_loss<TrellisTile<trellis::OneMad, 12, 3>>(64) <= std::pow(10.0, 0.15) / 64.0);
  CHECK(tile_loss<TrellisTile<trellis::OneMad, 12, 4>>(64) <= std::pow(10.0, 0.15) / 256.0);
}

TEST_CASE("Viterbi: the overlap found in two passes costs 2 % at most against the best of all overlaps",
          "[quantizer][trellis]") {
  using C = trellis::ThreeInst;
  trellis::Viterbi<C, 8, 2> search;
  const double rms = 0.97 * static_cast<double>(C::rms);
  const double exact =
      path_loss<C>(24, rms, [&](const auto& x, auto& states) { search.tail_biting_exact(x, {}, states); });
  const double near = path_loss<C>(24, rms, [&](const auto& x, auto& states) { search.tail_biting(x, {}, states); });
  search.seam = 128;
  const double published =
      path_loss<C>(24, rms, [&](const auto& x, auto& states) { search.tail_biting(x, {}, states); });
  CHECK(exact <= near);
  CHECK(exact <= published);
  CHECK(near <= 1.02 * exact);
  CHECK(published <= 1.01 * exact);
}

TEST_CASE("Viterbi: counting errors in sixteen-bit integers costs a thousandth of the error at two bits a weight",
          "[quantizer][trellis]") {
  using C = trellis::OneMad;
  trellis::Viterbi<C, 10, 2> fixed;
  trellis::Viterbi<C, 10, 2, trellis::FloatMetric> wide;
  const double a = path_loss<C>(64, 0.97, [&](const auto& x, auto& states) { fixed.free(x, {}, states); });
  const double b = path_loss<C>(64, 0.97, [&](const auto& x, auto& states) { wide.free(x, {}, states); });
  CHECK(b <= a);
  CHECK(a <= 1.001 * b);
}

}  // namespace lowbit::test::trellis_rate_tests
