// SPDX-License-Identifier: MIT
#include <array>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/format/lattice/barnes_wall.hpp"
#include "lowbit/format/lattice/integer.hpp"
#include "lowbit/format/lattice_box.hpp"
#include "lowbit/format/voronoi_code.hpp"

namespace lowbit::test::lattice_cells_tests {

namespace {

template <class F>
using Point = std::array<float, F::dim>;

template <class F>
Point<F> point(std::uint64_t code) {
  Point<F> y;
  F{}.decode(static_cast<typename F::code_type>(code), y);
  return y;
}

template <class F>
double distance(const Point<F>& a, const Point<F>& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < F::dim; ++i) sum += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
  return sum;
}

template <class F>
struct Parts;
template <lattice::Lattice L, int q>
struct Parts<VoronoiCode<L, q>> {
  using lattice = L;
  static constexpr double classes = q;
};
template <int q>
struct Parts<E8Voronoi<q>> : Parts<VoronoiCode<lattice::E8, q>> {};
template <int q>
struct Parts<D4Voronoi<q>> : Parts<VoronoiCode<lattice::D4, q>> {};

/// The squared distance to the nearest point of q·L.
template <class F>
double distance_to_coarse(const Point<F>& y) {
  std::array<double, F::dim> scaled, near;
  for (std::size_t i = 0; i < F::dim; ++i) scaled[i] = static_cast<double>(y[i]) / Parts<F>::classes;
  Parts<F>::lattice::nearest(std::span<const double, F::dim>(scaled), std::span<double, F::dim>(near));
  double sum = 0.0;
  for (std::size_t i = 0; i < F::dim; ++i) sum += std::pow(static_cast<double>(y[i]) - Parts<F>::classes * near[i], 2);
  return sum;
}

/// All codes where they are few, otherwise some.
template <class F, class Body>
void for_codes(Body&& body) {
  Rng rng(1);
  for (std::uint64_t k = 0; k < std::min<std::uint64_t>(F::cardinality, 65536); ++k)
    body(F::cardinality <= 65536 ? k : rng.next_u64() % F::cardinality);
}

template <class F>
Point<F> normal_point(Rng& rng, double sigma) {
  Point<F> x;
  for (float& v : x) v = static_cast<float>(sigma * rng.normal());
  return x;
}

template <class F>
double least_distance(const Point<F>& x) {
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t c = 0; c < F::cardinality; ++c) least = std::min(least, distance<F>(x, point<F>(c)));
  return least;
}

template <class F>
double mse(double scale) {
  Rng rng(4);
  double sum = 0.0;
  const std::size_t vectors = 6000;
  for (std::size_t t = 0; t < vectors; ++t) {
    const Point<F> x = normal_point<F>(rng, scale);
    sum += distance<F>(x, point<F>(F{}.encode(x))) / scale / scale;
  }
  return sum / static_cast<double>(vectors * F::dim);
}

using boxes = std::tuple<LatticeBox<lattice::Zn<3>, 3>, LatticeBox<lattice::D4, 2>, LatticeBox<lattice::D4, 4>,
                         LatticeBox<lattice::E8, 2>, LatticeBox<lattice::E8, 8>, LatticeBox<lattice::BarnesWall16, 2>>;
using cells =
    std::tuple<D4Voronoi<3>, D4Voronoi<4>, D4Voronoi<16>, E8Voronoi<3>, E8Voronoi<4>, E8Voronoi<14>,
               VoronoiCode<lattice::E8, 256>, VoronoiCode<lattice::Zn<1>, 256>, VoronoiCode<lattice::Zn<5>, 7>>;
using codebooks = decltype(std::tuple_cat(boxes{}, cells{}));

}  // namespace

TEMPLATE_LIST_TEST_CASE("LatticeBox and VoronoiCode: encode(decode(c)) is c", "[format][lattice]", codebooks) {
  using F = TestType;
  std::size_t wrong = 0;
  for_codes<F>([&](std::uint64_t c) { wrong += F{}.encode(point<F>(c)) == c ? 0 : 1; });
  CHECK(wrong == 0);
}

TEMPLATE_LIST_TEST_CASE("LatticeBox and VoronoiCode: any input gives a code", "[format][lattice]", codebooks) {
  using F = TestType;
  Point<F> zero{};
  for (const float bad : {NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 1e9f, 1e-45f})
    for (std::size_t i = 0; i < F::dim; ++i) {
      Point<F> x{};
      x[i] = bad;
      const std::uint64_t code = F{}.encode(x);
      CHECK((code < F::cardinality || F::code_bits == 64));
      if (std::isnan(bad)) CHECK(code == F{}.encode(zero));
      for (const float v : point<F>(code)) CHECK(std::isfinite(v));
    }
}

