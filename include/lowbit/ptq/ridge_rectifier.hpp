// SPDX-License-Identifier: MIT
#pragma once

#include "lowbit/core/result.hpp"
#include "lowbit/linalg/cholesky.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/linalg/product.hpp"

namespace lowbit::ptq {

/// What is applied to decoded vectors: z ≈ A·ẑ + b.
struct Rectifier {
  MatrixD A;  ///< [dim × dim]
  VectorD b;  ///< [dim]

  /// decoded [n × dim] → [n × dim].
  Matrix apply(const ConstMatrixRef& decoded) const {
    return ((decoded.cast<double>() * A.transpose()).rowwise() + b.transpose()).cast<float>();
  }
};

/// Least squares from decoded vectors back to the originals, drawn towards the identity:
///
///   min Σ ‖A·ẑ + b − z‖² + λ·(‖A − I‖² + ‖b‖²),  λ = ridge · mean(diag Σ ẑ·ẑᵀ)
///
/// so the training error never rises above that of the decoded vectors themselves, whatever the ridge.
///
///   decoded, original  [n × dim]
/// Errors   shape_mismatch; not_finite; not_positive_definite where dependent coordinates meet a ridge of 0.
/// Cost     n · dim² + dim³, in double.
/// Source   the rectifier of "Quantize-then-Rectify" (ReVQ), arXiv:2507.10547, is a small trained network; this is its linear
///          stand-in.
struct RidgeRectifier {
  double ridge = 1e-4;

  Result<Rectifier> fit(const ConstMatrixRef& decoded, const ConstMatrixRef& original) const {
    if (decoded.rows() != original.rows() || decoded.cols() != original.cols())
      return Error{.code = Errc::shape_mismatch, .message = "decoded and original vectors have the same shape"};
    if (!decoded.allFinite() || !original.allFinite())
      return Error{.code = Errc::not_finite, .message = "vectors must be finite"};
    const Index n = decoded.rows(), d = decoded.cols();
    Rectifier out{MatrixD::Identity(d, d), VectorD::Zero(d)};
    if (n == 0 || d == 0) return out;
    MatrixD z(n, d + 1);
    z.leftCols(d) = decoded.cast<double>();
    z.col(d).setOnes();
    MatrixD gram = linalg::product(z.transpose(), z);
    const double mean = gram.diagonal().head(d).mean();
    gram.diagonal().array() += ridge * (mean > 0.0 ? mean : 1.0);
    const MatrixD residual = original.cast<double>() - decoded.cast<double>();
    const auto factor = linalg::cholesky(gram);
    if (!factor)
      return Error{.code = Errc::not_positive_definite,
                   .message = "decoded vectors are dependent; use a larger ridge",
                   .value = ridge};
    const MatrixD change = linalg::solve(*factor, linalg::product(z.transpose(), residual));  // [(dim + 1) × dim]
    out.A += change.topRows(d).transpose();
    out.b = change.row(d).transpose();
    return out;
  }
};

}  // namespace lowbit::ptq
