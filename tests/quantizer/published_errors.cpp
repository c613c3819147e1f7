// SPDX-License-Identifier: MIT
#include <cmath>
#include <string>
#include <vector>

#include "catch.hpp"
#include "lowbit/kernel/dequantize.hpp"
#include "support/layers.hpp"

using namespace lowbit;

namespace {

constexpr std::size_t count = 1 << 18;

std::vector<float> gauss() { return test::normals(count, 1234); }

std::vector<float> laplace() {
  Rng rng(4321);
  std::vector<float> v(count);
  for (float& x : v) {
    const double magnitude = -std::log(1.0 - rng.uniform());
    x = static_cast<float>(rng.below(2) == 0 ? magnitude : -magnitude);
  }
  return v;
}

/// Σ(x − x̂)² / Σx², groups of 128.
template <class Q>
double nmse(const Q& q, const std::vector<float>& w, const ScaleSearch& search = AbsMax{}) {
  const auto m = quantize_nearest(q, w, count / 4096, 4096, search).value();
  std::vector<float> back(count);
  dequantize(m.view(), 0, m.rows(), back);
  double error = 0, power = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto x = static_cast<double>(w[i]);
    error += (x - static_cast<double>(back[i])) * (x - static_cast<double>(back[i]));
    power += x * x;
  }
  return error / power;
}

template <class F>
Uniform<F> symmetric(SymmetricRule rule) {
  Uniform<F> q;
  q.rule = rule;
  return q;
}

template <class F>
using Asymmetric = Uniform<F, UniformOptions{.zero_point = ZeroPoint::integer}>;

}  // namespace

#define CHECK_ERROR(got, want) CHECK((got) == test::Approx(want).epsilon(0.02))

TEST_CASE("published errors: symmetric, largest magnitude on 2^(b−1) − 1, groups of 128", "[quantizer][published]") {
  const auto g = gauss(), l = laplace();
  const auto rule = SymmetricRule::full_range;
  CHECK_ERROR(nmse(symmetric<Int2>(rule), g), 0.587);
  CHECK_ERROR(nmse(symmetric<Int2>(rule), l), 0.610);
  CHECK_ERROR(nmse(symmetric<Int3>(rule), g), 0.0750);
  CHECK_ERROR(nmse(symmetric<Int3>(rule), l), 0.1263);
  CHECK_ERROR(nmse(symmetric<Int4>(rule), g), 0.01376);
  CHECK_ERROR(nmse(symmetric<Int4>(rule), l), 0.0256);
  CHECK_ERROR(nmse(symmetric<Int5>(rule), g), 2.99e-3);
  CHECK_ERROR(nmse(symmetric<Int5>(rule), l), 5.67e-3);
  CHECK_ERROR(nmse(symmetric<Int6>(rule), g), 7.02e-4);
  CHECK_ERROR(nmse(symmetric<Int6>(rule), l), 1.33e-3);
  CHECK_ERROR(nmse(symmetric<Int7>(rule), g), 1.70e-4);
  CHECK_ERROR(nmse(symmetric<Int7>(rule), l), 3.22e-4);
  CHECK_ERROR(nmse(symmetric<Int8>(rule), g), 4.17e-5);
  CHECK_ERROR(nmse(symmetric<Int8>(rule), l), 7.97e-5);
}

TEST_CASE("published errors: the GPTQ release's symmetric rule, 4 bits", "[quantizer][published]") {
  CHECK_ERROR(nmse(symmetric<Int4>(SymmetricRule::gptq), gauss()), 0.01226);
  CHECK_ERROR(nmse(symmetric<Int4>(SymmetricRule::gptq), laplace()), 0.0229);
}

TEST_CASE("published errors: asymmetric, integer zero point, groups of 128", "[quantizer][published]") {
  const auto g = gauss(), l = laplace();
  CHECK_ERROR(nmse(Asymmetric<Int2>{}, g), 0.2526);
  CHECK_ERROR(nmse(Asymmetric<Int2>{}, l), 0.321);
  CHECK_ERROR(nmse(Asymmetric<Int3>{}, g), 0.0465);
  CHECK_ERROR(nmse(Asymmetric<Int3>{}, l), 0.0744);
  CHECK_ERROR(nmse(Asymmetric<Int4>{}, g), 0.01012);
  CHECK_ERROR(nmse(Asymmetric<Int4>{}, l), 0.0170);
}

TEST_CASE("published errors: symmetric with a grid search of the scale", "[quantizer][published]") {
  const auto g = gauss(), l = laplace();
  const auto rule = SymmetricRule::gptq;
  const LpGrid squares{.p = 2.0f}, flatter{.p = 2.4f};
  CHECK_ERROR(nmse(symmetric<Int2>(rule), g, squares), 0.1465);
  CHECK_ERROR(nmse(symmetric<Int2>(rule), l, squares), 0.198);
  CHECK_ERROR(nmse(symmetric<Int3>(rule), g, flatter), 0.03881);
  CHECK_ERROR(nmse(symmetric<Int3>(rule), l, flatter), 0.0663);
  CHECK_ERROR(nmse(symmetric<Int3>(rule), g, squares), 0.03815);
  CHECK_ERROR(nmse(symmetric<Int3>(rule), l, squares), 0.0642);
  CHECK_ERROR(nmse(symmetric<Int4>(rule), g, flatter), 0.01029);
  CHECK_ERROR(nmse(symmetric<Int4>(rule), l, flatter), 0.0192);
  CHECK_ERROR(nmse(symmetric<Int4>(rule), g, squares), 0.01017);
  CHECK_ERROR(nmse(symmetric<Int4>(rule), l, squares), 0.0190);
}
