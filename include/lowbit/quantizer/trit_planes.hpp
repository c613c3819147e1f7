// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lowbit/core/float16.hpp"
#include "lowbit/format/trit_planes.hpp"
#include "lowbit/pack/trit_pairs.hpp"
#include "lowbit/quantizer/concept.hpp"
#include "lowbit/quantizer/group_size.hpp"
#include "lowbit/quantizer/scaled.hpp"

namespace lowbit {

/// Where the alternation of TritPlanesScaled starts.
enum class TritStart : std::uint8_t {
  balanced,  ///< α = 0.55·max|w|·(1, 1/3): nearly evenly spaced points that clip a little
  signs,     ///< both planes sign(w), as in the paper
  both,      ///< from either, and from the group's own magnitudes where they are few enough for a grid of two planes: the
             ///< first of least squared error
};

/// Two trit planes: x̂ = α₁·t₁ + α₂·t₂, t ∈ {−1, 0, +1}, α₁ and α₂ per group.
///
/// Fitting alternates, without looking at inputs:
///
///   scales  α = (TᵀT + λI)⁻¹·Tᵀw, T = [t₁ t₂]; λ begins at `ridge` and grows tenfold, to 1 at most, while the condition
///           number of TᵀT + λI is above `condition`
///   trits   for every weight the nearest of the nine sums, the lowest code of equals
///
/// until α changes by less than `tolerance` relatively, or `iterations` times. With λ near 0 no half step raises the squared
/// error. The group is seen in a unit of its own, a power of two, so λ means the same for small weights and large ones.
/// Scales may have either sign; α₁ = α₂ = 0 makes a zero group. At the end they are rounded to their storage.
///
/// Bits per weight: 2 · (1.6 + scale bits / g): 3.45 with f16 scales and g = 128 (the 1.58 bits of the title are per plane).
/// Source: "PTQTP: Post-Training Quantization to Trit-Planes for Large Language Models", arXiv:2509.16989. Its code is not
/// released: `ridge`, `condition` and `tolerance` are as described, unverified. The balanced start is ours.
template <class Scale = f16, std::size_t GroupSize = 128, class Layout = pack::TritPairs>
struct TritPlanesScaled : detail::GroupSize<GroupSize> {
  using format_type = TritPlanes<2>;
  using layout_type = Layout;
  using stored_type = std::array<Scale, 2>;

  static constexpr unsigned zero_bits = 0;
  static constexpr bool tabulated = true;  ///< kernels compute the points of a group once

  struct params_type {
    std::array<float, 2> scale{};
    friend constexpr bool operator==(const params_type&, const params_type&) = default;
    bool finite() const noexcept { return std::isfinite(scale[0]) && std::isfinite(scale[1]); }
  };

  TritStart start = TritStart::both;  ///< none of these is stored
  double ridge = 1e-8;
  double condition = 1e12;
  double tolerance = 1e-4;
  int iterations = 50;

  /// Sets the start by its name; false for a word that is none.
  bool set_variant(std::string_view word) noexcept {
    constexpr std::string_view names[] = {"balanced", "signs", "both"};
    for (int i = 0; i < 3; ++i)
      if (word == names[i]) {
        start = static_cast<TritStart>(i);
        return true;
      }
    return false;
  }

  params_type fit(std::span<const float> group) const noexcept {
    float most = 0.0f;
    for (const float x : group) most = std::fabs(x) > most ? std::fabs(x) : most;
    if (!(most > 0.0f)) return {};
    int exponent = 0;
    std::frexp(most, &exponent);
    std::vector<double> w(group.size());
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = std::ldexp(static_cast<double>(group[i]), -exponent);
    const double top = std::ldexp(static_cast<double>(most), -exponent);

    Scales best{};
    double least = std::numeric_limits<double>::infinity();
    const auto consider = [&](Scales found) {
      if (const double e = error(w, found); e < least) {
        least = e;
        best = found;
      }
    };
    if (start != TritStart::signs) consider(alternate(w, {0.55 * top, 0.55 * top / 3.0}));
    if (start != TritStart::balanced) {
      std::vector<std::uint8_t> signs(w.size());
      std::transform(w.begin(), w.end(), signs.begin(), [](double x) { return static_cast<std::uint8_t>(x < 0.0 ? 0 : 8); });
      consider(alternate(w, scales_for(w, signs)));
    }
    if (start == TritStart::both) {
      const Magnitudes few = magnitudes(w);
      for (std::size_t i = 0; i < few.count; ++i) {
        consider(alternate(w, {few.of[i], top - few.of[i]}));
        for (std::size_t j = i + 1; j < few.count; ++j) consider(alternate(w, {few.of[i], few.of[j]}));
      }
    }
    params_type p;
    for (std::size_t k = 0; k < 2; ++k) {
      const auto a = static_cast<float>(Scale(static_cast<float>(std::ldexp(best[k], exponent))));
      p.scale[k] = std::fabs(a) < 2.94e-39f ? 0.0f : a;
    }
    return p;
  }

