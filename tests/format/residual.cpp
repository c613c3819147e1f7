// SPDX-License-Identifier: MIT
#include "lowbit/format/residual.hpp"

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/format/d4_ball.hpp"
#include "lowbit/format/e8p_residual.hpp"
#include "lowbit/pack/dense_words.hpp"

namespace lowbit::test::residual_tests {

namespace {

using Nested = Residual<Residual<D4Ball<8>, D4Ball<8>, std::ratio<7, 2>>, D4Ball<10>, std::ratio<12>, 2>;
using codebooks = std::tuple<E8P3, E8P4, E8PWithBall<2>, E8PWithE8P<3>, Nested>;

std::vector<float> normals(std::size_t count, double sigma, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<float> x(count);
  for (float& v : x) v = static_cast<float>(sigma * rng.normal());
  return x;
}

template <class F>
std::vector<double> errors(std::span<const float> x) {
  std::vector<double> all(x.size() / F::dim);
  std::vector<typename F::code_type> codes(all.size());
  encode_all(F{}, x, codes);
  for (std::size_t c = 0; c < codes.size(); ++c) {
    std::array<float, F::dim> y;
    F{}.decode(codes[c], y);
    for (std::size_t i = 0; i < F::dim; ++i)
      all[c] += std::pow(static_cast<double>(x[c * F::dim + i]) - static_cast<double>(y[i]), 2);
  }
  return all;
}

template <class F>
double mse(std::size_t vectors) {
  const auto x = normals(vectors * F::dim, static_cast<double>(F::opt_scale), 3);
  double sum = 0.0;
  for (const double e : errors<F>(x)) sum += e;
  return sum / static_cast<double>(x.size()) / std::pow(static_cast<double>(F::opt_scale), 2);
}

}  // namespace

TEST_CASE("Residual: a code's point is A's plus B's over the scale, A in the low bits", "[format][residual]") {
  Rng rng(1);
  for (int t = 0; t < 2000; ++t) {
    const auto low = static_cast<std::uint16_t>(rng.below(65536));
    const auto high = static_cast<std::uint16_t>(rng.below(65536));
    std::array<float, 8> a, b, sum;
    E8P{}.decode(low, a);
    E8P{}.decode(high, b);
    E8P4{}.decode(static_cast<std::uint32_t>(high) << 16 | low, sum);
    for (std::size_t i = 0; i < 8; ++i)
      CHECK(static_cast<double>(sum[i]) ==
            test::Approx(static_cast<double>(a[i]) + static_cast<double>(b[i]) / 3.45).margin(1e-6));
  }
}

TEST_CASE("Residual: with one candidate A's code is A's own and B's that of the scaled rest", "[format][residual]") {
  const auto x = normals(8 * 500, 1.0, 2);
  for (std::size_t c = 0; c < 500; ++c) {
    const std::span<const float, 8> here(x.data() + 8 * c, 8);
    const std::uint16_t low = E8P{}.encode(here);
    std::array<float, 8> a;
    E8P{}.decode(low, a);
    for (std::size_t i = 0; i < 8; ++i) a[i] = (here[i] - a[i]) * 2.04f;
    CHECK(E8P3{}.encode(here) == (low | static_cast<std::uint32_t>(E8Ball<8>{}.encode(a)) << 16));
  }
}

TEMPLATE_LIST_TEST_CASE("Residual: encode_batch gives the codes of encode, for every number of vectors",
                        "[format][residual]", codebooks) {
  using F = TestType;
  std::size_t wrong = 0;
  for (const std::size_t n : {0, 1, 2, 63, 64, 65, 130, 200}) {
    auto x = normals(F::dim * n, 1.1, n);
    for (std::size_t i = 0; i < x.size(); i += 37) x[i] = std::array<float, 3>{NAN, INFINITY, -1e38f}[i % 3];
    std::vector<typename F::code_type> codes(n);
    F{}.encode_batch(x, codes);
    for (std::size_t c = 0; c < n; ++c) {
      wrong += codes[c] == F{}.encode(std::span<const float, F::dim>(x.data() + F::dim * c, F::dim)) ? 0 : 1;
      wrong += codes[c] < F::cardinality ? 0 : 1;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("Residual: more candidates err no more, vector by vector", "[format][residual]") {
  const auto x = normals(8 * 4000, 1.03, 5);
  const auto no_more = [](const std::vector<double>& more, const std::vector<double>& fewer) {
    std::size_t worse = 0, better = 0;
    for (std::size_t c = 0; c < more.size(); ++c) {
      worse += more[c] > fewer[c] ? 1 : 0;
      better += more[c] < fewer[c] ? 1 : 0;
    }
    CHECK(worse == 0);
    CHECK(better != 0);
  };
  const auto one = errors<E8P4>(x), two = errors<E8PWithE8P<2>>(x), four = errors<E8PWithE8P<4>>(x);
  no_more(two, one);
  no_more(four, one);
  no_more(errors<E8PWithBall<2>>(x), errors<E8P3>(x));
}

TEST_CASE("Residual: three and four bits a weight err as stated on N(0, 1)", "[format][residual]") {
  CHECK(mse<E8P3>(20000) == test::Approx(0.0296).epsilon(0.03));
  CHECK(mse<E8P4>(20000) == test::Approx(0.0086).epsilon(0.05));
  CHECK(mse<E8P4>(20000) < 0.0115);  // the best sixteen levels
}

TEST_CASE("Residual: names and widths", "[format][residual]") {
  CHECK(std::string(Residual<E8P, E8P, std::ratio<3>>::name) == "e8p_e8p");
  CHECK(std::string(E8P3::name) == "e8p_3bit");
  CHECK(Nested::dim == 4);
  static_assert(std::bit_width(Nested::cardinality - 1) == 26);
  static_assert(std::is_same_v<E8P3::code_type, std::uint32_t> && E8P3::cardinality == std::size_t{1} << 24);
  static_assert(LayoutFor<pack::dense_words_for<E8P3>, E8P3> && pack::dense_words_for<E8P3>::bytes_per_block == 3);
}

}  // namespace lowbit::test::residual_tests
