// SPDX-License-Identifier: MIT
#include "lowbit/linalg/hadamard.hpp"

#include <cmath>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/linalg/rotations.hpp"

namespace lowbit::test::hadamard_tests {
namespace {

using linalg::Hadamard;
using linalg::HadamardPlan;
using linalg::HadamardSource;
using linalg::KroneckerRotation;
using linalg::RandomizedHadamard;

template <class M = MatrixD>
M normal_rows(Index rows, Index cols, std::uint64_t seed) {
  Rng rng(seed, 7);
  M A(rows, cols);
  for (Index i = 0; i < A.size(); ++i) A.data()[i] = static_cast<typename M::Scalar>(rng.normal());
  return A;
}

bool is_hadamard(const std::vector<std::int8_t>& H, std::size_t m) {
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      int dot = 0;
      for (std::size_t k = 0; k < m; ++k) {
        if (H[i * m + k] != 1 && H[i * m + k] != -1) return false;
        dot += H[i * m + k] * H[j * m + k];
      }
      if (dot != (i == j ? static_cast<int>(m) : 0)) return false;
    }
  return true;
}

/// max |entries of R·Rᵀ − I|, from R applied to all unit vectors.
template <class M, class R>
double orthogonality_error(const R& rotation) {
  M rows = M::Identity(rotation.size(), rotation.size());
  rotation.rotate(rows);  // row i is R·e_i: Rᵀ
  const MatrixD Q = rows.template cast<double>();
  return (Q * Q.transpose() - MatrixD::Identity(Q.rows(), Q.cols())).cwiseAbs().maxCoeff();
}

/// The largest relative |Rᵀ·R·x − x| and ||R·x| − |x|| over Gaussian x: a wrong R has (RᵀR − I)x ≠ 0 with probability 1.
template <class M, class R>
double isometry_error(const R& rotation, Index vectors, std::uint64_t seed) {
  const M X = normal_rows<M>(vectors, rotation.size(), seed);
  M Y = X;
  rotation.rotate(Y);
  double worst = 0.0;
  for (Index r = 0; r < vectors; ++r) {
    const double norm = X.row(r).template cast<double>().norm();
    worst = std::max(worst, std::abs(Y.row(r).template cast<double>().norm() - norm) / norm);
  }
  rotation.rotate_back(Y);
  const double scale = X.template cast<double>().cwiseAbs().maxCoeff();
  return std::max(worst, (Y - X).template cast<double>().cwiseAbs().maxCoeff() / scale);
}

}  // namespace

TEST_CASE("hadamard orders: every known order up to 256 has entries ±1 and orthogonal rows", "[linalg][hadamard]") {
  std::vector<std::size_t> unknown;
  for (std::size_t m = 1; m <= 256; ++m) {
    if (linalg::hadamard_source(m) == HadamardSource::none) {
      if (m % 4 == 0) unknown.push_back(m);
      continue;
    }
    CAPTURE(m);
    std::vector<std::int8_t> H = linalg::hadamard_matrix(m);
    CHECK(is_hadamard(H, m));
    H[m * m / 2] = static_cast<std::int8_t>(-H[m * m / 2]);
    if (m > 1) CHECK_FALSE(is_hadamard(H, m));
  }
  CHECK(unknown == std::vector<std::size_t>{188, 236});
}

TEST_CASE("hadamard orders: the standard list comes from the constructions of the literature", "[linalg][hadamard]") {
  const auto source = [](std::size_t m) { return linalg::hadamard_source(m); };
  for (const std::size_t m : {12, 20, 24, 44, 60, 108, 140}) CHECK(source(m) == HadamardSource::paley1);
  for (const std::size_t m : {28, 36, 76, 124, 148}) CHECK(source(m) == HadamardSource::paley2);
  for (const std::size_t m : {52, 100}) CHECK(source(m) == HadamardSource::paley2);  // over GF(25), GF(49)
  for (const std::size_t m : {92, 116, 156, 172}) CHECK(source(m) == HadamardSource::williamson);
  for (const std::size_t m : {1, 2, 4, 256, 4096}) CHECK(source(m) == HadamardSource::sylvester);
  for (const std::size_t m : {0, 3, 6, 18, 50}) CHECK(source(m) == HadamardSource::none);
}

