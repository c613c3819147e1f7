// SPDX-License-Identifier: MIT
#pragma once

#include <Eigen/Core>

/// The matrix aliases of the research half. Everything is row-major: W is [out × in], activations are [tokens × features],
/// so a row of either is contiguous.

namespace lowbit {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using MatrixD = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Vector = Eigen::VectorXf;
using VectorD = Eigen::VectorXd;

/// Arguments: accept matrices, row blocks, column blocks and maps with any row stride without copying. (A column-major or
/// otherwise strided expression is copied for ConstMatrixRef and refused by the compiler for MatrixRef.)
using ConstMatrixRef = Eigen::Ref<const Matrix, 0, Eigen::OuterStride<>>;
using MatrixRef = Eigen::Ref<Matrix, 0, Eigen::OuterStride<>>;
using ConstMatrixDRef = Eigen::Ref<const MatrixD, 0, Eigen::OuterStride<>>;
using MatrixDRef = Eigen::Ref<MatrixD, 0, Eigen::OuterStride<>>;
using ConstVectorRef = Eigen::Ref<const Vector>;
using VectorRef = Eigen::Ref<Vector>;

using Index = Eigen::Index;

}  // namespace lowbit
