// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "lowbit/core/isa.hpp"

/// The scale searches of the ggml family, one group at a time: the definitions. ggml_search_lanes.hpp runs eight groups
/// side by side with the same bits.
///
/// All arithmetic is float, in the order of the reference, sums from the first element to the last. Equality of bytes
/// with files that ggml writes needs just that: compile without contraction to fused multiply-add (-ffp-contract=off).
///
/// No search keeps its codes: it returns what they are a function of, so that a quantizer chooses them one by one.
/// Groups may have any size; weights are one non-negative number per element.
///
/// Source: ggml, make_qx_quants, make_q3_quants, make_qkx2_quants, make_qkx3_quants, make_qp_quants (ggml-quants.c).

namespace lowbit::ggml {

/// Groups whose largest magnitude (or range) is below this are zero groups. The searches of signed grids have it from
/// the reference; those of affine grids would otherwise divide by numbers without a reciprocal.
inline constexpr float vanishing = 1e-15f;
inline constexpr float vanishing_range = 1e-30f;

/// The first element of the largest magnitude, with its sign; 0 for an empty group.
LOWBIT_ALWAYS_INLINE float extreme(std::span<const float> x) noexcept {
  float most = 0.0f, with_sign = 0.0f;
  for (const float v : x) {
    const float a = std::fabs(v);
    with_sign = a > most ? v : with_sign;
    most = a > most ? a : most;
  }
  return with_sign;
}

/// Σ x², in float.
inline float sum_of_squares(std::span<const float> x) noexcept {
  float sum = 0.0f;
  for (const float v : x) sum += v * v;
  return sum;
}

/// Mean of x² in float; `known` where it is not 0.
inline float mean_square(std::span<const float> x, float known = 0.0f) noexcept {
  return known != 0.0f || x.empty() ? known : sum_of_squares(x) / static_cast<float>(x.size());
}

/// importance·√(variance + x²), the weights of every importance-weighted search; n = x.size() of them.
inline void importance_weights(std::span<const float> x, std::span<const float> importance, float variance,
                               float* weights) noexcept {
  for (std::size_t i = 0; i < x.size(); ++i) weights[i] = importance[i] * std::sqrt(variance + x[i] * x[i]);
}

/// clip(round(v), lo, hi), ties to even, for integers lo ≤ hi of at most 2^21: clipped first, which comes to the same.
/// Adding 1.5·2^23 reads the ambient rounding mode, as every sum here does: it must be the default one.
LOWBIT_ALWAYS_INLINE float round_to(float v, float lo, float hi) noexcept {
  constexpr float magic = 12582912.0f;
  float clipped = v > lo ? v : lo;
  clipped = clipped < hi ? clipped : hi;
  return (clipped + magic) - magic;
}

/// x̂ = scale·l with l = clip(round(inverse·x), −nmax, nmax − 1). Both 0 for a zero group. scale may be negative.
struct SymmetricFit {
  float scale = 0.0f;
  float inverse = 0.0f;
};

/// Tries inverse = −(nmax + k/10)/m, m the extreme, k = 0, −9 … −1, 1 … 9, each with its least-squares scale, and keeps
/// the one with the largest merit (Σ w·x·l)² / Σ w·l². w = x² where no weights are given.
inline SymmetricFit make_qx(std::span<const float> x, std::span<const float> weights, int nmax) noexcept {
  const float m = extreme(x);
  if (std::fabs(m) < vanishing) return {};
  const auto lo = static_cast<float>(-nmax), hi = static_cast<float>(nmax - 1);
  SymmetricFit best;
  float merit = 0.0f;
  for (const int k : {0, -9, -8, -7, -6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
    const float inverse = -(static_cast<float>(nmax) + 0.1f * static_cast<float>(k)) / m;
    float sum_xl = 0.0f, sum_l2 = 0.0f;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float l = round_to(inverse * x[i], lo, hi);
      const float w = weights.empty() ? x[i] * x[i] : weights[i];
      sum_xl += w * x[i] * l;
      sum_l2 += w * l * l;
    }
    if (k != 0 && !(sum_l2 > 0.0f && sum_xl * sum_xl > merit * sum_l2)) continue;
    best = {sum_l2 != 0.0f ? sum_xl / sum_l2 : 0.0f, inverse};
    merit = best.scale * sum_xl;
  }
  return best;
}

/// The unweighted search of Q3_K: codes of inverse = −nmax/m, then up to five sweeps that move one code at a time where
/// that raises the merit with w = x². `inverse` gives the codes before the sweeps. n ≤ 16.
inline SymmetricFit make_q3(std::span<const float> x, int nmax) noexcept {
  const float m = extreme(x);
  if (std::fabs(m) < vanishing) return {};
  const auto lo = static_cast<float>(-nmax), hi = static_cast<float>(nmax - 1);
  const float inverse = lo / m;
  float codes[16];
  float sum_xl = 0.0f, sum_l2 = 0.0f;
  for (std::size_t i = 0; i < x.size(); ++i) {
    codes[i] = round_to(inverse * x[i], lo, hi);
    const float w = x[i] * x[i];
    sum_xl += w * x[i] * codes[i];
    sum_l2 += w * codes[i] * codes[i];
  }
  for (int sweep = 0; sweep < 5; ++sweep) {
    bool changed = false;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float w = x[i] * x[i];
      float rest_xl = sum_xl - w * x[i] * codes[i];
      if (!(rest_xl > 0.0f)) continue;
      float rest_l2 = sum_l2 - w * codes[i] * codes[i];
      const float l = round_to(x[i] * rest_l2 / rest_xl, lo, hi);
      if (l == codes[i]) continue;
      rest_xl += w * x[i] * l;
      rest_l2 += w * l * l;
      if (rest_l2 > 0.0f && rest_xl * rest_xl * sum_l2 > sum_xl * sum_xl * rest_l2) {
        codes[i] = l;
        sum_xl = rest_xl;
        sum_l2 = rest_l2;
        changed = true;
      }
    }
    if (!changed) break;
  }
  return {sum_l2 > 0.0f ? sum_xl / sum_l2 : 0.0f, inverse};
}

