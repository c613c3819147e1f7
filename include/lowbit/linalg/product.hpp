// SPDX-License-Identifier: MIT
#pragma once

#include "lowbit/linalg/matrix.hpp"

/// Matrix products behind one type of operand each. Eigen compiles its product anew, blocking, packing and all, for every
/// pair of expressions; a dozen of them would cost every source that includes lowbit's rounding policies ten seconds.
/// Operands that are no row-major blocks (transposes, sums, casts) are evaluated first, which is little beside the product.

namespace lowbit::linalg {

/// C [m × n] += A [m × k] · B [k × n]. C may not overlap A or B.
inline void add_product(MatrixDRef C, const ConstMatrixDRef& A, const ConstMatrixDRef& B) { C.noalias() += A * B; }

/// C [m × n] −= A [m × k] · B [k × n]. C may not overlap A or B.
inline void subtract_product(MatrixDRef C, const ConstMatrixDRef& A, const ConstMatrixDRef& B) { C.noalias() -= A * B; }

/// A [m × k] · B [k × n].
inline MatrixD product(const ConstMatrixDRef& A, const ConstMatrixDRef& B) {
  MatrixD C = MatrixD::Zero(A.rows(), B.cols());
  add_product(C, A, B);
  return C;
}

/// The same in float: sums of k terms in single precision.
inline Matrix product_in_float(const ConstMatrixRef& A, const ConstMatrixRef& B) { return A * B; }

}  // namespace lowbit::linalg
