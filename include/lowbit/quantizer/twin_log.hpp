// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "lowbit/core/float16.hpp"
#include "lowbit/core/round.hpp"
#include "lowbit/format/int.hpp"
#include "lowbit/pack/dense.hpp"
#include "lowbit/quantizer/concept.hpp"
#include "lowbit/quantizer/group_size.hpp"

namespace lowbit {

/// Twin-log quantization (TLQ): positive and negative weights of a group on logarithmic grids of their own,
///
///   x̂ = ±2^(s·(q + z)),  q = 0 … 2^(b−1) − 1 the nearest to log2|x| / s − z
///
/// for the scale s and zero z of its sign, both stored as f16. The source rounds z = Lmin/s to an integer and takes
/// q = clip(rn(L/s) − z); `integer_zero` does that, at about 8 % more error (0.0141 instead of 0.0130 on Gaussian weights,
/// b = 4, g = 1024, measured). Codes ascend with their points: the upper half is positive. There
/// is no zero: zeros take the smallest positive point. A sign that no weight has decodes to 0.
///
/// The grid's ends are searched per sign for the least Σ(x − x̂)²: Lmax = log2(α·max|x|), α = 0.5 … 1.0 in 50 steps;
/// Lmin = Lmax − R, R = 2 … 8 in steps of a quarter. The source names a grid for the upper end only; the lower one is ours,
/// since log2 of tiny weights has no bound.
///
/// Relative error inside the range at most 2^(s/2) − 1. Bits per weight: b + 64/g. Cost of fit: 1275 passes.
/// Source: TLQ of DiT quantization with twin logarithms; a secondary description.
template <int Bits, std::size_t GroupSize = 1024>
struct TwinLog : detail::GroupSize<GroupSize> {
  static_assert(Bits >= 2 && Bits <= 8, "TwinLog has a sign and one to seven bits of logarithm.");
  using format_type = Int<Bits>;  ///< as a carrier of codes
  using layout_type = pack::dense_for<format_type>;

  struct stored_type {
    f16 step[2], zero[2];  ///< positive, negative
  };

  static constexpr unsigned zero_bits = 0;
  static constexpr bool tabulated = true;  ///< kernels compute the points of a group once
  static constexpr int half = 1 << (Bits - 1);

  struct side_type {
    float step = 0.0f;  ///< s; 0 where no weight has this sign
    float zero = 0.0f;  ///< z
    friend constexpr bool operator==(const side_type&, const side_type&) = default;
  };
  struct params_type {
    side_type positive, negative;
    friend constexpr bool operator==(const params_type&, const params_type&) = default;
    bool finite() const noexcept { return std::isfinite(positive.step) && std::isfinite(negative.step); }
  };

  bool integer_zero = false;  ///< not stored

  params_type fit(std::span<const float> group) const noexcept {
    std::vector<float> positive, negative;
    for (const float x : group) {
      if (x > 0.0f) positive.push_back(x);
      if (x < 0.0f) negative.push_back(-x);
    }
    return {fit_side(positive), fit_side(negative)};
  }

  std::uint8_t quantize(float x, params_type p) const noexcept {
    const bool is_negative = x < 0.0f;
    const side_type& side = is_negative ? p.negative : p.positive;
    const int q = x == 0.0f || side.step == 0.0f ? 0 : index(std::log2(std::fabs(x)), side);
    return static_cast<std::uint8_t>(is_negative ? half - 1 - q : half + q);
  }
  float dequantize(std::uint8_t code, params_type p) const noexcept {
    return code >= half ? point(code - half, p.positive) : -point(half - 1 - code, p.negative);
  }
  std::uint8_t quantize(std::span<const float, 1> x, params_type p) const noexcept { return quantize(x[0], p); }
  void dequantize(std::uint8_t code, params_type p, std::span<float, 1> y) const noexcept { y[0] = dequantize(code, p); }

  stored_type store(params_type p) const noexcept {
    return {{f16(p.positive.step), f16(p.negative.step)}, {f16(p.positive.zero), f16(p.negative.zero)}};
  }
  std::uint8_t store_zero(params_type) const noexcept { return 0; }
  params_type load(stored_type stored, std::uint8_t) const noexcept {
    return {{static_cast<float>(stored.step[0]), static_cast<float>(stored.zero[0])},
            {static_cast<float>(stored.step[1]), static_cast<float>(stored.zero[1])}};
  }

  static std::string storage_name() { return "twinlog" + std::to_string(Bits); }

 private:
  static int index(float logarithm, side_type side) noexcept {
    const float q = round_half_even(logarithm / side.step - side.zero);
    return static_cast<int>(q > 0.0f ? (q < static_cast<float>(half - 1) ? q : static_cast<float>(half - 1)) : 0.0f);
  }
  static float point(int q, side_type side) noexcept {
    return side.step == 0.0f ? 0.0f : std::exp2(side.step * (static_cast<float>(q) + side.zero));
  }

  /// magnitudes: positive; their logarithms are taken once.
  side_type fit_side(std::span<const float> magnitudes) const noexcept {
    if (magnitudes.empty()) return {};
    float most = 0.0f;
    std::vector<float> logarithms(magnitudes.size());
    for (std::size_t i = 0; i < magnitudes.size(); ++i) {
      logarithms[i] = std::log2(magnitudes[i]);
      most = std::max(most, magnitudes[i]);
    }
    side_type best;
    double least = std::numeric_limits<double>::infinity();
    for (int a = 0; a < 51; ++a) {
      const float top = std::log2(most) + std::log2(1.0f - 0.01f * static_cast<float>(a));
      for (int r = 8; r <= 32; ++r) {
        const float range = 0.25f * static_cast<float>(r);
        side_type side{static_cast<float>(f16(range / static_cast<float>(half - 1))), 0.0f};
        const float zero = (top - range) / side.step;
        side.zero = static_cast<float>(f16(std::clamp(integer_zero ? round_half_even(zero) : zero, -60000.0f, 60000.0f)));
        float points[static_cast<std::size_t>(half)];
        for (int q = 0; q < half; ++q) points[q] = point(q, side);
        double sum = 0.0;
        for (std::size_t i = 0; i < magnitudes.size() && sum < least; ++i) {
          const double e = static_cast<double>(magnitudes[i]) - static_cast<double>(points[index(logarithms[i], side)]);
          sum += e * e;
        }
        if (sum < least) {
          least = sum;
          best = side;
        }
      }
    }
    return best;
  }
};

static_assert(Quantizer<TwinLog<4>>);

}  // namespace lowbit