  std::uint8_t quantize(float x, params_type p) const noexcept {
    std::uint8_t best = 0;
    float least = std::fabs(dequantize(0, p) - x);
    for (unsigned c = 1; c < 9; ++c) {
      const float e = std::fabs(dequantize(static_cast<std::uint8_t>(c), p) - x);
      if (e < least) {
        least = e;
        best = static_cast<std::uint8_t>(c);
      }
    }
    return p.scale[0] == 0.0f && p.scale[1] == 0.0f ? std::uint8_t{4} : best;
  }
  LOWBIT_ALWAYS_INLINE float dequantize(std::uint8_t code, params_type p) const noexcept {
    return p.scale[0] * static_cast<float>(format_type::trit(code, 0)) +
           p.scale[1] * static_cast<float>(format_type::trit(code, 1));
  }
  std::uint8_t quantize(std::span<const float, 1> x, params_type p) const noexcept { return quantize(x[0], p); }
  void dequantize(std::uint8_t code, params_type p, std::span<float, 1> y) const noexcept { y[0] = dequantize(code, p); }

  stored_type store(params_type p) const noexcept { return {Scale(p.scale[0]), Scale(p.scale[1])}; }
  std::uint8_t store_zero(params_type) const noexcept { return 0; }
  params_type load(stored_type stored, std::uint8_t) const noexcept {
    return {{static_cast<float>(stored[0]), static_cast<float>(stored[1])}};
  }

  static std::string storage_name() {
    return std::string(format_type::name).append("_").append(detail::scale_name<Scale>);
  }

  // The half steps, for groups of doubles.
  using Scales = std::array<double, 2>;

  /// The ridge solution for these trits.
  Scales scales_for(std::span<const double> w, std::span<const std::uint8_t> codes) const noexcept {
    double aa = 0.0, ab = 0.0, bb = 0.0, wa = 0.0, wb = 0.0;
    for (std::size_t i = 0; i < w.size(); ++i) {
      const double a = format_type::trit(codes[i], 0), b = format_type::trit(codes[i], 1);
      aa += a * a;
      ab += a * b;
      bb += b * b;
      wa += a * w[i];
      wb += b * w[i];
    }
    double lambda = ridge;
    const auto ill = [&] {
      const double middle = 0.5 * (aa + bb) + lambda, half = std::hypot(0.5 * (aa - bb), ab);
      return !(middle + half <= condition * (middle - half));
    };
    while (ill() && lambda < 1.0) lambda = std::min(1.0, lambda > 0.0 ? 10.0 * lambda : 1e-8);
    const double a = aa + lambda, b = bb + lambda, determinant = a * b - ab * ab;
    if (!(determinant > 0.0)) return {};
    return {(b * wa - ab * wb) / determinant, (a * wb - ab * wa) / determinant};
  }

  /// The nearest sum for every weight.
  static void trits_for(std::span<const double> w, Scales scales, std::span<std::uint8_t> codes) noexcept {
    for (std::size_t i = 0; i < w.size(); ++i) codes[i] = nearest(w[i], scales);
  }

  /// Σ(w − ŵ)² with the nearest sums.
  static double error(std::span<const double> w, Scales scales) noexcept {
    double sum = 0.0;
    for (const double x : w) {
      const double e = x - value(nearest(x, scales), scales);
      sum += e * e;
    }
    return sum;
  }

 private:
  static double value(unsigned code, Scales s) noexcept {
    return s[0] * format_type::trit(code, 0) + s[1] * format_type::trit(code, 1);
  }
  static std::uint8_t nearest(double x, Scales s) noexcept {
    unsigned best = 0;
    double least = std::fabs(value(0, s) - x);
    for (unsigned c = 1; c < 9; ++c)
      if (const double e = std::fabs(value(c, s) - x); e < least) {
        least = e;
        best = c;
      }
    return static_cast<std::uint8_t>(best);
  }
  /// The distinct non-zero magnitudes of a group, or none where there are more than a grid of two planes has.
  struct Magnitudes {
    std::array<double, 4> of{};
    std::size_t count = 0;
  };
  static Magnitudes magnitudes(std::span<const double> w) noexcept {
    Magnitudes seen;
    for (const double x : w) {
      const double a = std::fabs(x);
      const auto end = seen.of.begin() + static_cast<std::ptrdiff_t>(seen.count);
      if (a == 0.0 || std::find(seen.of.begin(), end, a) != end) continue;
      if (seen.count == seen.of.size()) return {};
      seen.of[seen.count++] = a;
    }
    return seen;
  }
  Scales alternate(std::span<const double> w, Scales scales) const noexcept {
    std::vector<std::uint8_t> codes(w.size());
    for (int i = 0; i < iterations; ++i) {
      trits_for(w, scales, codes);
      const Scales next = scales_for(w, codes);
      const double change = std::hypot(next[0] - scales[0], next[1] - scales[1]);
      const double size = std::hypot(next[0], next[1]);
      scales = next;
      if (change < tolerance * size) break;
    }
    return scales;
  }
};

static_assert(Quantizer<TritPlanesScaled<>>);

}  // namespace lowbit
