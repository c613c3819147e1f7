// SPDX-License-Identifier: MIT
#include "lowbit/quantizer/codebook/glvq.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/kernel/dequantize.hpp"
#include "lowbit/kernel/gemv.hpp"
#include "lowbit/quantizer/nearest.hpp"

namespace lowbit::test::codebook_glvq_tests {
using codebook::Generator;
using codebook::LatticeSearch;

namespace {

using quantizers = std::tuple<Glvq<8, 2>, Glvq<8, 2, true>, Glvq<4, 3, false, 32>, Glvq<8, 8>, Glvq<16, 2, true, 64>,
                              Glvq<32, 2>, Glvq<32, 1, true>>;

std::vector<float> normals(std::size_t count, double sigma, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<float> x(count);
  for (float& v : x) v = static_cast<float>(sigma * rng.normal());
  return x;
}

template <class Q>
std::vector<float> back(const QuantizedMatrix<Q>& m) {
  std::vector<float> w(m.rows() * m.cols());
  dequantize(m.view(), 0, m.rows(), w);
  return w;
}

double nmse(std::span<const float> w, std::span<const float> there) {
  double lost = 0.0, power = 0.0;
  for (std::size_t i = 0; i < w.size(); ++i) {
    lost += std::pow(static_cast<double>(w[i]) - static_cast<double>(there[i]), 2);
    power += std::pow(static_cast<double>(w[i]), 2);
  }
  return lost / power;
}

template <std::size_t Dim>
std::vector<float> skew_basis(std::uint64_t seed) {
  auto G = normals(Dim * Dim, 0.35, seed);
  for (std::size_t i = 0; i < Dim; ++i) G[i * Dim + i] += 1.0f;
  return G;
}

}  // namespace

TEMPLATE_TEST_CASE("IntegerBox: every code comes back, and the nearest point is found", "[format][integer_box]",
                   (IntegerBox<2, 3>), (IntegerBox<2, 3, true>), (IntegerBox<5, 1, true>), (IntegerBox<4, 4>)) {
  using F = TestType;
  std::array<float, F::dim> y;
  for (std::size_t c = 0; c < F::cardinality; ++c) {
    F{}.decode(static_cast<typename F::code_type>(c), y);
    for (const float v : y) REQUIRE((static_cast<double>(v) >= F::least && static_cast<double>(v) <= F::most));
    REQUIRE(F{}.encode(y) == c);
  }
  Rng rng(1);
  for (int t = 0; t < 300; ++t) {
    std::array<float, F::dim> x;
    for (float& v : x) v = static_cast<float>(4.0 * rng.normal());
    F{}.decode(F{}.encode(x), y);
    for (std::size_t i = 0; i < F::dim; ++i) {
      const double at = static_cast<double>(x[i]);
      CHECK(std::fabs(static_cast<double>(y[i]) - std::clamp(at, F::least, F::most)) <= 0.5);
    }
  }
  y.fill(NAN);
  CHECK(F{}.encode(y) == 0);
}

TEST_CASE("Generator: real points of the lattice are found by every search but plain rounding of clamped ones",
          "[quantizer][codebook]") {
  using Box = IntegerBox<8, 3>;
  const auto G = skew_basis<8>(1);
  const Generator<8> lattice{std::span<const float>(G)};
  Rng rng(2);
  for (int t = 0; t < 500; ++t) {
    std::array<double, 8> z, found;
    for (double& v : z) v = static_cast<double>(rng.below(8)) - 4.0;
    const auto v = lattice.point(z);
    for (const auto search : {LatticeSearch::babai, LatticeSearch::nearest_plane, LatticeSearch::refined}) {
      CHECK(lattice.encode<Box>(v, search, found) < 1e-18);
      CHECK(found == z);
    }
  }
}

TEST_CASE("Generator: nearest plane errs less than Babai on average, the refined search less than both, enumeration least",
          "[quantizer][codebook][published]") {
  using Box = IntegerBox<3, 2>;
  double sums[4] = {};
  std::size_t above = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const auto G = skew_basis<3>(seed);
    const Generator<3> lattice{std::span<const float>(G)};
    Rng rng(seed);
    for (int t = 0; t < 200; ++t) {
      std::array<double, 3> v, z;
      for (double& x : v) x = 1.3 * rng.normal();
      double least = HUGE_VAL;
      for (int c = 0; c < 64; ++c) {
        z = {static_cast<double>(c % 4 - 2), static_cast<double>(c / 4 % 4 - 2), static_cast<double>(c / 16 - 2)};
        const auto y = lattice.point(z);
        double e = 0.0;
        for (std::size_t i = 0; i < 3; ++i) e += (y[i] - v[i]) * (y[i] - v[i]);
        least = std::min(least, e);
      }
      const double errors[] = {lattice.encode<Box>(v, LatticeSearch::babai, z),
                               lattice.encode<Box>(v, LatticeSearch::nearest_plane, z),
                               lattice.encode<Box>(v, LatticeSearch::refined, z), least};
      for (int k = 0; k < 4; ++k) sums[k] += errors[k];
      above += errors[2] > errors[0] * (1 + 1e-12) || errors[2] > errors[1] * (1 + 1e-12) || least > errors[2] * (1 + 1e-12) + 1e-15;
    }
  }
  CHECK(above == 0);
  CHECK(sums[1] < sums[0]);
  CHECK(sums[2] < sums[1]);
  CHECK(sums[2] < 1.15 * sums[3]);
}

