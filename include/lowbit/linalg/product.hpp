// SPDX-License-Identifier: MIT
#pragma once

#include "lowbit/core/bodies.hpp"
#include "lowbit/linalg/matrix.hpp"

/// Matrix products behind one type of operand each. Eigen compiles its product anew, blocking, packing and all, for every
/// pair of expressions; a dozen of them would cost every source that includes lowbit's rounding policies ten seconds.
/// Operands that are no row-major blocks (transposes, sums, casts) are evaluated first, which is little beside the product.

namespace lowbit::linalg {

/// C [m × n] += A [m × k] · B [k × n]. C may not overlap A or B.
void add_product(MatrixDRef C, const ConstMatrixDRef& A, const ConstMatrixDRef& B);

/// C [m × n] −= A [m × k] · B [k × n]. C may not overlap A or B.
void subtract_product(MatrixDRef C, const ConstMatrixDRef& A, const ConstMatrixDRef& B);

/// A [m × k] · B [k × n].
MatrixD product(const ConstMatrixDRef& A, const ConstMatrixDRef& B);

/// The same in float: sums of k terms in single precision.
Matrix product_in_float(const ConstMatrixRef& A, const ConstMatrixRef& B);

/// y [m] = A [m × k] · x [k] in float. y may not overlap A or x.
void product_in_float(VectorRef y, const ConstMatrixRef& A, const ConstVectorRef& x);

#if defined(LOWBIT_BODY)

LOWBIT_BODY void add_product(MatrixDRef C, const ConstMatrixDRef& A, const ConstMatrixDRef& B) { C.noalias() += A * B; }

LOWBIT_BODY void subtract_product(MatrixDRef C, const ConstMatrixDRef& A, const ConstMatrixDRef& B) { C.noalias() -= A * B; }

LOWBIT_BODY MatrixD product(const ConstMatrixDRef& A, const ConstMatrixDRef& B) {
  MatrixD C = MatrixD::Zero(A.rows(), B.cols());
  add_product(C, A, B);
  return C;
}

LOWBIT_BODY Matrix product_in_float(const ConstMatrixRef& A, const ConstMatrixRef& B) { return A * B; }

LOWBIT_BODY void product_in_float(VectorRef y, const ConstMatrixRef& A, const ConstVectorRef& x) { y.noalias() = A * x; }

#endif

}  // namespace lowbit::linalg
