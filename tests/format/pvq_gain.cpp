// SPDX-License-Identifier: MIT
#include "lowbit/format/pvq_gain.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"

namespace lowbit::test::pvq_gain_tests {

namespace {

/// Mean of x^power under a density.
double mean_power(const gain::Density& density, double power) {
  double mass = 0.0, sum = 0.0;
  for (std::size_t i = 0; i < density.cells.size(); ++i) {
    const double x = density.low + density.width * (static_cast<double>(i) + 0.5);
    mass += density.cells[i];
    sum += density.cells[i] * std::pow(x, power);
  }
  return sum / mass;
}

std::vector<float> levels_for(std::size_t D, std::size_t length, std::size_t count) {
  std::vector<float> levels(count);
  gain::lloyd_levels(gain::beta_density(D, length), levels);
  return levels;
}

double error_of(std::span<const float> levels, std::span<const double> samples) {
  double sum = 0.0;
  for (const double x : samples) {
    double least = std::numeric_limits<double>::infinity();
    for (const float g : levels) least = std::min(least, std::pow(x - static_cast<double>(g), 2));
    sum += least;
  }
  return sum / static_cast<double>(samples.size());
}

/// Lengths of the blocks of D elements of isotropic rows of d, in units of the row's root mean square.
std::vector<double> block_lengths(std::size_t D, std::size_t d, int rows) {
  Rng rng(D, d);
  std::vector<double> out;
  for (int r = 0; r < rows; ++r) {
    std::vector<double> blocks(d / D, 0.0);
    double total = 0.0;
    for (std::size_t i = 0; i < d; ++i) {
      const double x = rng.normal();
      blocks[i / D] += x * x;
      total += x * x;
    }
    for (const double b : blocks) out.push_back(std::sqrt(b / total * static_cast<double>(d)));
  }
  return out;
}

template <class F>
using Point = std::array<float, F::dim>;

template <class F>
Point<F> decoded(std::uint64_t code) {
  Point<F> y{};
  F{}.decode(static_cast<typename F::code_type>(code), std::span<float, F::dim>(y));
  return y;
}
template <class F>
std::uint64_t encoded(const Point<F>& x) {
  return F{}.encode(std::span<const float, F::dim>(x));
}

template <class F>
std::size_t wrong_codes() {
  std::size_t wrong = 0;
  std::vector<Point<F>> points(F::cardinality);
  for (std::size_t c = 0; c < points.size(); ++c) {
    points[c] = decoded<F>(c);
    wrong += encoded<F>(points[c]) == c ? 0 : 1;
  }
  Rng rng(F::cardinality);
  for (int draw = 0; draw < 400; ++draw) {
    Point<F> x{};
    for (float& v : x) v = static_cast<float>(rng.normal() * (draw % 4 == 0 ? 3.0 : draw % 4 == 1 ? 0.3 : 1.0));
    const auto distance = [&](const Point<F>& p) {
      double sum = 0.0;
      for (std::size_t i = 0; i < F::dim; ++i) sum += std::pow(static_cast<double>(x[i]) - static_cast<double>(p[i]), 2);
      return sum;
    };
    double least = std::numeric_limits<double>::infinity(), square = 0.0;
    for (const auto& p : points) least = std::min(least, distance(p));
    for (const float v : x) square += static_cast<double>(v) * static_cast<double>(v);
    wrong += distance(points[encoded<F>(x)]) > least + 1e-5 * (square + 1.0) ? 1 : 0;
  }
  return wrong;
}

}  // namespace

TEST_CASE("beta_density: the mean square of a block's length is its dimension, in rows of any length",
          "[format][gain]") {
  for (const std::size_t D : {1, 2, 8, 16, 64})
    for (const std::size_t d : {4 * D, 16 * D, std::size_t{1} << 20}) {
      INFO("D " << D << " d " << d);
      CHECK(mean_power(gain::beta_density(D, d), 2.0) == test::Approx(static_cast<double>(D)).epsilon(2e-3));
    }
  CHECK(mean_power(gain::beta_density(16, 4096, 0.5), 2.0) == test::Approx(4.0).epsilon(2e-3));
}

TEST_CASE("lloyd_levels: for one dimension they are the positive half of Max's quantizers of N(0, 1)",
          "[format][gain][published]") {
  const std::vector<float> two = levels_for(1, std::size_t{1} << 20, 2), four = levels_for(1, std::size_t{1} << 20, 4);
  const double max2[] = {0.4528, 1.510}, max4[] = {0.2451, 0.7560, 1.344, 2.152};  // Max 1960, N = 4 and 8
  for (std::size_t i = 0; i < 2; ++i) CHECK(static_cast<double>(two[i]) == test::Approx(max2[i]).epsilon(1e-3));
  for (std::size_t i = 0; i < 4; ++i) CHECK(static_cast<double>(four[i]) == test::Approx(max4[i]).epsilon(1e-3));
}

TEST_CASE("lloyd_levels: levels ascend, and every one is the mean of what is nearest to it", "[format][gain]") {
  for (const std::size_t count : {1, 2, 7, 16, 256}) {
    const gain::Density density = gain::beta_density(16, 4096);
    std::vector<float> levels(count);
    gain::lloyd_levels(density, levels);
    std::vector<double> mass(count, 0.0), moment(count, 0.0);
    for (std::size_t i = 0; i < density.cells.size(); ++i) {
      const double x = density.low + density.width * (static_cast<double>(i) + 0.5);
      std::size_t at = 0;
      for (std::size_t j = 1; j < count; ++j)
        if (std::fabs(x - static_cast<double>(levels[j])) < std::fabs(x - static_cast<double>(levels[at]))) at = j;
      mass[at] += density.cells[i];
      moment[at] += density.cells[i] * x;
    }
    std::size_t wrong = 0;
    for (std::size_t j = 0; j < count; ++j) {
      wrong += j != 0 && !(levels[j] > levels[j - 1]) ? 1 : 0;
      wrong += std::fabs(moment[j] / mass[j] - static_cast<double>(levels[j])) > density.width ? 1 : 0;
    }
    INFO(count << " levels");
    CHECK(wrong == 0);
  }
}

TEST_CASE("lloyd_levels: lengths of short rows err less with the levels of their own law", "[format][gain]") {
  const std::vector<double> samples = block_lengths(16, 64, 4000);
  const double own = error_of(levels_for(16, 64, 8), samples), other = error_of(levels_for(16, 1 << 20, 8), samples);
  CHECK(own < other);
  CHECK(own == test::Approx(error_of(levels_for(16, 64, 8), block_lengths(16, 64, 1000))).epsilon(0.1));
  // The law is that of the samples: levels learned from them do as well, no better.
  std::vector<float> measured(samples.begin(), samples.end()), learned(8);
  gain::lloyd_levels(gain::Density::of_samples(measured), learned);
  CHECK(error_of(learned, samples) == test::Approx(own).epsilon(0.02));
}

TEST_CASE("lloyd_levels: more levels err less, a row of one block has levels too", "[format][gain]") {
  const std::vector<double> samples = block_lengths(8, 1024, 60);
  double before = 10.0;
  for (const std::size_t count : {1, 2, 4, 16, 64}) {
    const double error = error_of(levels_for(8, 1024, count), samples);
    CHECK(error < 0.6 * before);
    before = error;
  }
  for (const std::size_t d : {1, 5, 16, 17}) {
    const std::vector<float> levels = levels_for(16, d, 5);
    for (std::size_t j = 0; j < 5; ++j) {
      CHECK((levels[j] > 0.0f && levels[j] <= std::sqrt(17.0f)));
      if (j != 0) CHECK(levels[j] > levels[j - 1]);
    }
  }
}

TEST_CASE("Density: samples that are no lengths count for nothing, none at all give levels in order",
          "[format][gain]") {
  const float nan = std::nanf(""), inf = std::numeric_limits<float>::infinity();
  const std::vector<float> some = {1.0f, 2.0f, nan, inf, -3.0f}, none = {nan, -1.0f};
  std::vector<float> levels(2);
  gain::lloyd_levels(gain::Density::of_samples(some), levels);
  CHECK(levels[0] == test::Approx(1.0).epsilon(1e-3));
  CHECK(levels[1] == test::Approx(2.0).epsilon(1e-3));
  gain::lloyd_levels(gain::Density::of_samples(none), levels);
  CHECK((std::isfinite(levels[0]) && levels[0] <= levels[1]));
}

TEST_CASE("PvqGain: every code comes back from its point, and no point is nearer than the one chosen",
          "[format][pvq]") {
  CHECK(wrong_codes<PvqGain<4, 3, 2>>() == 0);
  CHECK(wrong_codes<PvqGain<3, 4, 5>>() == 0);
  CHECK(wrong_codes<PvqGain<2, 4, 16>>() == 0);
  CHECK(wrong_codes<PvqGain<6, 2, 1>>() == 0);
}

TEST_CASE("PvqGain: zero has a code of its own, and codes that are none are zero", "[format][pvq]") {
  using F = PvqGain<4, 3, 2>;
  STATIC_REQUIRE((F::zero_code == 176 && F::cardinality == 177));
  CHECK(F::name == "pvq_d4k3g2");
  CHECK(encoded<F>({0, 0, 0, 0}) == F::zero_code);
  CHECK(encoded<F>({1e-3f, 0, -1e-3f, 0}) == F::zero_code);
  CHECK(encoded<F>({std::nanf(""), 0, 0, 0}) == F::zero_code);
  for (const unsigned code : {176u, 177u, 255u}) CHECK(decoded<F>(code) == Point<F>{0, 0, 0, 0});
  using G = PvqGain<16, 49, 14>;
  Rng rng(5);
  std::size_t wrong = 0;
  for (int i = 0; i < 200; ++i) {
    const std::uint64_t code = rng.below(G::cardinality);
    wrong += encoded<G>(decoded<G>(code)) == code ? 0 : 1;
  }
  CHECK(wrong == 0);
}

}  // namespace lowbit::test::pvq_gain_tests
