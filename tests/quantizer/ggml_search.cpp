// SPDX-License-Identifier: MIT

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <span>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/quantizer/ggml_search.hpp"
#include "lowbit/quantizer/ggml_search_iq4.hpp"
#include "lowbit/quantizer/ggml_search_lanes.hpp"

namespace lowbit::test::ggml_search_tests {
namespace {

/// Super-blocks of many kinds: usual, one-sided, tiny, large, with constant and zero sub-blocks and ties.
std::vector<float> super_block(Rng& rng, int kind) {
  std::vector<float> x(256);
  const float scale = kind % 5 == 1 ? 1e-16f : kind % 5 == 2 ? 3e4f : kind % 5 == 3 ? 1e-33f : 0.02f;
  for (float& v : x) v = scale * static_cast<float>(rng.normal() + (kind % 3 == 1 ? 2.0 : 0.0));
  if (kind % 7 == 2) std::fill(x.begin() + 32, x.begin() + 64, 0.0f);
  if (kind % 7 == 3) std::fill(x.begin() + 64, x.begin() + 96, scale);
  if (kind % 7 == 4) std::fill(x.begin() + 96, x.begin() + 112, -scale);
  if (kind % 7 == 5)
    for (float& v : x) v = std::round(v * 100.0f) / 100.0f;
  return x;
}

template <class T, std::size_t N>
bool same_bits(const std::array<T, N>& a, const std::array<T, N>& b) {
  return std::memcmp(a.data(), b.data(), sizeof a) == 0;
}

TEST_CASE("ggml search: several sub-blocks at once give the bits of one after the other", "[quantizer][ggml]") {
  Rng rng(3);
  std::size_t wrong = 0;
  for (int kind = 0; kind < 1000; ++kind) {
    const std::vector<float> x = super_block(rng, kind);
    std::vector<float> w(256);
    for (std::size_t i = 0; i < 256; ++i)
      w[i] = kind % 4 == 0 ? x[i] * x[i] : kind % 4 == 1 ? std::fabs(x[i]) : static_cast<float>(rng.uniform());
    if (kind % 9 == 0) std::fill(w.begin(), w.begin() + 40, 0.0f);
    const std::size_t columns = kind % 2 == 0 ? 256 : 1 + rng.below(256);  // short super-blocks too
    const auto xs = std::span<const float>(x).first(columns), ws = std::span<const float>(w).first(columns);
    const auto part = [&](std::span<const float> all, std::size_t s, std::size_t size) {
      const std::size_t first = std::min(columns, s * size);
      return all.subspan(first, std::min(size, columns - first));
    };
    std::array<ggml::AffineFit, 8> a, b;
    const ggml::AffineSearch search{-1.0f, 0.1f, 20};
    ggml::make_qkx2_of_each<32, false>(xs, ws, 15, search, a);
    for (std::size_t s = 0; s < 8; ++s) b[s] = ggml::make_qkx2(part(xs, s, 32), part(ws, s, 32), 15, search);
    wrong += same_bits(a, b) ? 0 : 1;
    std::array<ggml::AffineFit, 16> c, d;
    ggml::make_qkx2_of_each<16, true>(xs, ws, 3, {-0.5f, 0.1f, 15}, c);
    for (std::size_t s = 0; s < 16; ++s)
      d[s] = ggml::make_qkx2(part(xs, s, 16), part(ws, s, 16), 3, {-0.5f, 0.1f, 15, true});
    wrong += same_bits(c, d) ? 0 : 1;
    std::array<ggml::SymmetricFit, 16> e, f;
    ggml::make_qx_of_each<16>(xs, ws, 32, e);
    for (std::size_t s = 0; s < 16; ++s) f[s] = ggml::make_qx(part(xs, s, 16), part(ws, s, 16), 32);
    wrong += same_bits(e, f) ? 0 : 1;
    ggml::make_q3_of_each<16>(xs, 4, e);
    for (std::size_t s = 0; s < 16; ++s) f[s] = ggml::make_q3(part(xs, s, 16), 4);
    wrong += same_bits(e, f) ? 0 : 1;
    std::array<float, 8> g, h;
    ggml::make_iq4_of_each<32>(xs, ws, g);
    for (std::size_t s = 0; s < 8; ++s) h[s] = ggml::make_iq4(part(xs, s, 32), part(ws, s, 32));
    wrong += same_bits(g, h) ? 0 : 1;
  }
  CHECK(wrong == 0);
}

struct Sums {
  double w = 0, x = 0, l = 0, l2 = 0, xl = 0;
};
Sums sums(std::span<const float> x, std::span<const float> w, const std::vector<double>& l) {
  Sums s;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto v = static_cast<double>(x[i]), h = static_cast<double>(w[i]);
    s.w += h;
    s.x += h * v;
    s.l += h * l[i];
    s.l2 += h * l[i] * l[i];
    s.xl += h * v * l[i];
  }
  return s;
}

std::vector<float> weights_of(Rng& rng, std::size_t n) {
  std::vector<float> w(n);
  for (float& v : w) v = static_cast<float>(0.1 + rng.uniform());
  return w;
}

std::vector<float> values(Rng& rng, std::size_t n) {
  std::vector<float> x(n);
  for (float& v : x) v = static_cast<float>(rng.normal());
  return x;
}

TEST_CASE("make_qx: its scale is the least-squares scale of its codes, and no tried grid has a larger merit",
          "[quantizer][ggml]") {
  Rng rng(11);
  for (int trial = 0; trial < 300; ++trial)
    for (const int nmax : {4, 8, 16, 32}) {
      const std::size_t n = 1 + rng.below(32);
      const std::vector<float> x = values(rng, n), w = weights_of(rng, n);
      const auto fit = ggml::make_qx(x, w, nmax);
      const auto merit_of = [&](double inverse, double* scale) {
        std::vector<double> l(n);
        for (std::size_t i = 0; i < n; ++i)
          l[i] = std::clamp(std::nearbyint(static_cast<double>(static_cast<float>(inverse) * x[i])), -1.0 * nmax,
                            nmax - 1.0);
        const Sums s = sums(x, w, l);
        *scale = s.xl / s.l2;
        return s.xl * s.xl / s.l2;
      };
      double scale = 0.0, other = 0.0;
      const double merit = merit_of(static_cast<double>(fit.inverse), &scale);
      CHECK(static_cast<double>(fit.scale) == Approx(scale).epsilon(1e-6));
      const float m = ggml::extreme(x);
      for (int k = -9; k <= 9; ++k) {
        const float inverse = -(static_cast<float>(nmax) + 0.1f * static_cast<float>(k)) / m;
        CHECK(merit_of(static_cast<double>(inverse), &other) <= merit * (1.0 + 1e-5));
      }
    }
}

TEST_CASE("make_q3: never less merit than the grid it starts from; the scale is least squares", "[quantizer][ggml]") {
  Rng rng(12);
  std::size_t improved = 0;
  for (int trial = 0; trial < 500; ++trial) {
    const std::vector<float> x = values(rng, 16);
    std::vector<float> w(16);
    for (std::size_t i = 0; i < 16; ++i) w[i] = x[i] * x[i];
    const auto fit = ggml::make_q3(x, 4);
    std::vector<double> l(16);
    for (std::size_t i = 0; i < 16; ++i)
      l[i] = std::clamp(std::nearbyint(static_cast<double>(fit.inverse * x[i])), -4.0, 3.0);
    const Sums s = sums(x, w, l);
    // The error that a scale leaves with the best codes for it bounds the merit from below.
    double energy = 0.0, error = 0.0;
    for (std::size_t i = 0; i < 16; ++i) {
      const auto v = static_cast<double>(x[i]), d = static_cast<double>(fit.scale);
      energy += static_cast<double>(w[i]) * v * v;
      error += static_cast<double>(w[i]) * std::pow(d * std::clamp(std::nearbyint(v / d), -4.0, 3.0) - v, 2);
    }
    CHECK(energy - error >= s.xl * s.xl / s.l2 * (1.0 - 1e-5));
    improved += energy - error > s.xl * s.xl / s.l2 * (1.0 + 1e-4) ? 1 : 0;
  }
  CHECK(improved > 100);
}

TEST_CASE("make_qkx2: no worse than the grid it starts from; scale and min solve the codes' normal equations",
          "[quantizer][ggml]") {
  Rng rng(13);
  std::size_t solved = 0, clamped = 0;
  for (int trial = 0; trial < 400; ++trial)
    for (const int nmax : {3, 15, 31}) {
      std::vector<float> x = values(rng, 32);
      if (trial % 4 == 0)
        for (float& v : x) v += 1.5f;
      const std::vector<float> w = weights_of(rng, 32);
      const auto fit = ggml::make_qkx2(x, w, nmax, {-0.9f, 0.05f, 36});
      CHECK(fit.min >= 0.0f);
      std::vector<double> l(32);
      double low = 0.0, high = static_cast<double>(x[0]), error = 0.0, start = 0.0;
      for (std::size_t i = 0; i < 32; ++i) {
        l[i] = std::clamp(std::nearbyint(static_cast<double>(fit.inverse * (x[i] - fit.low))), 0.0, 1.0 * nmax);
        low = std::min(low, static_cast<double>(x[i]));
        high = std::max(high, static_cast<double>(x[i]));
      }
      const double step = (high - low) / nmax;
      for (std::size_t i = 0; i < 32; ++i) {
        const auto v = static_cast<double>(x[i]), h = static_cast<double>(w[i]);
        error += h * std::pow(static_cast<double>(fit.scale) * l[i] - static_cast<double>(fit.min) - v, 2);
        start += h * std::pow(step * std::nearbyint((v - low) / step) + low - v, 2);
      }
      CHECK(error <= start * (1.0 + 1e-4));
      if (error > start * (1.0 - 1e-6)) continue;  // nothing better was found
      const Sums s = sums(x, w, l);
      const double determinant = s.w * s.l2 - s.l * s.l, offset = (s.l2 * s.x - s.l * s.xl) / determinant;
      if (offset > 0.0) {
        CHECK(fit.min == 0.0f);
        CHECK(static_cast<double>(fit.scale) == Approx(s.xl / s.l2).epsilon(1e-6));
        ++clamped;
      } else {
        // The 2 × 2 system is solved in float: what it costs in error is of second order.
        const double scale = (s.w * s.xl - s.x * s.l) / determinant;
        double best = 0.0;
        for (std::size_t i = 0; i < 32; ++i)
          best += static_cast<double>(w[i]) * std::pow(scale * l[i] + offset - static_cast<double>(x[i]), 2);
        CHECK(error <= best * (1.0 + 1e-6));
        CHECK(static_cast<double>(fit.scale) == Approx(scale).epsilon(1e-4));
        ++solved;
      }
    }
  CHECK(solved > 500);
  CHECK(clamped > 50);
}

TEST_CASE("make_qkx3: x² weighs where nothing else is given", "[quantizer][ggml]") {
  Rng rng(14);
  const std::vector<float> x = values(rng, 32);
  std::vector<float> squares(32);
  for (std::size_t i = 0; i < 32; ++i) squares[i] = x[i] * x[i];
  const auto a = ggml::make_qkx3(x, {}, 15), b = ggml::make_qkx2(x, squares, 15, ggml::weighted_search);
  CHECK(std::memcmp(&a, &b, sizeof a) == 0);
}

TEST_CASE("make_qp: codes and scale of non-negative numbers; no worse than the plain grid", "[quantizer][ggml]") {
  Rng rng(15);
  for (int trial = 0; trial < 300; ++trial)
    for (const int nmax : {15, 63}) {
      const std::size_t n = 1 + rng.below(16);
      std::vector<float> x = values(rng, n);
      for (float& v : x) v = std::fabs(v);
      const std::vector<float> w = weights_of(rng, n);
      std::array<std::uint8_t, 16> codes{};
      const auto scale = static_cast<double>(ggml::make_qp(x, w, nmax, codes.data()));
      std::vector<double> l(codes.begin(), codes.begin() + static_cast<std::ptrdiff_t>(n));
      const Sums s = sums(x, w, l);
      CHECK(scale == Approx(s.xl / s.l2).epsilon(1e-5));
      const double step = static_cast<double>(*std::max_element(x.begin(), x.end())) / nmax;
      double error = 0.0, plain = 0.0;
      for (std::size_t i = 0; i < n; ++i) {
        CHECK(codes[i] <= nmax);
        error += static_cast<double>(w[i]) * std::pow(scale * l[i] - static_cast<double>(x[i]), 2);
        plain += static_cast<double>(w[i]) *
                 std::pow(step * std::nearbyint(static_cast<double>(x[i]) / step) - static_cast<double>(x[i]), 2);
      }
      CHECK(error <= plain * (1.0 + 1e-4) + 1e-12);
    }
  std::array<std::uint8_t, 4> codes{7, 7, 7, 7};
  const std::vector<float> zeros(4, 0.0f), ones(4, 1.0f);
  CHECK(ggml::make_qp(zeros, ones, 63, codes.data()) == 0.0f);
  CHECK(codes == std::array<std::uint8_t, 4>{0, 0, 0, 0});
  CHECK(ggml::make_qp(ones, zeros, 63, codes.data()) == 0.0f);
  CHECK(ggml::make_qp({}, {}, 63, codes.data()) == 0.0f);
}

TEST_CASE("ggml search: groups without values, range or weight give finite fits", "[quantizer][ggml]") {
  const std::vector<float> zeros(32, 0.0f), tiny(32, 1e-40f), constant(32, -2.0f), positive(32, 3.0f), ones(32, 1.0f);
  for (const auto& x : {zeros, tiny, constant, positive})
    for (const auto& w : {zeros, ones})
      for (const std::size_t n : {0, 1, 32}) {
        const auto xs = std::span(x).first(n), ws = std::span(w).first(n);
        const auto a = ggml::make_qkx2(xs, ws, 15, {-1.0f, 0.1f, 20});
        CHECK((std::isfinite(a.scale) && std::isfinite(a.min) && std::isfinite(a.inverse) && std::isfinite(a.low)));
        const auto s = ggml::make_qx(xs, ws, 8);
        CHECK((std::isfinite(s.scale) && std::isfinite(s.inverse)));
        CHECK(std::isfinite(ggml::make_iq4(xs, ws)));
      }
  CHECK(ggml::make_qkx2(positive, ones, 15, {-1.0f, 0.1f, 20}).min == 0.0f);  // a positive minimum counts as 0
  CHECK(ggml::make_qkx2(constant, ones, 15, {-1.0f, 0.1f, 20}).min == 2.0f);
}

}  // namespace
}  // namespace lowbit::test::ggml_search_tests