/// x̂ = scale·l − min with l = clip(round(inverse·(x − low)), 0, nmax); min is not negative. scale = inverse = 0 for a
/// group without range: all codes are 0.
struct AffineFit {
  float scale = 0.0f;
  float min = 0.0f;
  float inverse = 0.0f;
  float low = 0.0f;
};

/// Which candidates make_qkx2 and make_qkx3 try, and how they measure.
struct AffineSearch {
  float first;            ///< rmin
  float step;             ///< rdelta
  int steps;              ///< nstep: steps + 1 candidates
  bool absolute = false;  ///< Σ w|x̂ − x| decides instead of Σ w(x̂ − x)²
};
inline constexpr AffineSearch weighted_search{-0.9f, 0.05f, 36};  ///< what the reference uses with importance

/// Starts from the grid that spans [min(0, min x), max x]. Candidate k has inverse = (first + step·k + nmax)/(max −
/// low); its codes get the weighted least-squares scale and offset (offset clamped to at most 0), and it is kept where
/// its error is smaller. `low` is the original minimum at first and then the offset of the best candidate so far: a
/// candidate that is kept moves the grid that later ones start from.
inline AffineFit make_qkx2(std::span<const float> x, std::span<const float> weights, int nmax,
                           const AffineSearch& search) noexcept {
  if (x.empty()) return {};
  float low = x[0], max = x[0], sum_w = weights[0], sum_x = sum_w * x[0];
  for (std::size_t i = 1; i < x.size(); ++i) {
    low = x[i] < low ? x[i] : low;
    max = x[i] > max ? x[i] : max;
    sum_w += weights[i];
    sum_x += weights[i] * x[i];
  }
  low = low > 0.0f ? 0.0f : low;
  if (!(max - low > vanishing_range)) return {0.0f, -low, 0.0f, low};
  const auto top = static_cast<float>(nmax);
  const auto term = [&](float difference) { return search.absolute ? std::fabs(difference) : difference * difference; };

  AffineFit best{0.0f, 0.0f, top / (max - low), low};
  best.scale = 1.0f / best.inverse;
  float least = 0.0f;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float l = round_to(best.inverse * (x[i] - low), 0.0f, top);
    least += weights[i] * term(best.scale * l + low - x[i]);
  }
  float offset = low;
  for (int k = 0; k <= search.steps; ++k) {
    const float inverse = (search.first + search.step * static_cast<float>(k) + top) / (max - offset);
    float sum_l = 0.0f, sum_l2 = 0.0f, sum_xl = 0.0f;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float l = round_to(inverse * (x[i] - offset), 0.0f, top);
      const float wl = weights[i] * l;
      sum_l += wl;
      sum_l2 += wl * l;
      sum_xl += wl * x[i];
    }
    const float determinant = sum_w * sum_l2 - sum_l * sum_l;
    if (!(determinant > 0.0f)) continue;
    float scale = (sum_w * sum_xl - sum_x * sum_l) / determinant;
    float moved = (sum_l2 * sum_x - sum_l * sum_xl) / determinant;
    if (moved > 0.0f) {
      moved = 0.0f;
      scale = sum_xl / sum_l2;
    }
    float error = 0.0f;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float l = round_to(inverse * (x[i] - offset), 0.0f, top);
      error += weights[i] * term(scale * l + moved - x[i]);
    }
    if (error < least) {
      least = error;
      best = {scale, 0.0f, inverse, offset};
      offset = moved;
    }
  }
  best.min = -offset;
  return best;
}

