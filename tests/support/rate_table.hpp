// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lowbit/core/rng.hpp"
#include "lowbit/format.hpp"
#include "lowbit/kernel/dequantize.hpp"
#include "lowbit/quantizer.hpp"

/// Every format on Gaussian and Laplacian weights, beside what is published: a test checks the rows, bench/rate_distortion
/// prints them.

namespace lowbit::test {

inline constexpr std::size_t rate_count = std::size_t{1} << 18;

inline std::vector<float> gaussian_weights(std::uint64_t draw = 0) {
  Rng rng(1234, draw);
  std::vector<float> w(rate_count);
  for (float& x : w) x = static_cast<float>(rng.normal());
  return w;
}

inline std::vector<float> laplacian_weights(std::uint64_t draw = 0) {
  Rng rng(4321, draw);
  std::vector<float> w(rate_count);
  for (float& x : w) {
    const double magnitude = -std::log(1.0 - rng.uniform());
    x = static_cast<float>(rng.below(2) == 0 ? magnitude : -magnitude);
  }
  return w;
}

struct Distortion {
  double bits_per_weight = 0.0;
  double nmse = 0.0;  ///< Σ(x − x̂)² / Σx²
};

/// What a matrix lost of the rows · cols weights w that it was made from.
template <class Q>
Distortion distortion_of(const QuantizedMatrix<Q>& m, std::span<const float> w) {
  std::vector<float> back(w.size());
  dequantize(m.view(), 0, m.rows(), back);
  double error = 0.0, power = 0.0;
  for (std::size_t i = 0; i < w.size(); ++i) {
    const auto x = static_cast<double>(w[i]);
    error += (x - static_cast<double>(back[i])) * (x - static_cast<double>(back[i]));
    power += x * x;
  }
  return {m.bits_per_weight(), error / power};
}

/// w as 64 rows of 4096, rounded to nearest.
template <class Q>
Distortion distortion(const Q& q, std::span<const float> w, const ScaleSearch& search = AbsMax{}) {
  return distortion_of(quantize_nearest(q, w, w.size() / 4096, 4096, search).value(), w);
}

/// The same with the best of 81 clips, from 1.2 to 0.2 of each group's largest magnitude, by squared error; groups of
/// `group` along the flattened weights.
template <class Q>
Distortion clipped_distortion(const Q& q, std::span<const float> w, std::size_t group) {
  double error = 0.0, power = 0.0;
  for (std::size_t begin = 0; begin < w.size(); begin += group) {
    const auto values = w.subspan(begin, group);
    float most = 0.0f;
    for (const float x : values) most = std::max(most, std::fabs(x));
    double least = 1e300;
    for (int k = 0; k <= 80; ++k) {
      const float clip = (1.2f - 0.0125f * static_cast<float>(k)) * most;
      const auto p = q.fit_range(-clip, clip);
      double sum = 0.0;
      for (const float x : values) {
        const double e = static_cast<double>(q.dequantize(q.quantize(x, p), p)) - static_cast<double>(x);
        sum += e * e;
      }
      least = std::min(least, sum);
    }
    error += least;
    for (const float x : values) power += static_cast<double>(x) * static_cast<double>(x);
  }
  return {8.0 * static_cast<double>(sizeof(typename Q::stored_type)) / static_cast<double>(group) +
              static_cast<double>(std::bit_width(Q::format_type::cardinality - 1)),
          error / power};
}

struct RateRow {
  std::string name;
  double gauss = 0.0, laplace = 0.0;  ///< published NMSE, of one draw; 0 where there is none
  Distortion (*measure)(std::span<const float>) = nullptr;
  int draws = 1;  ///< averaged where few blocks or saturation make one draw scatter by 1 % or more
};

/// Scalar formats and blocks. GGUF's types have no scale search here: the rows are what their own encoders give without importance.
std::vector<RateRow> rate_rows();

/// Vector formats: lattices, pyramids, trellises.
std::vector<RateRow> vector_rate_rows();

}  // namespace lowbit::test
