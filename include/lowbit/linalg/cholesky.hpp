// SPDX-License-Identifier: MIT
#pragma once

#include <Eigen/Core>
#include <optional>
#include <type_traits>
#include <utility>

#include "lowbit/core/bodies.hpp"
#include "lowbit/core/result.hpp"
#include "lowbit/linalg/matrix.hpp"

#if defined(LOWBIT_BODY)
#include <Eigen/Cholesky>
#endif

/// Factorizations of symmetric positive definite matrices, in double.

namespace lowbit::linalg {

/// How much is added to the diagonal before factoring, and how the amount grows when factoring fails.
struct Damping {
  double fraction = 0.01;  ///< of mean(diag H)
  double first = 1e-5;     ///< the first fraction tried after 0
  double growth = 10.0;
  double limit = 1.0;      ///< no fraction above this is tried
};

template <class Factor>
struct Damped {
  Factor factor;
  double fraction;  ///< the damping that worked
  int attempts;     ///< factorizations tried, 1 when the first worked
};

/// Calls `factorize(A)` with A = H + f·mean(diag H)·I for f = fraction, then growing f, until it returns a factor.
/// Errors: not_positive_definite with the last fraction tried; not_finite when diag H holds NaN or infinity. H is copied,
/// so damping never adds up.
template <class Factorize>
auto with_damping(const ConstMatrixDRef& H, const Damping& damping, Factorize&& factorize)
    -> Result<Damped<typename std::invoke_result_t<Factorize, MatrixD>::value_type>> {
  using Factor = typename std::invoke_result_t<Factorize, MatrixD>::value_type;
  const Index n = H.rows();
  const double mean = n == 0 ? 0.0 : H.diagonal().mean();
  if (!(mean - mean == 0.0))
    return Error{.code = Errc::not_finite, .message = "the diagonal of the second moments must be finite", .value = mean};
  double fraction = damping.fraction;
  for (int attempt = 1;; ++attempt) {
    MatrixD A = H;
    A.diagonal().array() += fraction * mean;
    if (std::optional<Factor> factor = factorize(std::move(A))) return Damped<Factor>{std::move(*factor), fraction, attempt};
    const double next = fraction == 0.0 ? damping.first : fraction * damping.growth;
    if (!(next <= damping.limit * (1.0 + 1e-12)))
      return Error{.code = Errc::not_positive_definite,
                   .message = "Cholesky factorization of the second moments failed at every damping tried; "
                              "the value is the last fraction of mean(diag H)",
                   .value = fraction};
    fraction = next;
  }
}

/// Lower Cholesky factor G, H = G·Gᵀ; nothing if H is not positive definite.
std::optional<MatrixD> cholesky(MatrixD H);

/// H⁻¹·B for H = G·Gᵀ.
MatrixD solve(const MatrixD& G, MatrixD B);

/// R⁻¹ of an upper triangular R.
MatrixD upper_inverse(const MatrixD& R);

/// Upper factor U of the inverse: H⁻¹ = Uᵀ·U. Nothing if H is not positive definite.
///
/// With J the reversal of order, J·H·J = G·Gᵀ gives H = R·Rᵀ for the upper R = J·G·J, hence U = R⁻¹: one factorization and
/// one triangular inverse, and H⁻¹ is never formed. Cost: 2n³/3 flops.
std::optional<MatrixD> inverse_upper_factor(MatrixD H);

/// H = L·diag(D)·Lᵀ with unit lower L.
struct Ldl {
  MatrixD L;
  VectorD D;
};

/// Nothing if H is not positive definite.
std::optional<Ldl> ldl(MatrixD H);

#if defined(LOWBIT_BODY)

LOWBIT_BODY std::optional<MatrixD> cholesky(MatrixD H) {
  Eigen::LLT<Eigen::Ref<MatrixD>, Eigen::Lower> llt(H);
  if (llt.info() != Eigen::Success || !H.diagonal().allFinite()) return std::nullopt;
  H.triangularView<Eigen::StrictlyUpper>().setZero();
  return H;
}

LOWBIT_BODY MatrixD solve(const MatrixD& G, MatrixD B) {
  G.triangularView<Eigen::Lower>().solveInPlace(B);
  G.transpose().triangularView<Eigen::Upper>().solveInPlace(B);
  return B;
}

LOWBIT_BODY MatrixD upper_inverse(const MatrixD& R) {
  MatrixD U = MatrixD::Identity(R.rows(), R.cols());
  R.triangularView<Eigen::Upper>().solveInPlace(U);
  return U;
}

LOWBIT_BODY std::optional<MatrixD> inverse_upper_factor(MatrixD H) {
  H = H.reverse().eval();
  std::optional<MatrixD> G = cholesky(std::move(H));
  if (!G) return std::nullopt;
  return upper_inverse(G->reverse());
}

LOWBIT_BODY std::optional<Ldl> ldl(MatrixD H) {
  std::optional<MatrixD> G = cholesky(std::move(H));
  if (!G) return std::nullopt;
  const VectorD d = G->diagonal();
  for (Index j = 0; j < G->cols(); ++j) G->col(j) /= d(j);
  return Ldl{std::move(*G), d.cwiseAbs2()};
}

#endif

}  // namespace lowbit::linalg
