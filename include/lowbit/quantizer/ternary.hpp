// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lowbit/core/float16.hpp"
#include "lowbit/core/round.hpp"
#include "lowbit/format/ternary.hpp"
#include "lowbit/pack/trits5.hpp"
#include "lowbit/quantizer/concept.hpp"
#include "lowbit/quantizer/group_size.hpp"
#include "lowbit/quantizer/scaled.hpp"

namespace lowbit {

/// Which weights of a group become ±1.
enum class TernaryRule : std::uint8_t {
  optimal,    ///< those that minimize Σ(w − α·q)² over all codes and scales: the k largest magnitudes, k by exhaustion
  absmean,    ///< q = clip(rn(w / (γ + 1e−5)), −1, 1), γ = mean|w|
  absmedian,  ///< the same with γ = median|w|, the lower one for even counts
  threshold,  ///< |w| > Δ, Δ = threshold · mean|w|
};

/// x̂ = scale · q, q ∈ {−1, 0, +1}.
///
///   least_squares  true: scale = Σ w·q / Σ q², the best for the codes chosen, as stored; false: the rule's own γ or Δ
///
/// `optimal` is exact: for fixed k the best codes take the k largest magnitudes, and the error is Σw² − (Σ_k |w|)² / k.
/// Parameters remember the divisor that codes are chosen with; what is stored is the scale, so after load codes go to the
/// nearer point. Zero groups have scale 0.
///
/// Bits per weight: 1.6 (five trits to a byte) + scale bits / g.
/// Source: absmean: Ma et al., arXiv:2402.17764; absmedian: arXiv:2411.05882; threshold 0.7: Li et al., "Ternary Weight
/// Networks", arXiv:1605.04711; least squares and `optimal`: the usual argument, ours in code.
template <class Scale = f16, std::size_t GroupSize = 128, class Layout = pack::Trits5>
struct TernaryScaled : detail::GroupSize<GroupSize> {
  using format_type = Ternary;
  using layout_type = Layout;
  using stored_type = Scale;

  static constexpr unsigned zero_bits = 0;
  static constexpr auto& levels = Ternary::levels;

  struct params_type {
    float scale = 0.0f;
    float divisor = 0.0f;  ///< |w| / divisor > 1/2 makes ±1; 0 for a zero group
    friend constexpr bool operator==(const params_type& a, const params_type& b) noexcept { return a.scale == b.scale; }
  };

  TernaryRule rule = TernaryRule::optimal;  ///< none of these is stored
  bool least_squares = true;
  float threshold = 0.77f;  ///< for TernaryRule::threshold; 0.7 … 0.8 is usual

  /// Sets a rule by its name (with the least-squares scale); false for a word that is none.
  bool set_variant(std::string_view word) noexcept {
    constexpr std::string_view names[] = {"optimal", "absmean", "absmedian", "twn"};
    for (int i = 0; i < 4; ++i)
      if (word == names[i]) {
        rule = static_cast<TernaryRule>(i);
        return true;
      }
    return false;
  }

  params_type fit(std::span<const float> group) const noexcept {
    double sum = 0.0;
    for (const float x : group) sum += static_cast<double>(std::fabs(x));
    if (!(sum > 0.0)) return {};
    const double mean = sum / static_cast<double>(group.size());
    params_type p;
    switch (rule) {
      case TernaryRule::optimal: p = optimal(group); break;
      case TernaryRule::absmean: p = {static_cast<float>(mean), static_cast<float>(mean) + 1e-5f}; break;
      case TernaryRule::absmedian: p = {median(group), median(group) + 1e-5f}; break;
      case TernaryRule::threshold:
        p = {threshold * static_cast<float>(mean), 2.0f * threshold * static_cast<float>(mean)};
        break;
    }
    if (least_squares || rule == TernaryRule::optimal) {
      double dot = 0.0, count = 0.0;
      for (const float x : group) {
        const int q = static_cast<int>(quantize(x, {1.0f, p.divisor})) - 1;
        dot += static_cast<double>(x) * q;
        count += q * q;
      }
      p.scale = count > 0.0 ? static_cast<float>(dot / count) : 0.0f;
    }
    const float stored = static_cast<float>(Scale(p.scale));
    return stored < 2.94e-39f ? params_type{} : params_type{stored, p.divisor};
  }

  LOWBIT_ALWAYS_INLINE std::uint8_t quantize(float x, params_type p) const noexcept {
    if (p.scale == 0.0f) return 1;
    const float q = round_half_even(x / p.divisor);
    return static_cast<std::uint8_t>(q > 0.0f ? 2 : q < 0.0f ? 0 : 1);
  }
  LOWBIT_ALWAYS_INLINE float dequantize(std::uint8_t code, params_type p) const noexcept {
    return p.scale * levels[code];
  }
  std::uint8_t quantize(std::span<const float, 1> x, params_type p) const noexcept { return quantize(x[0], p); }
  void dequantize(std::uint8_t code, params_type p, std::span<float, 1> y) const noexcept { y[0] = dequantize(code, p); }

  LOWBIT_ALWAYS_INLINE stored_type store(params_type p) const noexcept { return Scale(p.scale); }
  std::uint8_t store_zero(params_type) const noexcept { return 0; }
  LOWBIT_ALWAYS_INLINE params_type load(stored_type stored, std::uint8_t) const noexcept {
    const float s = static_cast<float>(stored);
    return {s, s};
  }

  static std::string storage_name() { return std::string("ternary_").append(detail::scale_name<Scale>); }

 private:
  static std::vector<float> magnitudes(std::span<const float> group) {
    std::vector<float> all(group.size());
    std::transform(group.begin(), group.end(), all.begin(), [](float x) { return std::fabs(x); });
    return all;
  }
  static float median(std::span<const float> group) {
    std::vector<float> all = magnitudes(group);
    const auto middle = all.begin() + static_cast<std::ptrdiff_t>((all.size() - 1) / 2);
    std::nth_element(all.begin(), middle, all.end());
    return *middle;
  }
  static params_type optimal(std::span<const float> group) {
    std::vector<float> all = magnitudes(group);
    std::sort(all.begin(), all.end(), [](float a, float b) { return a > b; });
    double sum = 0.0, best = -1.0;
    std::size_t best_count = 0;
    for (std::size_t k = 0; k < all.size(); ++k) {
      sum += static_cast<double>(all[k]);
      if (k + 1 < all.size() && all[k + 1] == all[k]) continue;  // equal magnitudes stay together
      const double gain = sum * sum / static_cast<double>(k + 1);
      if (gain > best) {
        best = gain;
        best_count = k + 1;
      }
    }
    // A boundary between the last magnitude taken and the first left: any divisor in (2·next, 2·last) splits them.
    const float last = all[best_count - 1], next = best_count < all.size() ? all[best_count] : 0.0f;
    return {last, last + next};
  }
};

}  // namespace lowbit
