// SPDX-License-Identifier: MIT
// The code of README.md, compiled and run. Change both together.
#include <cstdio>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/kernel.hpp"
#include "lowbit/model/eigen_kernels.hpp"
#include "lowbit/ptq.hpp"

namespace {

using namespace lowbit;

Matrix gaussian(Index rows, Index cols, std::uint64_t seed) {
  Rng rng(seed);
  return Matrix::NullaryExpr(rows, cols, [&] { return static_cast<float>(rng.normal()); });
}

TEST_CASE("README: the first screen", "[readme]") {
  const Matrix W = gaussian(96, 256, 1), X = gaussian(512, 256, 2);
  const Vector x = X.row(0).transpose();

  using W4 = Uniform<Int4, UniformOptions{.group_size = 128, .zero_point = ZeroPoint::integer}>;
  Executor executor(2);
  calib::Moments inputs(W.cols());
  inputs.add(X, executor).value();
  const auto layer = ptq::Recipe<W4, ptq::HessianRounding>{.rounding = {.act_order = true}}.run(W, inputs).value();
  const Vector y = gemv(layer.weights, x);
  std::printf("%.3f bits/weight, output error %.1e\n", layer.weights.bits_per_weight(), layer.report.relative_error());

  CHECK((y - W * x).norm() <= 0.2f * (W * x).norm());
  CHECK(layer.weights.bits_per_weight() > 4.0);
}

TEST_CASE("README: an inference engine owns its memory", "[readme]") {
  namespace lb = lowbit;
  using W4 = lb::Uniform<lb::Int4, lb::UniformOptions{.group_size = 128}>;
  std::vector<std::uint8_t> codes(4096 * 11008 / 2 / 64, 0x79);  // here: 64 rows
  std::vector<lb::f16> scales(64 * 11008 / 128, lb::f16(0.5f));
  std::vector<float> x(11008, 1.0f), y(64), z(64);

  lb::PackedView<W4> w{.codes = codes, .params = scales, .rows = 64, .cols = 11008};
  lb::gemv(w, x, y);                      // y = W·x with the widest ISA this build enables
  lb::gemv<lb::isa::scalar>(w, x, z);     // the definition, for bisecting a wrong answer

  const std::size_t tokens = 2;
  std::vector<float> X(tokens * 11008, 1.0f), Y(tokens * 64), Z(tokens * 64);
  const auto panels = lb::to_panels(w).value();                // once: 16 rows side by side, one stream
  lb::Int8Activations a(tokens, lb::int8_shape(panels.view()));
  lb::quantize_activations(X, a.view());                       // int8, one scale per token
  lb::gemm(panels.view(), a.view(), Y);                        // Y = Ŵ·X̂ with byte products

  lb::Bf16Activations b(tokens, w.cols);
  lb::round_activations(X, b.view());
  lb::gemm(w, b.view(), Z);                                    // any format, as it is packed, in bf16

  // Codes 9 and 7 alternate: +1 and −1 steps, which cancel.
  for (std::size_t r = 0; r < 64; ++r) {
    CHECK(y[r] == 0.0f);
    CHECK(z[r] == 0.0f);
    CHECK(Y[r] == 0.0f);
    CHECK(Y[64 + r] == 0.0f);
    CHECK((Z[r] == 0.0f && Z[64 + r] == 0.0f));
  }
}

TEST_CASE("README: a researcher composes at compile time", "[readme]") {
  const Matrix W = gaussian(8, 64, 3);
  const auto moments = calib::Moments::from_mean(MatrixD::Identity(64, 64));

  using Mine = ptq::Recipe<Uniform<Int3, UniformOptions{.group_size = 32}>, ptq::HessianRounding, transform::Identity>;
  Mine recipe{.rounding = {.damp = 0.01, .act_order = true, .cd_sweeps = 2, .scale = LpGrid{.p = 2.4f}}};
  auto layer = recipe.run(W, moments);  // Result<QuantizedLayer<Mine>>
  if (!layer) FAIL(to_string(layer.error()));  // e.g. not_positive_definite, with the damping that failed

  CHECK(layer->report.fallback.empty());
  CHECK(layer->weights.bits_per_weight() == 3.0 + 16.0 / 32 + 32.0 / 8);  // codes, scales, column order of 8 rows
}

}  // namespace