TEST_CASE("walsh hadamard: registers give the bits of the definition, in float and double", "[linalg][hadamard]") {
  const auto check = [](auto zero, std::size_t n) {
    using T = decltype(zero);
    Rng rng(n);
    std::vector<T> x(n + 1);  // from an unaligned start
    for (T& v : x) v = static_cast<T>(rng.normal() * std::exp(4.0 * rng.normal()));
    x[1] = T{-0.0};
    std::vector<T> y = x;
    linalg::walsh_hadamard(x.data() + 1, n);
    linalg::walsh_hadamard_scalar(y.data() + 1, n);
    CHECK(std::memcmp(x.data(), y.data(), (n + 1) * sizeof(T)) == 0);
  };
  for (std::size_t n = 1; n <= 16384; n *= 2) {
    CAPTURE(n);
    check(0.0f, n);
    check(0.0, n);
  }
}

TEST_CASE("walsh hadamard: entry (i, j) is the parity of the bits that i and j share", "[linalg][hadamard]") {
  for (const Index n : {1, 2, 8, 64, 256}) {
    Matrix rows = Matrix::Identity(n, n);
    for (Index i = 0; i < n; ++i) linalg::walsh_hadamard(rows.data() + i * n, static_cast<std::size_t>(n));
    bool right = true;
    for (Index i = 0; i < n; ++i)
      for (Index j = 0; j < n; ++j)
        right = right && rows(i, j) == (std::popcount(static_cast<unsigned>(i & j)) % 2 == 0 ? 1.0f : -1.0f);
    CHECK(right);
  }
}

TEST_CASE("ordered product: registers give the bits of the definition, for every tail", "[linalg][hadamard]") {
  const auto check = [](auto zero) {
    using T = decltype(zero);
    Rng rng(3);
    for (const std::size_t p : {1, 3, 13})
      for (const std::size_t m : {0, 1, 9})
        for (const std::size_t q : {1, 3, 4, 8, 16, 31, 32, 53}) {
          std::vector<T> A(p * m), signs(p * m), B(m * q), C(p * q), D(p * q);
          for (T& v : A) v = static_cast<T>(rng.normal());
          for (T& v : signs) v = static_cast<T>(rng.below(2) == 0 ? -1 : 1);
          for (T& v : B) v = static_cast<T>(rng.normal());
          using linalg::Products;
          linalg::ordered_product<Products::rounded>({A.data(), m, 1}, B.data(), q, C.data(), q, p, m, q);
          linalg::ordered_product_scalar<Products::rounded>({A.data(), m, 1}, B.data(), q, D.data(), q, p, m, q);
          CHECK(C == D);
          linalg::ordered_product<Products::exact>({signs.data(), 1, p}, B.data(), q, C.data(), q, p, m, q);
          linalg::ordered_product_scalar<Products::exact>({signs.data(), 1, p}, B.data(), q, D.data(), q, p, m, q);
          CHECK(C == D);
        }
  };
  check(0.0f);
  check(0.0);
}

TEST_CASE("random orthogonal: Q·Qᵀ = I, a function of the seed, with the moments of Haar measure", "[linalg][hadamard]") {
  for (const Index n : {0, 1, 2, 5, 33, 128}) {
    const MatrixD Q = linalg::random_orthogonal(n, 5);
    if (n > 0) CHECK((Q * Q.transpose() - MatrixD::Identity(n, n)).cwiseAbs().maxCoeff() < 1e-14);
    CHECK(Q == linalg::random_orthogonal(n, 5));
    if (n > 0) CHECK((n == 1 || Q != linalg::random_orthogonal(n, 6)));
  }
  // E[trace²] = 1 and E[trace] = 0 for Haar measure; Gram–Schmidt without a sign choice of its own keeps both.
  double mean = 0.0, square = 0.0;
  constexpr int draws = 4000;
  for (int i = 0; i < draws; ++i) {
    const double trace = linalg::random_orthogonal(4, static_cast<std::uint64_t>(i), 9).trace();
    mean += trace / draws;
    square += trace * trace / draws;
  }
  CHECK(std::abs(mean) < 5.0 / std::sqrt(draws));
  CHECK(std::abs(square - 1.0) < 5.0 * std::sqrt(2.0 / draws));
}