TEST_CASE("LatticeBox: of the integers it is rounding and clamping", "[format][lattice]") {
  using F = LatticeBox<lattice::Zn<3>, 3>;
  Rng rng(2);
  for (int t = 0; t < 2000; ++t) {
    const auto x = normal_point<F>(rng, 4.0);
    Point<F> want;
    for (std::size_t i = 0; i < 3; ++i) want[i] = std::fmin(std::fmax(round_half_even(x[i]), -4.0f), 3.0f);
    CHECK(point<F>(F{}.encode(x)) == want);
  }
}

TEMPLATE_TEST_CASE(
    "LatticeBox: nearest where the nearest lattice point is inside; elsewhere within 3 % of a scan on average",
    "[format][lattice]", (LatticeBox<lattice::D4, 2>), (LatticeBox<lattice::D4, 3>)) {
  using F = TestType;
  Rng rng(3);
  double found = 0.0, best = 0.0;
  for (int t = 0; t < 1000; ++t) {
    const auto x = normal_point<F>(rng, 1.5);
    const double least = least_distance<F>(x), here = distance<F>(x, point<F>(F{}.encode(x)));
    Point<F> free;
    lattice::D4::nearest(std::span<const float, 4>(x), std::span<float, 4>(free));
    if (distance<F>(x, free) >= least - 1e-6) CHECK(here == test::Approx(least).epsilon(1e-12));
    found += here;
    best += least;
  }
  CHECK(found >= best);
  CHECK(found <= 1.03 * best);
}

TEMPLATE_LIST_TEST_CASE("VoronoiCode: points are distinct, and none is nearer to another point of q·L than to zero",
                        "[format][lattice]", cells) {
  using F = TestType;
  if constexpr (F::cardinality <= 65536) {
    std::set<Point<F>> distinct;
    for_codes<F>([&](std::uint64_t c) { distinct.insert(point<F>(c)); });
    CHECK(distinct.size() == F::cardinality);
  }
  std::size_t wrong = 0;
  for_codes<F>([&](std::uint64_t c) {
    const auto y = point<F>(c);
    double square = 0.0;
    for (const float v : y) square += static_cast<double>(v) * static_cast<double>(v);
    wrong += distance_to_coarse<F>(y) < square - 1e-9 ? 1 : 0;
  });
  CHECK(wrong == 0);
}

TEMPLATE_TEST_CASE(
    "VoronoiCode: nearest where the nearest lattice point is inside; elsewhere within 8 % of a scan on average",
    "[format][lattice]", D4Voronoi<3>, D4Voronoi<4>) {
  using F = TestType;
  Rng rng(3);
  double found = 0.0, best = 0.0;
  for (int t = 0; t < 1000; ++t) {
    const auto x = normal_point<F>(rng, 1.5);
    const double least = least_distance<F>(x), here = distance<F>(x, point<F>(F{}.encode(x)));
    Point<F> free;
    lattice::D4::nearest(std::span<const float, 4>(x), std::span<float, 4>(free));
    if (distance<F>(x, free) >= least - 1e-6) CHECK(here == test::Approx(least).margin(1e-9));
    found += here;
    best += least;
  }
  CHECK(found >= best);
  CHECK(found <= 1.08 * best);
}

TEST_CASE("VoronoiCode: N(0, 1) at opt_scale errs as stated", "[format][lattice]") {
  CHECK(mse<E8Voronoi<3>>(0.767) == test::Approx(0.1788).epsilon(0.06));
  CHECK(mse<E8Voronoi<4>>(0.971) == test::Approx(0.1034).epsilon(0.06));
  CHECK(mse<E8Voronoi<8>>(1.732) == test::Approx(0.0285).epsilon(0.06));
  CHECK(mse<E8Voronoi<16>>(3.178) == test::Approx(0.0081).epsilon(0.06));
  CHECK(mse<D4Voronoi<4>>(1.198) == test::Approx(0.1111).epsilon(0.06));
  CHECK(mse<D4Voronoi<8>>(2.087) == test::Approx(0.0315).epsilon(0.06));
  CHECK(E8Voronoi<8>::opt_scale == test::Approx(1.732));
  CHECK(E8Voronoi<14>::opt_scale == test::Approx((2.499 + 3.178) / 2.0));
}

}  // namespace lowbit::test::lattice_cells_tests
