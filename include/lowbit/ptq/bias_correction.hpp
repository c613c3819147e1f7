// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "lowbit/core/result.hpp"
#include "lowbit/linalg/matrix.hpp"

namespace lowbit::ptq {

/// What to add to a layer's bias so that rounding its weights leaves the mean of every output as it was: −(Ŵ − W)·E[x].
///
///   W, quantized  [out × in]   mean_input  [in], E[x] over calibration tokens (of the inputs that the layer will see:
///                              those that the quantized layers before it produce)
///
/// The output's mean squared error falls by exactly the squared mean error, so it never rises. In double.
/// Errors: shape_mismatch.   Cost: O(out · in).
/// Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019,
///         arXiv:1906.04721, section 4.2.
inline Result<VectorD> bias_correction(const ConstMatrixRef& W, const ConstMatrixRef& quantized,
                                       const VectorD& mean_input) {
  if (W.rows() != quantized.rows() || W.cols() != quantized.cols() || mean_input.size() != W.cols())
    return Error{.code = Errc::shape_mismatch,
                 .message = "bias correction needs two matrices of one shape and a mean of " + std::to_string(W.cols()) +
                            " inputs"};
  return VectorD((W.cast<double>() - quantized.cast<double>()) * mean_input);
}

}  // namespace lowbit::ptq
