// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "lowbit/core/contract.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/model/config.hpp"

namespace lowbit::model {

/// What each rotary frequency is divided by: [head_dim / 2], all 1 without scaling. The tensor `rope_freqs.weight` of a
/// GGUF file holds the same numbers.
///
/// llama3: with wavelength w and original context C, 1 for w < C / high_freq_factor, `factor` for w > C /
/// low_freq_factor, and 1 / ((1 − t) / factor + t) between, t = (C / w − low) / (high − low).
inline std::vector<double> rope_factors(const LlamaConfig& config) {
  const RopeScaling& s = config.rope_scaling;
  const std::size_t half = config.head_dim / 2;
  if (s.kind == RopeScaling::Kind::none) return std::vector<double>(half, 1.0);
  if (s.kind == RopeScaling::Kind::linear) return std::vector<double>(half, s.factor);
  std::vector<double> factors(half);
  const auto context = static_cast<double>(s.original_max_position_embeddings);
  for (std::size_t i = 0; i < half; ++i) {
    const double exponent = 2.0 * static_cast<double>(i) / static_cast<double>(config.head_dim);
    const double wavelength = 2.0 * 3.14159265358979323846 * std::pow(config.rope_theta, exponent);
    const double t = (context / wavelength - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
    factors[i] = t > 1.0 ? 1.0 : t < 0.0 ? s.factor : 1.0 / ((1.0 - t) / s.factor + t);
  }
  return factors;
}

/// Cosines and sines of position · frequency for positions 0 … positions − 1, computed in double.
/// Memory: positions · head_dim floats.
class RopeTable {
 public:
  RopeTable() = default;
  RopeTable(const LlamaConfig& config, std::size_t positions)
      : cos_(static_cast<Index>(positions), static_cast<Index>(config.head_dim / 2)), sin_(cos_.rows(), cos_.cols()) {
    const std::vector<double> factors = rope_factors(config);
    for (Index i = 0; i < cos_.cols(); ++i) {
      const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(config.head_dim);
      const double frequency = std::pow(config.rope_theta, exponent) / factors[static_cast<std::size_t>(i)];
      for (Index p = 0; p < cos_.rows(); ++p) {
        const double angle = static_cast<double>(p) * frequency;
        cos_(p, i) = static_cast<float>(std::cos(angle));
        sin_(p, i) = static_cast<float>(std::sin(angle));
      }
    }
  }

  std::size_t positions() const noexcept { return static_cast<std::size_t>(cos_.rows()); }

  /// Rotates one head, x[head_dim], in place: element i and element i + head_dim/2 are a pair (the order of Hugging
  /// Face checkpoints; GGUF files pair neighbours).
  void rotate(float* x, std::size_t position) const {
    LOWBIT_ASSERT(position < positions(), "the position lies inside the table");
    const Index half = cos_.cols();
    const float* c = cos_.data() + static_cast<Index>(position) * half;
    const float* s = sin_.data() + static_cast<Index>(position) * half;
    for (Index i = 0; i < half; ++i) {
      const float a = x[i], b = x[half + i];
      x[i] = a * c[i] - b * s[i];
      x[half + i] = b * c[i] + a * s[i];
    }
  }

  /// The inverse rotation, which is also the gradient's.
  void rotate_back(float* x, std::size_t position) const {
    LOWBIT_ASSERT(position < positions(), "the position lies inside the table");
    const Index half = cos_.cols();
    const float* c = cos_.data() + static_cast<Index>(position) * half;
    const float* s = sin_.data() + static_cast<Index>(position) * half;
    for (Index i = 0; i < half; ++i) {
      const float a = x[i], b = x[half + i];
      x[i] = a * c[i] + b * s[i];
      x[half + i] = b * c[i] - a * s[i];
    }
  }

 private:
  Matrix cos_, sin_;
};

}  // namespace lowbit::model
