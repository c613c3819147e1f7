// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <span>

#include "lowbit/format/iq4_nl.hpp"
#include "lowbit/quantizer/ggml_search.hpp"
#include "lowbit/quantizer/ggml_search_lanes.hpp"

/// The scale search of IQ4_NL and IQ4_XS, with the same promises as ggml_search.hpp.
/// Source: ggml, quantize_row_iq4_nl_impl.

namespace lowbit::ggml {

/// The least-squares scale Σ w·x·t / Σ w·t² of the levels t = Iq4Nl(x·inverse); 0 where the weights are 0.
struct LevelFit {
  float scale;
  float merit;
};
inline LevelFit fit_levels(std::span<const float> x, std::span<const float> weights, float inverse) noexcept {
  float sum_xt = 0.0f, sum_t2 = 0.0f;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float t = Iq4Nl::levels[Iq4Nl::encode(inverse * x[i])];
    sum_xt += weights[i] * t * x[i];
    sum_t2 += weights[i] * t * t;
  }
  const float scale = sum_t2 > 0.0f ? sum_xt / sum_t2 : 0.0f;
  return {scale, scale * sum_xt};
}

/// Tries inverse = −127/(−m) and (k − 127)/m, k = −7 … 7, m the extreme, and keeps the least-squares scale with the
/// largest merit (Σ w·x·t)² / Σ w·t². 0 for a zero group.
inline float make_iq4(std::span<const float> x, std::span<const float> weights) noexcept {
  const float m = extreme(x);
  if (std::fabs(m) < vanishing) return 0.0f;
  auto [best, merit] = fit_levels(x, weights, 1.0f / (-m / -127.0f));
  for (int k = -7; k <= 7; ++k) {
    const float inverse = (static_cast<float>(k) - 127.0f) / m;
    float sum_xt = 0.0f, sum_t2 = 0.0f;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float t = Iq4Nl::levels[Iq4Nl::encode(inverse * x[i])];
      sum_xt += weights[i] * t * x[i];
      sum_t2 += weights[i] * t * t;
    }
    if (sum_t2 > 0.0f && sum_xt * sum_xt > merit * sum_t2) {
      best = sum_xt / sum_t2;
      merit = best * sum_xt;
    }
  }
  return best;
}

#if defined(__GNUC__)
/// make_iq4 of `lanes` sub-blocks of Size.
template <std::size_t Size>
void make_iq4_lanes(const float* x, const float* weights, float* out) noexcept {
  using namespace detail;
  Floats xs[Size], ws[Size];
  transpose<Size>(x, xs);
  transpose<Size>(weights, ws);
  const Floats m = detail::extreme<Size>(xs), zero{};
  Floats best{}, merit{};
  for (int k = -8; k <= 7; ++k) {
    const Floats inverse = k == -8 ? 1.0f / (-m / -127.0f) : fill(static_cast<float>(k) - 127.0f) / m;
    Floats sum_xt{}, sum_t2{};
    for (std::size_t i = 0; i < Size; ++i) {
      const Floats v = inverse * xs[i];
      Floats t = fill(Iq4Nl::levels[0]);  // sums of integers: exact
      for (std::size_t c = 0; c < 15; ++c)
        t += pick(v >= Iq4Nl::bounds[c], fill(Iq4Nl::levels[c + 1] - Iq4Nl::levels[c]), zero);
      sum_xt += ws[i] * t * xs[i];
      sum_t2 += ws[i] * t * t;
    }
    const Floats scale = pick(sum_t2 > zero, sum_xt / sum_t2, zero);
    const Ints better = k == -8 ? (zero == zero) : ((sum_t2 > zero) & (sum_xt * sum_xt > merit * sum_t2));
    best = pick(better, scale, best);
    merit = pick(better, scale * sum_xt, merit);
  }
  best = pick(magnitude(m) < fill(vanishing), zero, best);
  for (std::size_t j = 0; j < lanes; ++j) out[j] = best[j];
}
#endif

/// make_iq4 of every sub-block of a group; x.size() weights.
template <std::size_t Size, std::size_t Count>
void make_iq4_of_each(std::span<const float> x, std::span<const float> weights,
                      std::array<float, Count>& out) noexcept {
  fit_sub_blocks<Size>(
      x.size(), out,
      [&](std::size_t first, std::size_t n) { return make_iq4(x.subspan(first, n), weights.subspan(first, n)); },
      [&]([[maybe_unused]] std::size_t first, [[maybe_unused]] float* to) {
#if defined(__GNUC__)
        make_iq4_lanes<Size>(x.data() + first, weights.data() + first, to);
#endif
      });
}

}  // namespace lowbit::ggml
