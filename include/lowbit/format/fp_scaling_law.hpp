// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>

namespace lowbit {

/// A training run in floating point, as the scaling law sees it.
struct FpTraining {
  double parameters = 0.0;  ///< N > 0, without embeddings
  double tokens = 0.0;      ///< D > 0
  double exponent_bits = 0.0;
  double mantissa_bits = 0.0;
  double block_size = 1.0;  ///< B ≥ 1: elements that share a scale
};

/// The loss (nats per token) that a fitted law predicts for training with quantized weights, gradients and activations:
///
///   L = n/N^α + d/D^β + ε + (D^β / N^α) · log2 B / (γ · (E + 1/2)^δ · (M + 1/2)^ν)
///
/// For planning: it ranks splits of a bit budget; it says nothing about quantization after training. More exponent or
/// mantissa bits lower L, a larger block raises it.
/// Source: Sun et al., "Scaling Laws for Floating Point Quantization Training", arXiv:2501.02423.
inline double fp_scaling_law(const FpTraining& run) noexcept {
  constexpr double n = 69.2343, alpha = 0.2368, d = 68973.0621, beta = 0.5162, epsilon = 1.9061;
  constexpr double gamma = 11334.5197, delta = 3.1926, nu = 2.9543;
  const double n_term = std::pow(run.parameters, alpha), d_term = std::pow(run.tokens, beta);
  const double precision = gamma * std::pow(run.exponent_bits + 0.5, delta) * std::pow(run.mantissa_bits + 0.5, nu);
  return n / n_term + d / d_term + epsilon + d_term / n_term * std::log2(run.block_size) / precision;
}

}  // namespace lowbit
