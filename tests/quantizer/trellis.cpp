// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
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

namespace lowbit::test::trellis_tests {

namespace {

using Path = std::vector<std::uint16_t>;

std::vector<float> normal_weights(std::size_t n, double rms, std::uint64_t stream) {
  Rng rng(11, stream);
  std::vector<float> x(n);
  for (float& v : x) v = static_cast<float>(rms * rng.normal());
  return x;
}

template <class C>
double path_error(const Path& states, const std::vector<float>& x, const std::vector<float>& weights = {}) {
  double sum = 0.0;
  for (std::size_t t = 0; t < states.size(); ++t) {
    std::array<float, C::dim> y;
    C::value(states[t], y);
    for (std::size_t v = 0; v < C::dim; ++v) {
      const std::size_t i = C::dim * t + v;
      const double d = static_cast<double>(x[i]) - static_cast<double>(y[v]);
      sum += d * d * (weights.empty() ? 1.0 : static_cast<double>(weights[i]));
    }
  }
  return sum;
}

/// Steps whose state does not overlap the one before; going around: and the first with the last.
template <int L>
std::size_t broken_steps(const Path& states, std::size_t shift, bool around) {
  std::size_t broken = 0;
  for (std::size_t t = around ? 0 : 1; t < states.size(); ++t) {
    const std::size_t before = states[t == 0 ? states.size() - 1 : t - 1];
    broken += (before << shift & ((1u << L) - 1)) >> shift == std::size_t{states[t]} >> shift ? 0 : 1;
    broken += states[t] < 1u << L ? 0 : 1;
  }
  return broken;
}

/// The least error of any path of eight 4-bit states at one bit a step: of all 2^11, or of those that fit `allowed`.
template <class C, class Allowed>
double least_of_all(const std::vector<float>& x, const std::vector<float>& weights, Allowed allowed) {
  double least = HUGE_VAL;
  for (std::uint32_t bits = 0; bits < 1u << 11; ++bits) {
    Path path(8);
    for (std::size_t t = 0; t < 8; ++t) path[t] = static_cast<std::uint16_t>(bits >> (7 - t) & 15u);
    if (allowed(path)) least = std::min(least, path_error<C>(path, x, weights));
  }
  return least;
}

template <class Metric>
void check_against_all_paths(double slack) {
  using C = trellis::OneMad;
  trellis::Viterbi<C, 4, 1, Metric> search;
  const auto bites = [](const Path& p) { return (p[7] & 7) == p[0] >> 1; };
  for (std::uint64_t i = 0; i < 60; ++i) {
    const std::vector<float> x = normal_weights(8, 1.0, i);
    std::vector<float> weights = i % 2 == 0 ? std::vector<float>{} : normal_weights(8, 3.0, 1000 + i);
    for (float& w : weights) w = std::fabs(w);
    Path path(8);
    search.free(x, weights, path);
    CHECK(broken_steps<4>(path, 1, false) == 0);
    CHECK(path_error<C>(path, x, weights) <= least_of_all<C>(x, weights, [](const Path&) { return true; }) + slack);
    for (std::uint32_t overlap = 0; overlap < 8; ++overlap) {
      search.constrained(x, weights, overlap, path);
      CHECK((broken_steps<4>(path, 1, true) == 0 && path[0] >> 1 == overlap));
      CHECK(path_error<C>(path, x, weights) <=
            least_of_all<C>(x, weights, [&](const Path& p) { return bites(p) && p[0] >> 1 == int(overlap); }) + slack);
    }
    const double least = least_of_all<C>(x, weights, bites);
    search.tail_biting_exact(x, weights, path);
    CHECK(broken_steps<4>(path, 1, true) == 0);
    CHECK(path_error<C>(path, x, weights) <= least + slack);
    search.tail_biting(x, weights, path);
    CHECK(broken_steps<4>(path, 1, true) == 0);
    CHECK(path_error<C>(path, x, weights) >= least - 1e-9);
  }
}

/// Sequences for which registers and the scalar definition disagree.
template <class C, int L, int K, class Metric, class Isa>
std::size_t different_paths() {
  trellis::Viterbi<C, L, K, Metric, isa::scalar> scalar;
  trellis::Viterbi<C, L, K, Metric, Isa> wide;
  std::size_t wrong = 0;
  for (std::uint64_t i = 0; i < 4; ++i) {
    const std::size_t steps = i % 2 == 0 ? 32 : 21;
    std::vector<float> x = normal_weights(steps * C::dim, i == 3 ? 40.0 : 1.0, i);
    if (i == 2) std::fill(x.begin(), x.end(), 0.25f);  // ties everywhere
    std::vector<float> weights = i < 2 ? std::vector<float>{} : normal_weights(x.size(), 1.0, 50 + i);
    Path a(steps), b(steps);
    scalar.free(x, weights, a);
    wide.free(x, weights, b);
    wrong += a == b ? 0 : 1;
    scalar.tail_biting(x, weights, a);
    wide.tail_biting(x, weights, b);
    wrong += a == b ? 0 : 1;
    wrong += broken_steps<L>(b, K * C::dim, true);
  }
  return wrong;
}

template <class Isa>
std::size_t different_everywhere() {
  using trellis::FixedMetric, trellis::FloatMetric, trellis::OneMad, trellis::Hyb;
  return different_paths<OneMad, 4, 1, FixedMetric<1>, Isa>() + different_paths<OneMad, 6, 1, FixedMetric<1>, Isa>() +
         different_paths<OneMad, 9, 1, FixedMetric<1>, Isa>() + different_paths<OneMad, 9, 2, FixedMetric<1>, Isa>() +
         different_paths<OneMad, 10, 3, FixedMetric<1>, Isa>() + different_paths<OneMad, 9, 4, FixedMetric<1>, Isa>() +
         different_paths<Hyb<>, 7, 1, FixedMetric<2>, Isa>() + different_paths<Hyb<>, 10, 2, FixedMetric<2>, Isa>() +
         different_paths<Hyb<>, 11, 3, FixedMetric<2>, Isa>() + different_paths<Hyb<>, 12, 4, FixedMetric<2>, Isa>() +
         different_paths<OneMad, 9, 1, FloatMetric, Isa>() + different_paths<OneMad, 9, 2, FloatMetric, Isa>() +
         different_paths<OneMad, 8, 3, FloatMetric, Isa>() + different_paths<Hyb<>, 10, 2, FloatMetric, Isa>() +
         different_paths<Hyb<>, 12, 4, FloatMetric, Isa>();
}

/// Rows of tiles that do not decode to the values of the states that were packed, with Isa.
template <class Tile, class Isa>
std::size_t wrong_rows_of_tiles() {
  using C = typename Tile::code;
  Rng rng(3);
  std::size_t wrong = 0;
  for (int i = 0; i < 4; ++i) {
    std::array<std::uint8_t, Tile::bytes_per_tile> bytes;
    for (std::uint8_t& b : bytes) b = static_cast<std::uint8_t>(rng.below(256));
    std::array<std::uint16_t, Tile::steps> states;
    Tile::layout_type::template unpack<isa::scalar>(bytes, states);
    for (std::size_t r = 0; r < 16; ++r) {
      std::array<float, 16> want, got;
      for (std::size_t j = 0; j < 16 / C::dim; ++j)
        C::value(states[16 / C::dim * r + j], std::span<float>(want).subspan(C::dim * j).template first<C::dim>());
      Tile::template decode<Isa>(bytes, r, got);
      wrong += want == got ? 0 : 1;
    }
  }
  return wrong;
}

template <class Isa>
std::size_t wrong_tiles() {
  return wrong_rows_of_tiles<TrellisTile<trellis::OneMad, 12, 1>, Isa>() +
         wrong_rows_of_tiles<TrellisTile<trellis::OneMad, 16, 3>, Isa>() +
         wrong_rows_of_tiles<TrellisTile<trellis::ThreeInst, 16, 2>, Isa>() +
         wrong_rows_of_tiles<TrellisTile<trellis::ThreeInst, 13, 4>, Isa>() +
         wrong_rows_of_tiles<TrellisTile<trellis::Hyb<>, 16, 1>, Isa>() +
         wrong_rows_of_tiles<TrellisTile<trellis::Hyb<>, 16, 2>, Isa>() +
         wrong_rows_of_tiles<TrellisTile<trellis::Hyb<>, 15, 3>, Isa>() +
         wrong_rows_of_tiles<TrellisTile<trellis::Hyb<>, 16, 4>, Isa>() +
         wrong_rows_of_tiles<TrellisTile<trellis::LookUp<>, 16, 2>, Isa>();
}

}  // namespace

TEST_CASE("Viterbi: the path of four-bit states is the best of all paths, free and constrained",
          "[quantizer][trellis]") {
  check_against_all_paths<trellis::FloatMetric>(1e-5);
  check_against_all_paths<trellis::FixedMetric<1>>(0.03);  // eight roundings of 1/443 and 1/3810 of sample
}

TEST_CASE("Viterbi: registers find the path of the scalar definition", "[quantizer][trellis]") {
#if LOWBIT_HAS_AVX2
  CHECK(different_everywhere<isa::avx2>() == 0);
#endif
#if LOWBIT_HAS_AVX512
  CHECK(different_everywhere<isa::avx512>() == 0);
#endif
  CHECK(different_paths<trellis::OneMad, 8, 2, trellis::FixedMetric<1>, isa::native>() == 0);
}

TEST_CASE("Viterbi: whatever the numbers, the path bites its tail", "[quantizer][trellis]") {
  constexpr float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  trellis::Viterbi<trellis::OneMad, 9, 2> fixed;
  trellis::Viterbi<trellis::OneMad, 9, 2, trellis::FloatMetric> wide;
  const std::vector<float> zeros(40), plain = normal_weights(40, 1.0, 1);
  for (const float odd : {nan, inf, -inf, 3e38f, -1e20f, 1e-42f, 0.0f})
    for (const std::size_t every : {std::size_t{1}, std::size_t{3}}) {
      std::vector<float> x = plain;
      for (std::size_t i = 0; i < x.size(); i += every) x[i] = odd;
      for (const std::vector<float>& weights : {std::vector<float>{}, x, plain, zeros}) {
        Path path(40);
        fixed.tail_biting(x, weights, path);
        CHECK(broken_steps<9>(path, 2, true) == 0);
        wide.tail_biting(x, weights, path);
        CHECK(broken_steps<9>(path, 2, true) == 0);
      }
    }
  std::vector<float> x = plain;
  x[7] = nan;
  Path a(40), b(40);
  fixed.tail_biting(x, {}, a);
  x[7] = 0.0f;
  fixed.tail_biting(x, {}, b);
  CHECK(a == b);
}

TEST_CASE("Viterbi: sequences as short as a state, and a seam of one step, bite their tail", "[quantizer][trellis]") {
  trellis::Viterbi<trellis::OneMad, 9, 3> search;
  for (const std::size_t seam : {std::size_t{0}, std::size_t{1}, std::size_t{1000}})
    for (const std::size_t steps : {3, 4, 5, 33}) {
      search.seam = seam;
      Path path(steps);
      search.tail_biting(normal_weights(steps, 1.0, steps), {}, path);
      CHECK(broken_steps<9>(path, 3, true) == 0);
    }
}

TEST_CASE("Viterbi: a search leaves nothing behind for the next", "[quantizer][trellis]") {
  using Search = trellis::Viterbi<trellis::Hyb<>, 10, 2>;
  Search used;
  const std::vector<float> x = normal_weights(64, 1.0, 3), other = normal_weights(100, 2.0, 4);
  Path fresh(32), again(32), scrap(50);
  Search{}.tail_biting(x, {}, fresh);
  used.tail_biting(other, other, scrap);
  used.constrained(other, {}, 5, scrap);
  used.tail_biting(x, {}, again);
  CHECK(fresh == again);
}

TEST_CASE("Viterbi: weights move the error to where they are small", "[quantizer][trellis]") {
  trellis::Viterbi<trellis::ThreeInst, 10, 2> search;
  const std::vector<float> x = normal_weights(256, 1.2, 9);
  std::vector<float> weights(256, 1e-4f);  // the scale of weights does not matter, their ratio does
  for (std::size_t i = 0; i < 128; ++i) weights[2 * i] = 9e-4f;
  Path plain(256), weighted(256);
  search.tail_biting(x, {}, plain);
  search.tail_biting(x, weights, weighted);
  CHECK(path_error<trellis::ThreeInst>(weighted, x, weights) < 0.9 * path_error<trellis::ThreeInst>(plain, x, weights));
  for (float& w : weights) w *= 1e6f;
  Path same(256);
  search.tail_biting(x, weights, same);
  CHECK(same == weighted);
}

TEST_CASE("Viterbi: wrong sizes are the caller's breach", "[quantizer][trellis]") {
  trellis::Viterbi<trellis::OneMad, 8, 2> search;
  const std::vector<float> x(8);
  Path path(8), shorter(3);
  CHECK_THROWS_AS(search.free(x, {}, shorter), ContractViolation);
  CHECK_THROWS_AS(search.free(x, std::span(x).first(3), path), ContractViolation);
  CHECK_THROWS_AS(search.constrained(x, {}, 64, path), ContractViolation);
  CHECK_THROWS_AS(search.tail_biting(std::span(x).first(3), {}, shorter), ContractViolation);
}

TEST_CASE("TrellisTile: rows decode to the values of the packed states, in every register", "[quantizer][trellis]") {
  CHECK(wrong_tiles<isa::scalar>() == 0);
#if LOWBIT_HAS_AVX2
  CHECK(wrong_tiles<isa::avx2>() == 0);
#endif
#if LOWBIT_HAS_AVX512
  CHECK(wrong_tiles<isa::avx512>() == 0);
#endif
}

TEST_CASE("TrellisTile: K bits a weight are 32·K bytes", "[quantizer][trellis]") {
  STATIC_REQUIRE(TrellisTile<trellis::OneMad, 16, 2>::bytes_per_tile == 64);
  STATIC_REQUIRE(TrellisTile<trellis::Hyb<>, 16, 3>::bytes_per_tile == 96);
  STATIC_REQUIRE((TrellisTile<trellis::Hyb<>, 16, 3>::steps == 128));
}

TEST_CASE("TrellisTile: a tile with an outlier is searched in float", "[quantizer][trellis]") {
  using Tile = TrellisTile<trellis::OneMad, 8, 2>;
  Tile::Scratch<> scratch;
  std::vector<float> x = normal_weights(256, 1.0, 2);
  x[100] = 30.0f;
  std::array<std::uint16_t, 256> states;
  Tile::encode(std::span<const float, 256>(x), {}, states, scratch);
  Path want(256);
  trellis::Viterbi<trellis::OneMad, 8, 2, trellis::FloatMetric>{}.tail_biting(x, {}, want);
  CHECK(std::equal(want.begin(), want.end(), states.begin()));
}

}  // namespace lowbit::test::trellis_tests
