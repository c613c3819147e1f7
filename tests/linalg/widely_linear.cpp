// SPDX-License-Identifier: MIT
#include "lowbit/linalg/widely_linear.hpp"

#include "catch.hpp"
#include "lowbit/core/rng.hpp"

namespace lowbit::test::widely_linear_tests {

TEST_CASE("widely-linear: U·x + V·conj(x) is A·x, and the embedding is undone exactly enough", "[linalg]") {
  Rng rng(5);
  for (const auto& [rows, cols] : {std::pair<Index, Index>{2, 2}, {6, 10}, {34, 8}, {0, 4}}) {
    MatrixD A(rows, cols);
    VectorD x(cols);
    for (double& a : A.reshaped()) a = rng.normal();
    for (double& a : x) a = rng.normal();
    const auto map = linalg::to_widely_linear(A);
    const MatrixD back = linalg::from_widely_linear(map);
    CHECK((rows == 0 || (back - A).cwiseAbs().maxCoeff() <= 1e-15 * A.cwiseAbs().maxCoeff()));
    Eigen::VectorXcd z(cols / 2);
    z.real() = x.head(cols / 2);
    z.imag() = x.tail(cols / 2);
    const Eigen::VectorXcd y = map.U * z + map.V * z.conjugate();
    const VectorD want = A * x;
    for (Index i = 0; i < rows / 2; ++i) {
      CHECK(y(i).real() == test::Approx(want(i)).epsilon(1e-12));
      CHECK(y(i).imag() == test::Approx(want(rows / 2 + i)).epsilon(1e-12));
    }
  }
  CHECK_THROWS_AS(linalg::to_widely_linear(MatrixD::Zero(3, 2)), ContractViolation);
}

}  // namespace lowbit::test::widely_linear_tests
