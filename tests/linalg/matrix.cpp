// SPDX-License-Identifier: MIT

#include <array>
#include <type_traits>

#include "catch.hpp"
#include "lowbit/linalg.hpp"

namespace lowbit::test::matrix_tests {
namespace {

using ColumnMajor = Eigen::MatrixXf;

static_assert(std::is_convertible_v<Matrix&, MatrixRef> && std::is_convertible_v<const Matrix&, ConstMatrixRef>);
static_assert(!std::is_convertible_v<const Matrix&, MatrixRef>, "a const matrix is not writable");
static_assert(!std::is_convertible_v<ColumnMajor&, MatrixRef>, "writing to a copy would be lost");
static_assert(!std::is_convertible_v<MatrixD&, ConstMatrixRef>, "precision is never changed in silence");

const float* data_of(const ConstMatrixRef& A) { return A.data(); }
float* data_of_mutable(MatrixRef A) { return A.data(); }

TEST_CASE("matrix arguments: matrices, blocks and maps are not copied", "[linalg]") {
  Matrix A(9, 7);
  for (Index i = 0; i < A.size(); ++i) A.data()[i] = static_cast<float>(i);
  CHECK(data_of(A) == A.data());
  CHECK(data_of(A.middleRows(2, 3)) == A.data() + 2 * 7);
  CHECK(data_of(A.middleCols(3, 2)) == A.data() + 3);
  CHECK(data_of(A.block(4, 1, 2, 5)) == A.data() + 4 * 7 + 1);
  CHECK(data_of(A.row(5)) == A.data() + 5 * 7);
  CHECK(data_of_mutable(A.block(4, 1, 2, 5)) == A.data() + 4 * 7 + 1);

  std::array<float, 40> values{};
  const Eigen::Map<const Matrix> packed(values.data(), 5, 8);
  CHECK(data_of(packed) == values.data());
  const Eigen::Map<const Matrix, 0, Eigen::OuterStride<>> strided(values.data(), 4, 6, Eigen::OuterStride<>(10));
  CHECK(data_of(strided) == values.data());
}

TEST_CASE("matrix arguments: what cannot be viewed is copied with its values", "[linalg]") {
  ColumnMajor A(3, 2);
  A << 1, 2, 3, 4, 5, 6;
  CHECK(data_of(A) != A.data());
  const ConstMatrixRef view = A;
  CHECK(view(2, 0) == 5.0f);
  CHECK(view(0, 1) == 2.0f);
}

TEST_CASE("sums: they are taken in double", "[linalg]") {
  const Matrix A = Matrix::Constant(1000, 100, 0.1f), B = Matrix::Constant(1000, 100, 0.1f + 0x1p-20f);
  const double a = static_cast<double>(0.1f), b = static_cast<double>(B(0, 0));
  CHECK(linalg::squared_norm(A) == test::Approx(1e5 * a * a).epsilon(1e-10));
  CHECK(linalg::squared_distance(A, B) == test::Approx(1e5 * (a - b) * (a - b)).epsilon(1e-10));
  CHECK(linalg::squared_norm(Matrix(0, 5)) == 0.0);
}

TEST_CASE("sums: the quadratic form is tr(E·H·Eᵀ), for any number of rows", "[linalg]") {
  for (const Index rows : {0, 1, 63, 64, 65, 200}) {
    MatrixD E(rows, 3);
    for (Index i = 0; i < E.size(); ++i) E.data()[i] = static_cast<double>(i % 11) - 4.0;
    MatrixD H(3, 3);
    H << 2, 1, 0, 1, 3, -1, 0, -1, 5;
    CHECK(linalg::quadratic_form(E, H) == test::Approx((E * H * E.transpose()).trace()).margin(1e-9));
  }
}

}  // namespace
}  // namespace lowbit::test::matrix_tests