TEST_CASE("orthogonal axis: it is K on the slow axis, K on every row of the fast one, and Kᵀ the other way",
          "[linalg][hadamard]") {
  for (const auto& axis : {linalg::OrthogonalAxis::hadamard(12), linalg::OrthogonalAxis::random(12, 3, 4)}) {
    MatrixD K(12, 12);
    const MatrixD unit = MatrixD::Identity(12, 12);
    axis->multiply_slow(unit.data(), K.data(), static_cast<double*>(nullptr), 12, false);
    CHECK((K * K.transpose() - axis->gain() * unit).cwiseAbs().maxCoeff() < 1e-13);
    CHECK((K - K.transpose()).cwiseAbs().maxCoeff() > 0.1);
    for (const Index inner : {1, 2, 5, 11, 16, 37})
      for (const bool transposed : {false, true}) {
        const MatrixD X = normal_rows(12, inner, 1), turned = X.transpose();
        const MatrixD want = transposed ? MatrixD(K.transpose() * X) : MatrixD(K * X);
        MatrixD slow(12, inner), scratch(12, inner), fast(inner, 12);
        axis->multiply_slow(X.data(), slow.data(), scratch.data(), static_cast<std::size_t>(inner), transposed);
        axis->multiply_fast(turned.data(), fast.data(), static_cast<std::size_t>(inner), transposed);
        CHECK((slow - want).cwiseAbs().maxCoeff() < 1e-13);
        CHECK((fast.transpose() - want).cwiseAbs().maxCoeff() < 1e-13);
      }
  }
}

TEST_CASE("hadamard: R·Rᵀ = I for every size from 1 to 4096", "[linalg][hadamard]") {
  // Entry by entry up to 96 and for a few more; beyond, by isometry of random vectors, which sees every entry at once.
  for (Index n = 1; n <= 4096; ++n) {
    CAPTURE(n);
    const Hadamard R(n, 11);
    if (!(isometry_error<Matrix>(R, 2, static_cast<std::uint64_t>(n)) < 1e-6)) FAIL("float");
    if (!(isometry_error<MatrixD>(R, 1, static_cast<std::uint64_t>(n)) < 1e-13)) FAIL("double");
    if (n <= 96 && !(orthogonality_error<Matrix>(R) < 1e-6)) FAIL("entries");
  }
  for (const Index n : {172, 236, 509, 576, 688, 960}) {
    CAPTURE(n);
    CHECK(orthogonality_error<Matrix>(Hadamard(n, 11)) < 1e-6);
  }
}

TEST_CASE("hadamard: R·Rᵀ = I for the sizes of Llama and Qwen layers", "[linalg][hadamard]") {
  for (const Index n : {576, 1536, 896, 4864, 4096, 11008, 5120, 13824, 14336, 8192, 28672, 18944, 29568}) {
    CAPTURE(n, Hadamard(n).construction());
    CHECK(isometry_error<Matrix>(Hadamard(n), 2, 1) < 1e-6);
    CHECK(isometry_error<MatrixD>(Hadamard(n), 1, 1) < 1e-13);
  }
}

TEST_CASE("hadamard: which construction a size gets, in words", "[linalg][hadamard]") {
  CHECK(Hadamard(0).construction() == "empty");
  CHECK(Hadamard(1).construction() == "sylvester 1");
  CHECK(Hadamard(4096).construction() == "sylvester 4096");
  CHECK(Hadamard(14336).construction() == "paley2 28 x sylvester 512");
  CHECK(Hadamard(11008).construction() == "williamson 172 x sylvester 64");
  CHECK(Hadamard(13824).construction() == "paley1 108 x sylvester 128");
  CHECK(Hadamard(26).construction() == "haar 13 x sylvester 2");
  CHECK(Hadamard(236).construction() == "haar 59 x sylvester 4");
  CHECK(Hadamard(4093).construction() == "windows 2048 of 4093");
  CHECK(Hadamard::plan(4 * 65) == HadamardPlan::windows);
}

