// SPDX-License-Identifier: MIT
#include "lowbit/ptq/bias_correction.hpp"

#include <cmath>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/quantizer/uniform.hpp"

namespace lowbit::test::bias_correction_tests {
namespace {

struct Problem {
  Matrix W, quantized, X;  // X [tokens × in], far from zero mean
};

Problem problem(Index out, Index in, Index tokens) {
  Rng rng(static_cast<std::uint64_t>(out * 1000 + in));
  Problem p{Matrix(out, in), Matrix(out, in), Matrix(tokens, in)};
  const Uniform<Int3> q{};
  for (Index r = 0; r < out; ++r) {
    for (Index c = 0; c < in; ++c) p.W(r, c) = static_cast<float>(rng.normal());
    const auto params = q.fit({p.W.row(r).data(), static_cast<std::size_t>(in)});
    for (Index c = 0; c < in; ++c) p.quantized(r, c) = q.dequantize(q.quantize(p.W(r, c), params), params);
  }
  for (Index t = 0; t < tokens; ++t)
    for (Index c = 0; c < in; ++c) p.X(t, c) = static_cast<float>(rng.normal() + 0.5 * static_cast<double>(c % 3));
  return p;
}

TEST_CASE("bias correction: the mean output error of every channel vanishes, and the squared error falls by its square",
          "[ptq][bias]") {
  for (const auto& [out, in, tokens] : {std::tuple<Index, Index, Index>{7, 33, 500}, {1, 1, 3}, {16, 64, 1}}) {
    const Problem p = problem(out, in, tokens);
    const MatrixD X = p.X.cast<double>();
    const VectorD mean = X.colwise().mean();
    const auto correction = ptq::bias_correction(p.W, p.quantized, mean);
    REQUIRE(correction.has_value());
    const MatrixD output = X * p.W.cast<double>().transpose();
    const MatrixD before = X * p.quantized.cast<double>().transpose() - output;
    const MatrixD after = before.rowwise() + correction->transpose();
    for (Index r = 0; r < out; ++r) {
      const double average = output.col(r).mean();
      const double spread = std::sqrt((output.col(r).array() - average).square().mean());
      CHECK(std::fabs(after.col(r).mean()) <= 1e-4 * spread + 1e-12);
      const double bias = before.col(r).mean();
      const double fell = before.col(r).squaredNorm() - after.col(r).squaredNorm();
      CHECK(fell == Approx(static_cast<double>(tokens) * bias * bias).margin(1e-9));
      CHECK(fell >= -1e-9);
    }
    if (tokens > 1 && in > 1) CHECK(before.colwise().mean().norm() > 1e-2);  // there was something to correct
  }
}

TEST_CASE("bias correction: refuses shapes that do not belong together", "[ptq][bias]") {
  const Matrix W = Matrix::Zero(3, 4), other = Matrix::Zero(3, 5);
  CHECK(ptq::bias_correction(W, other, VectorD::Zero(4)).error().code == Errc::shape_mismatch);
  CHECK(ptq::bias_correction(W, W, VectorD::Zero(3)).error().code == Errc::shape_mismatch);
  CHECK(ptq::bias_correction(W, W, VectorD::Zero(4))->isZero());
}

}  // namespace
}  // namespace lowbit::test::bias_correction_tests