/// make_qkx2 with w = x² where no weights are given, and the candidates that the reference uses with importance.
/// x.size() ≤ 256.
inline AffineFit make_qkx3(std::span<const float> x, std::span<const float> weights, int nmax,
                           const AffineSearch& search = weighted_search) noexcept {
  float squares[256];
  if (weights.empty()) {
    for (std::size_t i = 0; i < x.size(); ++i) squares[i] = x[i] * x[i];
    weights = std::span<const float>(squares, x.size());
  }
  return make_qkx2(x, weights, nmax, search);
}

/// Non-negative numbers x (the scales of sub-blocks) to codes 0 … nmax; returns their scale. x.size() ≤ 16.
/// The best of nine grids by weighted squared error, then up to five sweeps that move one code at a time where that
/// raises the merit. 0, with codes 0, when all of x or all weights are 0.
inline float make_qp(std::span<const float> x, std::span<const float> weights, int nmax, std::uint8_t* codes) noexcept {
  const auto top = static_cast<float>(nmax);
  float max = 0.0f;
  for (const float v : x) max = v > max ? v : max;
  for (std::size_t i = 0; i < x.size(); ++i) codes[i] = 0;
  if (max < vanishing) return 0.0f;
  float inverse = top / max, least = 0.0f;
  for (const int k : {0, -4, -3, -2, -1, 1, 2, 3, 4}) {
    const float candidate = k == 0 ? inverse : (0.1f * static_cast<float>(k) + top) / max;
    const float scale = 1.0f / candidate;
    float error = 0.0f;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float difference = x[i] - scale * round_to(candidate * x[i], 0.0f, top);
      error += weights[i] * difference * difference;
    }
    if (k == 0 || error < least) {
      least = error;
      inverse = candidate;
    }
  }
  float l[16];
  float sum_xl = 0.0f, sum_l2 = 0.0f;
  for (std::size_t i = 0; i < x.size(); ++i) {
    l[i] = round_to(inverse * x[i], 0.0f, top);
    sum_xl += weights[i] * x[i] * l[i];
    sum_l2 += weights[i] * l[i] * l[i];
  }
  for (int sweep = 0; sweep < 5; ++sweep) {
    bool changed = false;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float w = weights[i];
      float rest_xl = sum_xl - w * x[i] * l[i];
      float rest_l2 = sum_l2 - w * l[i] * l[i];
      if (!(rest_xl > 0.0f && rest_l2 > 0.0f)) continue;
      const float moved = round_to(x[i] * rest_l2 / rest_xl, 0.0f, top);
      if (moved == l[i]) continue;
      rest_xl += w * x[i] * moved;
      rest_l2 += w * moved * moved;
      if (rest_xl * rest_xl * sum_l2 > sum_xl * sum_xl * rest_l2) {
        l[i] = moved;
        sum_xl = rest_xl;
        sum_l2 = rest_l2;
        changed = true;
      }
    }
    if (!changed) break;
  }
  for (std::size_t i = 0; i < x.size(); ++i) codes[i] = static_cast<std::uint8_t>(l[i]);
  return sum_l2 > 0.0f ? sum_xl / sum_l2 : 0.0f;
}

}  // namespace lowbit::ggml
