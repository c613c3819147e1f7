// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>

#include "lowbit/linalg/matrix.hpp"

namespace lowbit::transform {

/// μ(W) = max |W_ij| · √(mn) / ‖W‖_F for W [m × n]: how far its largest entry stands out. 1 where all entries are of one
/// size, √(mn) where only one is not zero, about √(2·ln(mn)) for a Gaussian W; 1 for W = 0.
/// Source  Chee et al., "QuIP", NeurIPS 2023, arXiv:2307.13304, definition 1.
inline double incoherence(const ConstMatrixDRef& W) {
  const double norm = W.norm();
  if (W.size() == 0 || norm == 0.0) return 1.0;
  return W.cwiseAbs().maxCoeff() * std::sqrt(static_cast<double>(W.size())) / norm;
}

}  // namespace lowbit::transform