TEST_CASE("Generator: singular and empty bases, NaN and huge points give coordinates in the box", "[quantizer][codebook]") {
  using Box = IntegerBox<4, 2, true>;
  std::vector<float> G(16, 0.0f);
  for (const int kind : {0, 1, 2}) {
    if (kind == 1) std::fill(G.begin(), G.end(), 1.0f);
    if (kind == 2) std::fill(G.begin(), G.end(), 1e30f);
    const Generator<4> lattice{std::span<const float>(G)};
    for (const double x : {0.0, 1.0, 1e300, static_cast<double>(NAN), static_cast<double>(INFINITY)})
      for (const auto search : {LatticeSearch::babai, LatticeSearch::nearest_plane, LatticeSearch::refined}) {
        std::array<double, 4> v{}, z;
        v[1] = x;
        lattice.encode<Box>(v, search, z);
        for (const double c : z) CHECK((c == -1.5 || c == -0.5 || c == 0.5 || c == 1.5));
      }
  }
}

TEST_CASE("reduce_basis: the same lattice, shorter vectors", "[quantizer][codebook]") {
  Rng rng(3);
  for (int t = 0; t < 20; ++t) {
    // A unimodular map of Z^6: products of shears.
    std::array<std::array<double, 6>, 6> U{};
    for (std::size_t i = 0; i < 6; ++i) U[i][i] = 1.0;
    for (int k = 0; k < 12; ++k) {
      const std::size_t a = rng.below(6), b = rng.below(6);
      const double sign = rng.below(2) == 0 ? 1.0 : -1.0;
      if (a != b)
        for (std::size_t i = 0; i < 6; ++i) U[i][a] += sign * U[i][b];
    }
    std::vector<float> G(36);
    for (std::size_t i = 0; i < 36; ++i) G[i] = static_cast<float>(U[i / 6][i % 6]);
    codebook::reduce_basis<6>(G);
    double longest = 0.0;
    for (std::size_t j = 0; j < 6; ++j) {
      double square = 0.0;
      for (std::size_t i = 0; i < 6; ++i) square += static_cast<double>(G[i * 6 + j]) * static_cast<double>(G[i * 6 + j]);
      longest = std::max(longest, square);
    }
    CHECK(longest <= 2.0);  // of Z^6, whose vectors have length 1
    for (const float v : G) CHECK(v == std::nearbyint(v));
    // Unimodular: every unit vector has integer coordinates.
    const Generator<6> lattice{std::span<const float>(G)};
    for (std::size_t i = 0; i < 6; ++i) {
      std::array<double, 6> v{}, z;
      v[i] = 1.0;
      CHECK(lattice.encode<IntegerBox<6, 8>>(v, LatticeSearch::babai, z) < 1e-12);
    }
  }
  std::vector<float> dependent = {1, 2, 2, 4};
  const auto before = dependent;
  codebook::reduce_basis<2>(dependent);
  CHECK(dependent == before);
}

