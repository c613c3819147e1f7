// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

namespace lowbit::pvq {

/// (w − ŵ)ᵀH(w − ŵ) for the block at H, rows `stride` apart.
inline double loss(std::span<const float> w, std::span<const float> rounded, const double* H,
                   std::size_t stride) noexcept {
  double sum = 0.0;
  for (std::size_t i = 0; i < w.size(); ++i) {
    const double e = static_cast<double>(w[i]) - static_cast<double>(rounded[i]);
    for (std::size_t j = 0; j < w.size(); ++j)
      sum += e * H[i * stride + j] * (static_cast<double>(w[j]) - static_cast<double>(rounded[j]));
  }
  return sum;
}

/// A multiple ρ·y of an integer vector: its part ρ²·B − 2ρ·A of the loss, with A = yᵀHw and B = yᵀHy.
struct Fit {
  double length = 0.0;  ///< ρ
  double loss = 0.0;
};

/// The best ρ, any real number that is not negative: A/B.
struct AnyLength {
  Fit operator()(double A, double B, double) const noexcept {
    if (!(A > 0.0) || !(B > 0.0)) return {};
    return {A / B, -A * A / B};
  }
};

/// The best ρ of those with ρ·‖y‖ = 0 or scale·gains[j].
struct OneOfLengths {
  std::span<const float> gains;
  double scale = 1.0;

  Fit operator()(double A, double B, double square) const noexcept {
    Fit best;
    if (!(A > 0.0) || !(B > 0.0)) return best;
    const double unit = scale / std::sqrt(square);
    for (const float g : gains) {
      const double length = static_cast<double>(g) * unit, at = length * (length * B - 2.0 * A);
      if (at < best.loss) best = {length, at};
    }
    return best;
  }
};

/// Moves one pulse at a time, from any coordinate to any other or across zero, whichever lowers the loss of ρ·y most, until
/// none does. The loss wᵀHw + Fit::loss of the y that is returned is not above that of the y given.
///
///   w, y    [D]; Σ|y_i| is kept
///   H       [D × D], symmetric, positive semidefinite, rows `stride` apart
///   best    AnyLength or OneOfLengths
///
/// Every move lowers the loss by more than 1e−12 of wᵀHw, so it ends. Cost per move: 2·D·(nonzeros of y) candidates.
/// Source: "Pyramid Vector Quantization for LLMs", arXiv:2410.16926, where details are left open; the moves are ours.
template <std::size_t D, class BestLength>
Fit refine(std::span<const float, D> w, std::span<std::int32_t, D> y, const double* H, std::size_t stride,
           const BestLength& best) noexcept {
  double Hw[D], Hy[D], A = 0.0, B = 0.0, total = 0.0, square = 0.0;
  const auto sums = [&] {
    A = B = square = 0.0;
    for (std::size_t i = 0; i < D; ++i) {
      Hy[i] = 0.0;
      for (std::size_t j = 0; j < D; ++j) Hy[i] += H[i * stride + j] * static_cast<double>(y[j]);
    }
    for (std::size_t i = 0; i < D; ++i) {
      const auto v = static_cast<double>(y[i]);
      A += v * Hw[i];
      B += v * Hy[i];
      square += v * v;
    }
  };
  for (std::size_t i = 0; i < D; ++i) {
    Hw[i] = 0.0;
    for (std::size_t j = 0; j < D; ++j) Hw[i] += H[i * stride + j] * static_cast<double>(w[j]);
    total += static_cast<double>(w[i]) * Hw[i];
  }
  sums();
  Fit here = best(A, B, square);
  const double least_gain = 1e-12 * (total > 0.0 ? total : 0.0);
  for (;;) {
    Fit found = here;
    std::size_t from = D, to = D;
    std::int32_t added = 0;
    for (std::size_t j = 0; j < D; ++j) {
      if (y[j] == 0) continue;
      const std::int32_t t = y[j] > 0 ? 1 : -1;
      for (std::size_t i = 0; i < D; ++i)
        for (const std::int32_t s : {1, -1}) {
          // Only away from zero does a new pulse make up for the one removed.
          const std::int32_t there = y[i] - (i == j ? t : 0);
          if (there * s < 0 || (i == j && s == t)) continue;
          const double u = static_cast<double>(s), v = static_cast<double>(t);
          const double a = A + u * Hw[i] - v * Hw[j];
          const double b = B + 2.0 * (u * Hy[i] - v * Hy[j]) + H[i * stride + i] + H[j * stride + j] -
                           2.0 * u * v * H[i * stride + j];
          const double less = 1.0 - 2.0 * v * static_cast<double>(y[j]);  // ‖y‖² without the pulse, minus with
          const Fit fit = best(a, b, square + less + 1.0 + 2.0 * u * static_cast<double>(there));
          if (fit.loss < found.loss) {
            found = fit;
            from = j;
            to = i;
            added = s;
          }
        }
    }
    if (from == D || !(found.loss < here.loss - least_gain)) return here;
    const std::int32_t before_from = y[from], before_to = y[to];
    y[from] -= before_from > 0 ? 1 : -1;
    y[to] += added;
    sums();
    const Fit now = best(A, B, square);
    if (!(now.loss < here.loss)) {  // it was lower by the rounding of the shortcut alone
      y[from] = before_from;
      y[to] = before_to;
      return here;
    }
    here = now;
  }
}

}  // namespace lowbit::pvq
