// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/format/d4_ball.hpp"
#include "lowbit/format/e8_ball.hpp"
#include "lowbit/format/lattice/checkerboard.hpp"
#include "lowbit/format/lattice/gosset.hpp"

namespace lowbit::test::lattice_codebooks_tests {

namespace {

template <class F>
using Point = std::array<float, F::dim>;

template <class F>
std::vector<Point<F>> points() {
  std::vector<Point<F>> all(F::cardinality);
  for (std::size_t c = 0; c < F::cardinality; ++c) F{}.decode(static_cast<typename F::code_type>(c), all[c]);
  return all;
}

template <class F>
double distance(const Point<F>& a, const Point<F>& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < F::dim; ++i)
    sum += (static_cast<double>(a[i]) - static_cast<double>(b[i])) *
           (static_cast<double>(a[i]) - static_cast<double>(b[i]));
  return sum;
}

template <class F>
double mse(std::size_t vectors, double scale) {
  Rng rng(4);
  double sum = 0.0;
  for (std::size_t t = 0; t < vectors; ++t) {
    std::array<double, F::dim> g;
    Point<F> x, y;
    for (std::size_t i = 0; i < F::dim; ++i) {
      g[i] = rng.normal();
      x[i] = static_cast<float>(g[i] * scale);
    }
    F{}.decode(F{}.encode(x), y);
    for (std::size_t i = 0; i < F::dim; ++i) sum += std::pow(g[i] - static_cast<double>(y[i]) / scale, 2);
  }
  return sum / static_cast<double>(vectors * F::dim);
}

/// How many points have each squared length.
template <class F>
std::map<float, int> shells() {
  std::map<float, int> count;
  for (const auto& p : points<F>()) {
    float square = 0.0f;
    for (const float v : p) square += v * v;
    ++count[square];
  }
  return count;
}

using codebooks = std::tuple<D4Ball<7>, D4Ball<8>, D4Ball<9>, D4Ball<10>, D4Ball<11>, D4Ball<12>, E8Ball<8>, E8Ball<11>,
                             E8Ball<12>, E8Ball<13>, E8Ball<14>, E8Ball<15>, E8Ball<16>>;

}  // namespace

TEMPLATE_LIST_TEST_CASE(
    "lattice codebooks: encode(decode(c)) is c for every code, and the points are distinct lattice points",
    "[format][lattice]", codebooks) {
  using F = TestType;
  std::size_t wrong = 0, outside = 0;
  std::set<Point<F>> distinct;
  const auto all = points<F>();
  for (std::size_t c = 0; c < F::cardinality; ++c) {
    wrong += F{}.encode(all[c]) == c ? 0 : 1;
    distinct.insert(all[c]);
    std::array<double, F::dim> x;
    for (std::size_t i = 0; i < F::dim; ++i) x[i] = static_cast<double>(all[c][i]) - (F::dim == 4 ? 0.5 : 0.0);
    if constexpr (F::dim == 4)
      outside += lattice::D4::contains(x) ? 0 : 1;
    else
      outside += lattice::E8::contains(x) ? 0 : 1;
  }
  CHECK(wrong == 0);
  CHECK(distinct.size() == F::cardinality);
  CHECK(outside == 0);
}

TEMPLATE_LIST_TEST_CASE("lattice codebooks: encode is as near as a scan of all points, around ties too",
                        "[format][lattice]", codebooks) {
  using F = TestType;
  const auto all = points<F>();
  Rng rng(F::cardinality);
  std::size_t wrong = 0;
  const int trials = F::cardinality > 10000 ? 250 : 2000;
  for (int t = 0; t < trials; ++t) {
    Point<F> x;
    const double spread = std::array<double, 5>{1.0, 0.3, 2.5, 0.001, 20.0}[static_cast<std::size_t>(t) % 5];
    for (float& v : x) {
      v = static_cast<float>(spread * static_cast<double>(F::opt_scale) * rng.normal());
      if (t % 2 == 1) v = std::round(v * 4.0f) / 4.0f;
    }
    double least = std::numeric_limits<double>::infinity();
    for (const auto& p : all) least = std::min(least, distance<F>(x, p));
    const std::size_t code = F{}.encode(x);
    wrong += code < F::cardinality && distance<F>(x, all[code]) <= least * (1.0 + 1e-14) ? 0 : 1;
  }
  CHECK(wrong == 0);
}