TEST_CASE("mu_law: inverse of its inverse, odd, and the identity at 0", "[quantizer][codebook]") {
  for (const double mu : {0.0, 10.0, 100.0, 255.0})
    for (const double x : {0.0, 1e-9, 0.01, 0.3, 1.0, 4.0}) {
      CHECK(mu_law_inverse(mu_law(x, mu), mu) == test::Approx(x).epsilon(1e-12));
      CHECK(mu_law(-x, mu) == -mu_law(x, mu));
    }
  CHECK(mu_law(1.0, 255.0) == test::Approx(1.0));
  CHECK(mu_law(0.5, 0.0) == 0.5);
}

TEST_CASE("Glvq: multiples of the identity without companding are symmetric uniform quantization",
          "[quantizer][codebook][published]") {
  const std::size_t rows = 5, cols = 300;
  const auto w = normals(rows * cols, 1.0, 4);
  const auto check = [&](auto q, int bits) {
    using Q = decltype(q);
    q.row_scale = GlvqRowScale::one;
    for (const auto search : {LatticeSearch::babai, LatticeSearch::nearest_plane, LatticeSearch::refined}) {
      q.search = search;
      QuantizedMatrix<Q> m(rows, cols, q);
      const float s = 0.37f;
      for (std::size_t b = 0; b < m.shared().size(); b += Q::block_floats) {
        for (std::size_t i = 0; i < Q::dim; ++i) m.shared()[b + i * Q::dim + i] = s;
        m.shared()[b + Q::dim * Q::dim + 1] = 1.0f;
      }
      std::vector<typename Q::code_type> codes(ceil_div(cols, Q::dim));
      for (std::size_t r = 0; r < rows; ++r) {
        const auto row = std::span(w).subspan(r * cols, cols);
        m.set_params(r, 0, q.fit(row));
        m.view().group_quantizer(r, 0).quantize_group(row, m.group_params(r, 0), codes);
        m.set_row_codes(r, codes);
      }
      const auto there = back(m);
      const double top = static_cast<double>(1 << (bits - 1));
      for (std::size_t i = 0; i < w.size(); ++i) {
        const double z = std::clamp(std::nearbyint(static_cast<double>(w[i]) / static_cast<double>(s)), -top, top - 1.0);
        CHECK(there[i] == s * static_cast<float>(z));
      }
    }
  };
  check(Glvq<8, 2>{}, 2);
  check(Glvq<4, 4, false, 32>{}, 4);
  check(Glvq<32, 2>{}, 2);
}

TEMPLATE_LIST_TEST_CASE("Glvq: every shape holds together, zeros come back, the same bytes again",
                        "[quantizer][codebook]", quantizers) {
  using Q = TestType;
  for (const auto [rows, cols] : {std::array<std::size_t, 2>{1, 1}, {1, 7}, {3, 33}, {2, 129}, {4, 300}, {0, 4}, {4, 0}}) {
    auto w = normals(rows * cols, 0.02, rows + cols);
    if (rows > 1) std::fill(w.begin() + static_cast<std::ptrdiff_t>(cols), w.begin() + static_cast<std::ptrdiff_t>(2 * cols), 0.0f);
    const auto m = quantize_nearest(Q{}, w, rows, cols).value(), again = quantize_nearest(Q{}, w, rows, cols).value();
    CHECK(m.view().consistent());
    const auto there = back(m);
    CHECK((w.empty() || nmse(w, there) < 0.9));
    if (rows > 1)
      for (std::size_t c = 0; c < cols; ++c) CHECK(there[cols + c] == 0.0f);
    CHECK(std::equal(m.codes().begin(), m.codes().end(), again.codes().begin()));
    CHECK(std::equal(m.shared().begin(), m.shared().end(), again.shared().begin()));
  }
}