TEST_CASE("hadamard: where a Hadamard matrix is known every entry is ±1/√n", "[linalg][hadamard]") {
  for (const Index n : {2, 12, 64, 40, 344, 416}) {
    MatrixD rows = MatrixD::Identity(n, n);
    Hadamard(n).rotate(rows);
    CHECK((rows.cwiseAbs().array() * std::sqrt(static_cast<double>(n)) - 1.0).abs().maxCoeff() < 1e-14);
  }
}

TEST_CASE("hadamard: windows leave no number alone and no entry of R large", "[linalg][hadamard]") {
  for (const Index n : {67, 127, 129, 509, 1021}) {
    MatrixD rows = MatrixD::Identity(n, n);
    Hadamard(n, 3).rotate(rows);
    CAPTURE(n);
    CHECK(rows.cwiseAbs().maxCoeff() * std::sqrt(static_cast<double>(n)) < 6.0);  // Gaussian: about √(2·ln n²) = 5.3
  }
}

TEMPLATE_TEST_CASE("rotation: rotate_back is the transpose, and a row has the same bits beside any others",
                   "[linalg][hadamard]", RandomizedHadamard, KroneckerRotation) {
  for (const Index n : {1, 2, 7, 12, 50, 64, 97, 240, 263, 577, 1024, 1542}) {
    CAPTURE(n);
    const TestType R(n, 21, 1);
    const MatrixD x = normal_rows(1, n, 1), y = normal_rows(1, n, 2);
    MatrixD Rx = x, Ry = y;
    R.rotate(Rx);
    R.rotate_back(Ry);
    CHECK(Rx.cwiseProduct(y).sum() == Approx(Ry.cwiseProduct(x).sum()).margin(1e-11));
    CHECK(isometry_error<MatrixD>(R, 2, 4) < 1e-13);
    CHECK(isometry_error<Matrix>(R, 2, 4) < 1e-6);

    const Matrix X = normal_rows<Matrix>(5, n, 3);
    Matrix all = X, wide = Matrix::Zero(5, n + 3);
    R.rotate(all);
    Matrix alone = X.row(3);
    R.rotate(alone);
    CHECK(alone == all.row(3));
    wide.middleCols(2, n) = X;
    R.rotate(wide.middleCols(2, n));
    CHECK(wide.middleCols(2, n) == all);
    CHECK((wide.leftCols(2).isZero(0.0f) && wide.rightCols(1).isZero(0.0f)));
    if (n > 4) {
      Matrix other = X;
      TestType(n, 22, 1).rotate(other);
      CHECK(other != all);
      other = X;
      TestType(n, 21, 2).rotate(other);
      CHECK(other != all);
    }
  }
}

TEST_CASE("rotation: NaN, infinity and zero rows stay in their rows", "[linalg][hadamard]") {
  for (const Index n : {12, 67, 64, 26}) {
    Matrix X = normal_rows<Matrix>(4, n, 5);
    X.row(0).setZero();
    X(1, 3) = std::numeric_limits<float>::quiet_NaN();
    X(2, 5) = std::numeric_limits<float>::infinity();
    Matrix clean = X.row(3);
    RandomizedHadamard(n, 1, 0).rotate(X);
    RandomizedHadamard(n, 1, 0).rotate(clean);
    CHECK(X.row(0).isZero(0.0f));
    CHECK(X.row(1).hasNaN());
    CHECK_FALSE(X.row(2).allFinite());
    CHECK(X.row(3) == clean);
  }
  Matrix wrong(2, 5);
  CHECK_THROWS_AS(RandomizedHadamard(6, 1, 0).rotate(wrong), ContractViolation);
}

}  // namespace lowbit::test::hadamard_tests
