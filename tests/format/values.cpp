// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/core/round.hpp"
#include "lowbit/format/fp_scaling_law.hpp"
#include "lowbit/format/phase.hpp"
#include "lowbit/format/power.hpp"
#include "lowbit/format/real_bias_minifloat.hpp"

namespace lowbit::test::values_tests {

TEST_CASE("Power: points are even steps of |w|^a, encode is nearest, for any exponent", "[format][power]") {
  for (const float a : {1.0f, 0.5f, 0.37f, 2.0f}) {
    const Power<5> f(a);
    INFO(a);
    std::size_t wrong = 0;
    for (int q = -15; q <= 15; ++q) {
      const float p = f.decode(static_cast<std::uint8_t>(q + 15));
      const double companded = std::copysign(std::pow(std::fabs(static_cast<double>(p)), static_cast<double>(a)), q);
      wrong += std::fabs(companded * 15.0 - q) < 1e-5 ? 0 : 1;
      wrong += f.encode(p) == q + 15 ? 0 : 1;
      wrong += f.points()[static_cast<std::size_t>(q + 15)] == p ? 0 : 1;
    }
    Rng rng(1);
    for (int i = 0; i < 5000; ++i) {
      const float x = 0.5f * static_cast<float>(rng.normal());
      double least = 1e9;
      for (const float p : f.points())
        least = std::min(least, std::fabs(static_cast<double>(p) - static_cast<double>(x)));
      wrong += std::fabs(static_cast<double>(f.decode(f.encode(x))) - static_cast<double>(x)) == least ? 0 : 1;
    }
    CHECK(wrong == 0);
    CHECK(f.exponent() == a);
  }
  CHECK(Power<4>().exponent() == 0.5f);
  CHECK(Power<4>(1.0f).points()[9] == 2.0f / 7.0f);
  CHECK(Power<8>::cardinality == 255);
  CHECK_THROWS_AS(Power<4>(0.0f), ContractViolation);
  CHECK_THROWS_AS(Power<4>(-1.0f), ContractViolation);
  CHECK_THROWS_AS(Power<4>(std::numeric_limits<float>::infinity()), ContractViolation);
  CHECK_THROWS_AS(Power<4>(std::numeric_limits<float>::quiet_NaN()), ContractViolation);
}

TEST_CASE("Power: a smaller exponent suits data that gather near zero", "[format][power]") {
  Rng rng(2);
  double uniform = 0.0, square_root = 0.0;
  const Power<4> even(1.0f), gathered(0.5f);
  for (int i = 0; i < 20000; ++i) {
    const double z = rng.normal();
    const auto x = static_cast<float>(0.02 * z * z * z);  // heavy tails, within ±1 nearly always
    const auto error = [&](const Power<4>& f) {
      const double d = static_cast<double>(f.decode(f.encode(x))) - static_cast<double>(x);
      return d * d;
    };
    uniform += error(even);
    square_root += error(gathered);
  }
  CHECK(square_root < 0.5 * uniform);
}

namespace {

/// The published quantizer, in double.
double llm_fp4(double x, int e_bits, int m_bits, double bias) {
  const double c = (2.0 - std::ldexp(1.0, -m_bits)) * std::exp2(std::ldexp(1.0, e_bits) - 1.0 - bias);
  const double clipped = std::clamp(x, -c, c);
  const double p = clipped == 0.0 ? 1.0 : std::max(1.0, std::floor(std::log2(std::fabs(clipped)) + bias));
  const double step = std::exp2(p - m_bits - bias);
  return round_half_even(clipped / step) * step;
}

template <int E, int M>
void check_against_formula() {
  using F = RealBiasMinifloat<E, M>;
  Rng rng(3);
  std::size_t wrong = 0, not_scaled = 0;
  for (const float bias : {-2.3f, 0.0f, 0.5f, 1.0f, 3.7f, 11.25f}) {
    const F f = F::with_bias(bias);
    CHECK(std::fabs(f.bias() - bias) < 1e-5f);
    for (int i = 0; i < 3000; ++i) {
      const float x = f.largest() * 0.4f * static_cast<float>(rng.normal());
      const double want = llm_fp4(static_cast<double>(x), E, M, static_cast<double>(bias));
      const auto got = static_cast<double>(f.decode(f.encode(x)));
      // Scales are floats: a relative error of 1e-6 is theirs, a step would be far more.
      wrong += std::fabs(got - want) <= 2e-6 * std::fabs(want) ? 0 : 1;
      not_scaled +=
          f.decode(f.encode(x)) == f.scale * Minifloat<E, M>::decode(Minifloat<E, M>::encode(x / f.scale)) ? 0 : 1;
    }
    wrong += f.decode(f.encode(0.0f)) == 0.0f ? 0 : 1;
  }
  CHECK(wrong == 0);
  CHECK(not_scaled == 0);
}

}  // namespace

TEST_CASE("RealBiasMinifloat: the quantizer of LLM-FP4, which is a minifloat times a scale", "[format][minifloat]") {
  check_against_formula<2, 1>();
  check_against_formula<1, 2>();
  check_against_formula<3, 0>();
  check_against_formula<4, 3>();
}

TEST_CASE("RealBiasMinifloat: whole biases are minifloats of that bias; the bias of a clip value ends on it",
          "[format][minifloat]") {
  const auto shifted = RealBiasMinifloat<3, 2>::with_bias(5.0f);
  for (std::size_t c = 0; c < 64; ++c)
    CHECK(shifted.decode(static_cast<std::uint8_t>(c)) == Minifloat<3, 2, 5>::levels[c]);
  CHECK(shifted.bias() == 5.0f);
  CHECK(RealBiasMinifloat<2, 1>{}.bias() == 1.0f);
  for (const float clip : {0.013f, 1.0f, 6.0f, 777.0f}) {
    const auto f = RealBiasMinifloat<2, 1>::with_largest(clip);
    CHECK(std::fabs(f.largest() / clip - 1.0f) < 1e-6f);
    const double bias = 4.0 - std::log2(static_cast<double>(clip)) + std::log2(1.5) - 1.0;
    CHECK(std::fabs(static_cast<double>(f.bias()) - bias) < 1e-5);
  }
  CHECK_THROWS_AS((RealBiasMinifloat<2, 1>::with_scale(0.0f)), ContractViolation);
  CHECK_THROWS_AS((RealBiasMinifloat<2, 1>::with_largest(-1.0f)), ContractViolation);
}

TEST_CASE("fp_scaling_law: more bits lower the loss, larger blocks raise it, and the published terms add up",
          "[format][scaling_law]") {
  const FpTraining run{.parameters = 1e9, .tokens = 1e11, .exponent_bits = 2, .mantissa_bits = 1, .block_size = 32};
  for (int e = 1; e < 8; ++e)
    for (int m = 0; m < 8; ++m) {
      FpTraining here = run, more_e = run, more_m = run, wider = run;
      here.exponent_bits = more_m.exponent_bits = wider.exponent_bits = e;
      here.mantissa_bits = more_e.mantissa_bits = wider.mantissa_bits = m;
      more_e.exponent_bits = e + 1;
      more_m.mantissa_bits = m + 1;
      wider.block_size = 64;
      CHECK(fp_scaling_law(more_e) < fp_scaling_law(here));
      CHECK(fp_scaling_law(more_m) < fp_scaling_law(here));
      CHECK(fp_scaling_law(wider) > fp_scaling_law(here));
    }
  // One element to a block leaves the law of the size and the data alone; N = D = 1 leaves its constants.
  CHECK(fp_scaling_law({.parameters = 1, .tokens = 1, .exponent_bits = 2, .mantissa_bits = 1, .block_size = 1}) ==
        test::Approx(69.2343 + 68973.0621 + 1.9061));
  const FpTraining half{.parameters = 1, .tokens = 1, .exponent_bits = 0.5, .mantissa_bits = 0.5, .block_size = 2};
  CHECK(fp_scaling_law(half) - (69.2343 + 68973.0621 + 1.9061) == test::Approx(1.0 / 11334.5197).epsilon(1e-4));
}

TEST_CASE("Phase: sectors of 90 degrees about 1, i, -1, -i, closed at their clockwise ends", "[format][phase]") {
  CHECK(Phase::encode(2.0f, 0.1f) == 0);
  CHECK(Phase::encode(0.1f, 2.0f) == 1);
  CHECK(Phase::encode(-2.0f, 0.1f) == 2);
  CHECK(Phase::encode(0.1f, -2.0f) == 3);
  CHECK(Phase::encode(1.0f, -1.0f) == 0);   // −45°
  CHECK(Phase::encode(1.0f, 1.0f) == 1);    // 45°
  CHECK(Phase::encode(-1.0f, 1.0f) == 2);   // 135°
  CHECK(Phase::encode(-1.0f, -1.0f) == 3);  // −135°
  CHECK(Phase::encode(0.0f, 0.0f) == 0);
  CHECK(Phase::encode(-0.0f, -0.0f) == 0);
  Rng rng(7);
  std::size_t wrong = 0;
  for (int i = 0; i < 20000; ++i) {
    const auto re = static_cast<float>(rng.normal()), im = static_cast<float>(rng.normal());
    const double turns = std::atan2(static_cast<double>(im), static_cast<double>(re)) / (2.0 * 3.14159265358979323846);
    const int sector = (static_cast<int>(std::floor(turns * 4.0 + 0.5)) + 4) % 4;
    wrong += Phase::encode(re, im) == sector ? 0 : 1;
  }
  CHECK(wrong == 0);
  const float points[4][2] = {{1, 0}, {0, 1}, {-1, 0}, {0, -1}};
  for (std::uint8_t c = 0; c < 4; ++c) {
    float y[2];
    Phase{}.decode(c, y);
    CHECK((y[0] == points[c][0] && y[1] == points[c][1]));
  }
}

}  // namespace lowbit::test::values_tests
