// SPDX-License-Identifier: MIT
#include "lowbit/quantizer/nested.hpp"

#include <cmath>

#include "catch.hpp"
#include "lowbit/kernel/dequantize.hpp"
#include "support/layers.hpp"

namespace lowbit::test::nested_tests {

namespace {

template <int R, int C, UniformOptions O>
void check_nested(double nmse_bound) {
  const auto w = test::normals(64 * 250, 77);
  const auto outer = quantize_nearest(Uniform<Int<C>, O>{}, w, 64, 250).value();
  std::vector<float> fine(w.size()), coarse(w.size());
  dequantize(outer.view(), 0, 64, fine);
  for (const auto rounding : {NestedRounding::half_up, NestedRounding::truncate}) {
    const auto inner = nested<R>(outer, rounding).value();
    dequantize(inner.view(), 0, 64, coarse);
    const Groups groups = outer.groups();
    double error = 0.0, power = 0.0;
    std::size_t wrong = 0;
    for (std::size_t r = 0; r < 64; ++r)
      for (std::size_t c = 0; c < 250; ++c) {
        const double step = static_cast<double>(outer.group_params(r, groups.of_column(c)).scale);
        const double moved = std::fabs(static_cast<double>(coarse[r * 250 + c]) - static_cast<double>(fine[r * 250 + c]));
        wrong += moved > step * ((1 << (C - R)) - 1) * (1 + 1e-5) + step * 0.01 ? 1 : 0;
        error += std::pow(static_cast<double>(coarse[r * 250 + c]) - static_cast<double>(w[r * 250 + c]), 2);
        power += std::pow(static_cast<double>(w[r * 250 + c]), 2);
      }
    CHECK(wrong == 0);
    if (rounding == NestedRounding::half_up) CHECK(error / power < nmse_bound);
  }
}

}  // namespace

TEST_CASE("nested: weights move by less than the coarse step, for every zero point and group", "[quantizer][nested]") {
  check_nested<4, 8, UniformOptions{.group_size = 50}>(0.02);
  check_nested<4, 8, UniformOptions{.group_size = per_row, .zero_point = ZeroPoint::integer}>(0.02);
  check_nested<2, 8, UniformOptions{.group_size = 32, .zero_point = ZeroPoint::integer, .scale = ScaleStorage::f32}>(0.35);
  check_nested<3, 4, UniformOptions{.group_size = per_tensor, .scale = ScaleStorage::bf16}>(0.2);
  check_nested<6, 6, UniformOptions{}>(1e-3);
}

TEST_CASE("nested: a scale that leaves f16 is an error with its place", "[quantizer][nested]") {
  std::vector<float> w(256, 1.0f);
  w[255] = 60000.0f * 127.0f;
  const auto outer = quantize_nearest(Uniform<Int8>{}, w, 1, 256).value();
  const auto inner = nested<2>(outer);
  REQUIRE_FALSE(inner);
  CHECK(inner.error().code == Errc::not_finite);
  CHECK(inner.error().column == 128u);
}

}  // namespace lowbit::test::nested_tests