TEST_CASE("lattice codebooks: shells are whole up to the last", "[format][lattice][published]") {
  CHECK(shells<D4Ball<8>>() == std::map<float, int>{{1, 8}, {3, 32}, {5, 48}, {7, 64}, {9, 104}});
  auto ten = shells<D4Ball<10>>();
  const std::array<int, 8> around_a_hole = {8, 32, 48, 64, 104, 96, 112, 192};  // 8·σ(2k + 1)
  for (std::size_t k = 0; k < around_a_hole.size(); ++k) CHECK(ten[static_cast<float>(2 * k + 1)] == around_a_hole[k]);
  CHECK(shells<E8Ball<8>>() == std::map<float, int>{{0, 1}, {2, 240}, {4, 15}});
  auto sixteen = shells<E8Ball<16>>();
  const std::array<int, 6> theta = {1, 240, 2160, 6720, 17520, 30240};
  for (std::size_t k = 0; k < theta.size(); ++k) CHECK(sixteen[static_cast<float>(2 * k)] == theta[k]);
  CHECK(D4Ball<8>::cardinality == 256);
  CHECK(D4Ball<10>::cardinality == 1024);
}

TEMPLATE_LIST_TEST_CASE("lattice codebooks: at opt_scale N(0, 1) errs as stated, and more 5 % to either side",
                        "[format][lattice]", codebooks) {
  using F = TestType;
  constexpr double d4[] = {0.1485, 0.1028, 0.0783, 0.0551, 0.0411, 0.0304};
  constexpr double e8[] = {0.3188, 0.0, 0.0, 0.2231, 0.1789, 0.1486, 0.1255, 0.1109, 0.0913};
  const int bits = std::bit_width(F::cardinality - 1);
  const double stated = F::dim == 4 ? d4[bits - 7] : e8[bits - 8], s = static_cast<double>(F::opt_scale);
  const double here = mse<F>(20000, s);
  CHECK(here == test::Approx(stated).epsilon(0.03));
  CHECK(mse<F>(20000, 0.95 * s) > here);
  CHECK(mse<F>(20000, 1.05 * s) > here);
}

TEST_CASE("E8Ball<8>: where −2e_7 would be nearest, the nearest of the others", "[format][lattice]") {
  const Point<E8Ball<8>> x = {0.1f, 0, 0, 0.2f, 0, 0, 0, -2.0f};
  Point<E8Ball<8>> y;
  E8Ball<8>{}.decode(E8Ball<8>{}.encode(x), y);
  CHECK(y == Point<E8Ball<8>>{0, 0, 0, 1, 0, 0, 0, -1});
}

TEMPLATE_LIST_TEST_CASE("lattice codebooks: NaN counts as zero; infinities and huge numbers give codes",
                        "[format][lattice]", codebooks) {
  using F = TestType;
  Point<F> x{};
  const auto zero = F{}.encode(x);
  for (const float bad : {NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 1e-45f})
    for (std::size_t i = 0; i < F::dim; ++i) {
      Point<F> odd = x;
      odd[i] = bad;
      const auto code = F{}.encode(odd);
      CHECK(code < F::cardinality);
      if (std::isnan(bad)) CHECK(code == zero);
      if (std::fabs(bad) > 1.0f) {
        Point<F> y;
        F{}.decode(code, y);
        CHECK(std::signbit(y[i]) == std::signbit(bad));
        CHECK(y[i] != 0.0f);
      }
    }
}

}  // namespace lowbit::test::lattice_codebooks_tests
