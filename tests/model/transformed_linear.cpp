// SPDX-License-Identifier: MIT
#include "lowbit/model/transformed_linear.hpp"

#include <memory>

#include "catch.hpp"
#include "lowbit/model/quantized_linear.hpp"
#include "lowbit/quantizer/nearest.hpp"
#include "lowbit/quantizer/uniform.hpp"

namespace lowbit::test::transformed_linear_tests {

namespace {

using W8 = Uniform<Int8, UniformOptions{.group_size = 32}>;

Matrix gaussian_matrix(Index rows, Index cols, std::uint64_t seed) {
  Rng rng(seed, 11);
  Matrix A(rows, cols);
  for (Index i = 0; i < A.size(); ++i) A.data()[i] = static_cast<float>(rng.normal());
  return A;
}

/// W in the basis of `kind`, rounded to eight bits there.
model::TransformedLinear stored(const Matrix& W, const char* kind, std::uint64_t seed = 4) {
  MatrixD folded = W.cast<double>();
  auto basis = transform::prepare_any(kind, seed, folded, MatrixD()).value();
  basis->fold_into_weights(MatrixDRef(folded));
  const Matrix values = folded.cast<float>();
  auto q = quantize_nearest(W8{}, std::span(values.data(), static_cast<std::size_t>(values.size())),
                            static_cast<std::size_t>(W.rows()), static_cast<std::size_t>(W.cols()))
               .value();
  return {std::make_unique<model::QuantizedLinear<W8>>(std::move(q)), std::move(basis)};
}

constexpr const char* kinds[] = {"identity", "rht", "rht_in", "kron", "rescale", "rescale+rht"};

}  // namespace

TEST_CASE("transformed linear: it multiplies as its dequantized twin does, which is near the original",
          "[model][transform]") {
  Executor executor(2);
  for (const char* kind : kinds)
    for (const auto& [rows, cols] : {std::pair<Index, Index>{1, 1}, {5, 64}, {60, 1}, {48, 172}, {67, 131}}) {
      CAPTURE(kind, rows, cols);
      const Matrix W = gaussian_matrix(rows, cols, 1), X = gaussian_matrix(33, cols, 2);
      const model::TransformedLinear linear = stored(W, kind);
      CHECK(linear.rows() == static_cast<std::size_t>(rows));
      CHECK(linear.cols() == static_cast<std::size_t>(cols));
      const MatrixD twin = linear.dequantized().cast<double>();
      CHECK((twin - W.cast<double>()).norm() < 0.02 * W.cast<double>().norm());
      Matrix Y(33, rows);
      linear.apply(X, Y, executor);
      const MatrixD want = X.cast<double>() * twin.transpose();
      const double bound = 64.0 * 0x1p-24 * X.cast<double>().rowwise().norm().maxCoeff() * twin.rowwise().norm().maxCoeff() *
                           std::sqrt(static_cast<double>(rows));
      CHECK((Y.cast<double>() - want).cwiseAbs().maxCoeff() <= bound);
      linear.inner().apply(X, Y, executor);  // without the basis: another map
      if (std::string(kind) != "identity" && cols > 1)
        CHECK((Y.cast<double>() - want).cwiseAbs().maxCoeff() > bound);
    }
}

TEST_CASE("transformed linear: a row has the same bits in any batch, for any number of threads", "[model][transform]") {
  Executor one(1), three(3);
  for (const char* kind : kinds) {
    const model::TransformedLinear linear = stored(gaussian_matrix(67, 120, 3), kind);
    const Matrix X = gaussian_matrix(70, 120, 4);
    Matrix all(70, 67), again(70, 67);
    linear.apply(X, all, one);
    linear.apply(X, again, three);
    CHECK(all == again);
    for (const Index begin : {0, 1, 7, 61})
      for (const Index count : {1, 2, 9}) {
        Matrix part(count, 67);
        linear.apply(X.middleRows(begin, count), part, three);
        CHECK(part == all.middleRows(begin, count));
      }
  }
}

TEST_CASE("transformed linear: in int8 it is the inner map that changes", "[model][transform][int8]") {
  Executor executor(1);
  const Matrix X = gaussian_matrix(9, 120, 7);
  for (const char* kind : kinds) {
    const model::TransformedLinear linear = stored(gaussian_matrix(67, 120, 3), kind);
    const auto other = linear.in(model::Compute::int8).value();
    REQUIRE(other != nullptr);
    Matrix exact(9, 67), near(9, 67);
    linear.apply(X, exact, executor);
    other->apply(X, near, executor);
    CAPTURE(kind);
    CHECK(exact != near);
    CHECK((exact - near).norm() < 0.02f * exact.norm());
    CHECK(other->dequantized() == linear.dequantized());
  }
}

TEST_CASE("transformed linear: strided inputs and outputs give the same product", "[model][transform]") {
  Executor executor(1);
  const Matrix wide = gaussian_matrix(7, 50, 5);
  const model::TransformedLinear linear = stored(gaussian_matrix(20, 32, 6), "rescale+rht");
  const Matrix X = wide.middleCols(3, 32);
  Matrix plain(7, 20), frame = Matrix::Zero(7, 30), none(0, 20);
  linear.apply(X, plain, executor);
  linear.apply(wide.middleCols(3, 32), frame.middleCols(5, 20), executor);
  CHECK(frame.middleCols(5, 20) == plain);
  CHECK((frame.leftCols(5).isZero(0.0f) && frame.rightCols(5).isZero(0.0f)));
  linear.apply(Matrix(0, 32), none, executor);
  CHECK_THROWS_AS(linear.apply(wide, plain, executor), ContractViolation);
  CHECK(X == wide.middleCols(3, 32));
}

TEST_CASE("transformed linear: bytes and description name the basis", "[model][transform]") {
  const model::TransformedLinear linear = stored(gaussian_matrix(20, 32, 6), "rescale+rht");
  CHECK(linear.stored_bytes() == linear.inner().stored_bytes() + 8 + 2 * 32);
  CHECK(linear.description() == W8::storage_name() + " in basis rescale+rht");
  CHECK(linear.basis().record().seeds == std::vector<std::uint64_t>{4});
}

}  // namespace lowbit::test::transformed_linear_tests
