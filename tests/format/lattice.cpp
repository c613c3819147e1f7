// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/format/lattice/barnes_wall.hpp"
#include "lowbit/format/lattice/batch.hpp"
#include "lowbit/format/lattice/checkerboard.hpp"
#include "lowbit/format/lattice/gosset.hpp"
#include "lowbit/format/lattice/integer.hpp"
#include "lowbit/format/lattice/leech.hpp"

namespace lowbit::test::lattice_tests {
using namespace lowbit::lattice;

namespace {

template <class L>
using Vector = std::array<double, L::dim>;

template <class L>
Vector<L> nearest(const Vector<L>& x) {
  Vector<L> y;
  L::nearest(std::span<const double, L::dim>(x), std::span<double, L::dim>(y));
  return y;
}

template <class L>
double distance(const Vector<L>& a, const Vector<L>& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < L::dim; ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

/// Every lattice point within a radius, from the basis alone: Gram–Schmidt, then coordinates from the last on, each
/// within what the others leave of the radius (Fincke and Pohst).
template <class L>
class Enumeration {
 public:
  Enumeration() {
    for (std::size_t i = 0; i < L::dim; ++i) {
      orthogonal_[i] = L::basis[i];
      for (std::size_t j = 0; j < i; ++j) {
        double dot = 0.0;
        for (std::size_t k = 0; k < L::dim; ++k) dot += L::basis[i][k] * orthogonal_[j][k];
        mu_[i][j] = dot / norm_[j];
        for (std::size_t k = 0; k < L::dim; ++k) orthogonal_[i][k] -= mu_[i][j] * orthogonal_[j][k];
      }
      norm_[i] = 0.0;
      for (const double v : orthogonal_[i]) norm_[i] += v * v;
    }
  }
  /// Points at most sqrt(square) from x.
  std::size_t count(const Vector<L>& x, double square) {
    for (std::size_t i = 0; i < L::dim; ++i) {
      double dot = 0.0;
      for (std::size_t k = 0; k < L::dim; ++k) dot += x[k] * orthogonal_[i][k];
      target_[i] = dot / norm_[i];
    }
    return below(L::dim, square);
  }

 private:
  std::size_t below(std::size_t level, double square) {
    if (level == 0) return 1;
    const std::size_t i = level - 1;
    double center = target_[i];
    for (std::size_t j = level; j < L::dim; ++j) center -= coefficient_[j] * mu_[j][i];
    const double reach = std::sqrt(square / norm_[i]);
    std::size_t found = 0;
    for (double z = std::ceil(center - reach); z <= center + reach; z += 1.0) {
      coefficient_[i] = z;
      const double left = square - (z - center) * (z - center) * norm_[i];
      if (left >= 0.0) found += below(i, left);
    }
    return found;
  }
  std::array<Vector<L>, L::dim> orthogonal_{}, mu_{};
  Vector<L> norm_{}, target_{}, coefficient_{};
};

template <class L>
Vector<L> random_point(Rng& rng) {
  Vector<L> x{};
  for (const auto& row : L::basis) {
    const double z = static_cast<double>(rng.below(9)) - 4.0;
    for (std::size_t i = 0; i < L::dim; ++i) x[i] += z * row[i];
  }
  return x;
}

using small_lattices = std::tuple<Zn<1>, Zn<3>, Zn<8>, Dn<2>, Dn<3>, D4, Dn<8>, E8>;
using lattices = decltype(std::tuple_cat(small_lattices{}, std::tuple<Dn<16>, BarnesWall16, Leech24>{}));

}  // namespace

TEMPLATE_LIST_TEST_CASE("lattices: the rows of the basis are points and its determinant is the volume",
                        "[format][lattice]", lattices) {
  using L = TestType;
  auto rows = L::basis;
  for (const auto& row : rows) {
    CHECK(L::contains(row));
    CHECK(nearest<L>(row) == row);
  }
  double determinant = 1.0;  // by elimination, with the largest pivot
  for (std::size_t c = 0; c < L::dim; ++c) {
    std::size_t pivot = c;
    for (std::size_t r = c; r < L::dim; ++r)
      if (std::fabs(rows[r][c]) > std::fabs(rows[pivot][c])) pivot = r;
    std::swap(rows[c], rows[pivot]);
    determinant *= rows[c][c];
    for (std::size_t r = c + 1; r < L::dim; ++r) {
      const double f = rows[r][c] / rows[c][c];
      for (std::size_t k = c; k < L::dim; ++k) rows[r][k] -= f * rows[c][k];
    }
  }
  CHECK(std::fabs(determinant) == test::Approx(L::volume).epsilon(1e-9));
}

TEMPLATE_LIST_TEST_CASE("lattices: enumeration finds no point nearer than nearest, for 10^5 points",
                        "[format][lattice]", small_lattices) {
  using L = TestType;
  Enumeration<L> all;
  Rng rng(L::dim);
  std::size_t nearer = 0, none = 0, outside = 0, far = 0;
  for (int t = 0; t < 100000; ++t) {
    Vector<L> x;
    std::array<float, L::dim> single, rounded;
    for (std::size_t i = 0; i < L::dim; ++i) {
      single[i] = static_cast<float>(t % 2 == 0 ? 3.0 * rng.normal() : 2.0 * rng.uniform());
      x[i] = static_cast<double>(single[i]);
    }
    const Vector<L> y = nearest<L>(x);
    const double square = distance<L>(x, y);
    nearer += square > 1e-9 ? all.count(x, square - 1e-9) : 0;
    if (t % 16 == 0) none += all.count(x, square + 1e-9) == 0 ? 1 : 0;
    outside += L::contains(y) ? 0 : 1;
    L::nearest(std::span<const float, L::dim>(single), std::span<float, L::dim>(rounded));
    Vector<L> wide;
    std::copy(rounded.begin(), rounded.end(), wide.begin());
    outside += L::contains(wide) ? 0 : 1;
    far += distance<L>(x, wide) > square + 1e-5 ? 1 : 0;
  }
  CHECK(nearer == 0);
  CHECK(none == 0);  // the enumeration sees nearest's own point
  CHECK(outside == 0);
  CHECK(far == 0);
}

TEST_CASE("BarnesWall16: enumeration finds no point nearer than nearest", "[format][lattice]") {
  using L = BarnesWall16;
  Enumeration<L> all;
  Rng rng(5);
  for (int t = 0; t < 60; ++t) {
    Vector<L> x;
    for (double& v : x) v = 4.0 * rng.uniform();
    const double square = distance<L>(x, nearest<L>(x));
    CHECK(all.count(x, square - 1e-9) == 0);
    CHECK(all.count(x, square + 1e-9) == 1);
  }
}

TEST_CASE("Leech24: nearest is the best of 8192 shifts of 4·D24, each taken on its own", "[format][lattice]") {
  using L = Leech24;
  Rng rng(6);
  for (int t = 0; t < 200; ++t) {
    Vector<L> x;
    for (double& v : x) v = 8.0 * rng.uniform();
    double least = 1e300;
    for (unsigned m = 0; m < 2; ++m)
      for (const std::uint32_t c : Golay24::codewords) {
        double sum = 0.0, repair = 1e300, z = 0.0;
        for (std::size_t i = 0; i < 24; ++i) {
          const double shift = m + 2.0 * (c >> i & 1u), u = (x[i] - shift) / 4.0, w = std::floor(u + 0.5);
          sum += 16.0 * (u - w) * (u - w);
          repair = std::min(repair, 16.0 * (1.0 - 2.0 * std::fabs(u - w)));
          z += w;
        }
        if (std::fmod(std::fabs(z), 2.0) != m) sum += repair;
        least = std::min(least, sum);
      }
    const auto y = nearest<L>(x);
    CHECK(L::contains(y));
    CHECK(distance<L>(x, y) == test::Approx(least).epsilon(1e-12));
  }
}

TEMPLATE_LIST_TEST_CASE("lattices: nearest(x + l) is nearest(x) + l", "[format][lattice]", lattices) {
  using L = TestType;
  Rng rng(8);
  const int trials = L::dim > 8 ? 200 : 5000;
  std::size_t wrong = 0;
  for (int t = 0; t < trials; ++t) {
    const Vector<L> l = random_point<L>(rng);
    Vector<L> x, moved;
    for (std::size_t i = 0; i < L::dim; ++i) {
      x[i] = static_cast<double>(rng.below(1 << 24)) * 0x1p-21;
      moved[i] = x[i] + l[i];
    }
    Vector<L> want = nearest<L>(x);
    for (std::size_t i = 0; i < L::dim; ++i) want[i] += l[i];
    wrong += nearest<L>(moved) == want ? 0 : 1;
  }
  CHECK(wrong == 0);
}

TEMPLATE_LIST_TEST_CASE("lattices: the normalized second moment is within 1 % of the published one",
                        "[format][lattice][published]", lattices) {
  using L = TestType;
  Rng rng(11);
  const std::size_t vectors = L::dim == 24 ? 2500 : L::dim == 16 ? 12000 : 400000 / L::dim;
  double sum = 0.0;
  for (std::size_t t = 0; t < vectors; ++t) {
    Vector<L> x;
    for (double& v : x) v = 8.0 * rng.uniform();  // 8·Z^n is part of every lattice here: uniform over its cells
    sum += distance<L>(x, nearest<L>(x));
  }
  const auto n = static_cast<double>(L::dim);
  CHECK(sum / static_cast<double>(vectors) / n / std::pow(L::volume, 2.0 / n) ==
        test::Approx(L::second_moment).epsilon(0.01));
}

TEST_CASE("lattices: shells hold as many vectors as published", "[format][lattice][published]") {
  CHECK(Enumeration<D4>{}.count({}, 2.001) == 1 + 24);
  CHECK(Enumeration<D4>{}.count({}, 4.001) == 1 + 24 + 24);
  CHECK(Enumeration<E8>{}.count({}, 2.001) == 1 + 240);
  CHECK(Enumeration<E8>{}.count({}, 4.001) == 1 + 240 + 2160);
  CHECK(Enumeration<BarnesWall16>{}.count({}, 8.001) == 1 + 4320);
}

TEST_CASE("Golay24: words of weight 0, 8, 12, 16, 24 number 1, 759, 2576, 759, 1", "[format][lattice][published]") {
  std::array<int, 25> words{};
  for (const std::uint32_t c : Golay24::codewords) ++words[static_cast<std::size_t>(std::popcount(c))];
  std::array<int, 25> want{};
  want[0] = want[24] = 1;
  want[8] = want[16] = 759;
  want[12] = 2576;
  CHECK(words == want);
}

TEST_CASE("Leech24: shell 1 has 1104 + 97152 + 98304 vectors", "[format][lattice][published]") {
  std::size_t fours = 0, twos = 0, threes = 0;
  for (std::size_t i = 0; i < 24; ++i)
    for (std::size_t j = i + 1; j < 24; ++j)
      for (int s = 0; s < 4; ++s) {
        std::array<double, 24> x{};
        x[i] = s % 2 == 0 ? 4.0 : -4.0;
        x[j] = s / 2 == 0 ? 4.0 : -4.0;
        fours += Leech24::contains(x) ? 1 : 0;
      }
  Rng rng(3);
  std::size_t moved = 0;
  const auto comes_back = [&](const std::array<double, 24>& x) {
    auto near = x;  // less than half of the minimal distance away
    for (double& v : near) v += 1.0 * (rng.uniform() - 0.5);
    moved += nearest<Leech24>(near) == x ? 0 : 1;
  };
  for (const std::uint32_t c : Golay24::codewords) {
    if (std::popcount(c) == 8)
      for (unsigned signs = 0; signs < 256; ++signs) {
        std::array<double, 24> x{};
        unsigned bit = 0;
        for (std::size_t i = 0; i < 24; ++i)
          if ((c >> i & 1u) != 0) x[i] = (signs >> bit++ & 1u) != 0 ? -2.0 : 2.0;
        const bool in = Leech24::contains(x);
        twos += in ? 1 : 0;
        if (in && rng.below(1000) == 0) comes_back(x);
      }
    for (std::size_t at = 0; at < 24; ++at)
      for (const double three : {3.0, -3.0}) {
        std::array<double, 24> x;
        for (std::size_t i = 0; i < 24; ++i) x[i] = (c >> i & 1u) != 0 ? -1.0 : 1.0;
        x[at] = three;
        const bool in = Leech24::contains(x);
        threes += in ? 1 : 0;
        if (in && rng.below(1000) == 0) comes_back(x);
      }
  }
  CHECK(fours == 1104);
  CHECK(twos == 97152);
  CHECK(threes == 98304);
  CHECK(moved == 0);
}

TEMPLATE_TEST_CASE("nearest_batch: the same bits as one vector at a time, for every number of vectors, in place too",
                   "[format][lattice]", D4, Dn<8>, E8, Zn<4>, BarnesWall16) {
  using L = TestType;
  Rng rng(12);
  for (std::size_t n = 0; n <= 37; ++n)
    for (const double spread : {0.3, 5.0, 3e5}) {
      std::vector<float> x(n * L::dim), y(x.size(), -1.0f), want(x.size());
      for (float& v : x) {
        v = static_cast<float>(spread * rng.normal());
        if (rng.below(3) == 0) v = std::round(4.0f * v) / 4.0f;  // ties
        if (rng.below(50) == 0) v = rng.below(2) == 0 ? -0.0f : std::numeric_limits<float>::denorm_min();
      }
      nearest_batch_scalar<L>(x, want);
      nearest_batch<L>(x, y);
      CHECK((x.empty() || std::memcmp(y.data(), want.data(), 4 * x.size()) == 0));
      nearest_batch<L>(x, x);
      CHECK(x == want);
    }
}

TEMPLATE_LIST_TEST_CASE("lattices: NaN, infinities and huge numbers do not disturb what comes next",
                        "[format][lattice]", lattices) {
  using L = TestType;
  Vector<L> x{};
  const auto usual = nearest<L>(x);
  for (const double bad : {std::nan(""), HUGE_VAL, -HUGE_VAL, 1e300, -1e300, 0x1p53, 0x1p24 + 1.0, 5e-324}) {
    for (std::size_t i = 0; i < L::dim; i += 3) {
      Vector<L> odd = x;
      odd[i] = bad;
      const auto y = nearest<L>(odd);
      if (std::isfinite(bad))
        for (const double v : y) CHECK(std::isfinite(v));
      std::array<float, L::dim> single{}, rounded;
      single[i] = static_cast<float>(bad);
      L::nearest(std::span<const float, L::dim>(single), std::span<float, L::dim>(rounded));
    }
  }
  CHECK(nearest<L>(x) == usual);
  for (const double v : usual) CHECK(v == 0.0);
}

}  // namespace lowbit::test::lattice_tests