TEMPLATE_LIST_TEST_CASE("Glvq: weights on the lattice come back; the codes of a row are those of its vectors",
                        "[quantizer][codebook]", quantizers) {
  using Q = TestType;
  const std::size_t rows = 3, cols = 2 * Q::sub_group;
  const auto w = normals(rows * cols, 0.02, 6);
  const auto m = quantize_nearest(Q{}, w, rows, cols).value();
  const Q q = m.view().group_quantizer(1, 0);
  const auto p = m.group_params(1, 0);
  CHECK(q.load(q.store(p), 0) == p);
  std::vector<typename Q::code_type> codes(cols / Q::dim);
  m.row_codes(1, codes);
  for (std::size_t c = 0; c < cols; c += Q::dim) {
    const auto point = point_params(q, p, c);
    CHECK(q.quantize(std::span<const float, Q::dim>(w.data() + cols + c, Q::dim), point) == codes[c / Q::dim]);
    std::array<float, Q::dim> x, y;
    q.dequantize(codes[c / Q::dim], point, x);
    q.dequantize(q.quantize(x, point), point, y);
    CHECK(x == y);
  }
}

TEST_CASE("Glvq: the product of a packed matrix is that of the weights it stands for, companded ones too",
          "[quantizer][codebook]") {
  for (const auto [rows, cols] : {std::array<std::size_t, 2>{1, 1}, {3, 129}, {5, 264}})
    for (const float mu : {0.0f, 50.0f}) {
      auto m = quantize_nearest(Glvq<8, 3>{}, normals(rows * cols, 0.02, 3), rows, cols).value();
      for (std::size_t b = 0; b < m.shared().size(); b += 66) m.shared()[b + 64] = mu;
      const auto there = back(m), x = normals(cols, 1.0, 9);
      std::vector<float> y(rows);
      gemv(m.view(), x, y);
      for (std::size_t r = 0; r < rows; ++r) {
        double sum = 0.0, bound = 0.0;
        for (std::size_t c = 0; c < cols; ++c) {
          const double term = static_cast<double>(there[r * cols + c]) * static_cast<double>(x[c]);
          sum += term;
          bound += std::fabs(term);
        }
        CHECK(std::fabs(static_cast<double>(y[r]) - sum) <= 1e-5 * bound);
      }
    }
}

TEST_CASE("Glvq: N(0, 1) at two and three bits errs as uniform quantization does, in halves as the symmetric one",
          "[quantizer][codebook]") {
  const auto w = normals(32 * 512, 1.0, 7);
  CHECK(nmse(w, back(quantize_nearest(Glvq<8, 2>{}, w, 32, 512).value())) == test::Approx(0.147).epsilon(0.03));
  CHECK(nmse(w, back(quantize_nearest(Glvq<8, 2, true>{}, w, 32, 512).value())) == test::Approx(0.119).epsilon(0.03));
  CHECK(nmse(w, back(quantize_nearest(Glvq<8, 3>{}, w, 32, 512).value())) == test::Approx(0.0405).epsilon(0.04));
  const auto m = quantize_nearest(Glvq<8, 2>{}, w, 32, 512).value();
  CHECK(m.bits_per_weight() == 2.0 + 16.0 / 512 + 32.0 * 66 / (32 * 128));
  const std::vector<float> huge(16, 1e9f);
  CHECK(quantize_nearest(Glvq<8, 2>{}, huge, 1, 16).error().code == Errc::not_finite);
}

}  // namespace lowbit::test::codebook_glvq_tests
