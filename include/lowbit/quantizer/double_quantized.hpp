// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "lowbit/core/checked.hpp"
#include "lowbit/format/dynamic8.hpp"
#include "lowbit/pack/dense.hpp"
#include "lowbit/quantizer/concept.hpp"
#include "lowbit/quantizer/group_size.hpp"
#include "lowbit/quantizer/shared_scales.hpp"

namespace lowbit {

/// Points of a scalar format times a scale that is itself quantized (QLoRA's double quantization):
///
///   scale  = absmax(group) / F::largest
///   stored = Dynamic8 code of (scale − mean) / most, one byte per group
///   shared = mean of all the matrix's scales, then for every 256 groups in order the largest |scale − mean|
///
/// Weights are encoded against the scale as it will be read back. A scale may come back slightly negative where groups
/// are nearly zero beside large ones; the points then mirror, which costs nothing for formats with both signs.
///
/// Bits per weight: bits + 8/g + 32/(256·g) + 32/numel: 4.127 for NF4 and g = 64.
/// Source: Dettmers et al., "QLoRA", arXiv:2305.14314, section 3. There groups run along the flattened matrix; here along
/// rows, the same where g divides the columns.
template <Format F, std::size_t GroupSize = 64>
struct DoubleQuantized : detail::GroupSize<GroupSize> {
  static_assert(F::dim == 1, "DoubleQuantized quantizes one weight at a time.");
  using format_type = F;
  using layout_type = pack::dense_for<F>;
  using stored_type = std::uint8_t;

  static constexpr unsigned zero_bits = 0;
  static constexpr auto& levels = F::levels;
  static constexpr std::size_t groups_per_block = 256;

  struct params_type {
    float scale = 0.0f;
    std::uint8_t code = 0;  ///< of the scale
    friend constexpr bool operator==(const params_type&, const params_type&) = default;
  };

  float mean = 0.0f;  ///< with_shared sets both
  float most = 0.0f;

  static std::size_t shared_count(const Groups& groups) noexcept {
    return groups.total() == 0 ? 0 : 1 + ceil_div(groups.total(), groups_per_block);
  }
  void fit_shared(const SharedFitContext& context, std::span<float> shared) const noexcept {
    const std::span<const float> maxima = context.maxima;
    if (shared.empty()) return;
    double sum = 0.0;
    for (const float a : maxima) sum += static_cast<double>(a / F::largest);
    shared[0] = static_cast<float>(sum / static_cast<double>(maxima.size()));
    std::fill(shared.begin() + 1, shared.end(), 0.0f);
    for (std::size_t g = 0; g < maxima.size(); ++g) {
      float& block = shared[1 + g / groups_per_block];
      block = std::max(block, std::fabs(maxima[g] / F::largest - shared[0]));
    }
  }
  LOWBIT_ALWAYS_INLINE DoubleQuantized with_shared(std::span<const float> shared, const Groups& groups, std::size_t r,
                                                   std::size_t g) const noexcept {
    DoubleQuantized here = *this;
    here.mean = shared[0];
    here.most = shared[1 + groups.index(r, g) / groups_per_block];
    return here;
  }

  params_type fit(std::span<const float> group) const noexcept {
    float a = 0.0f;
    for (const float x : group) a = std::fabs(x) > a ? std::fabs(x) : a;
    return fit_range(-a, a);
  }
  params_type fit_range(float lo, float hi) const noexcept {
    const float scale = (-lo > hi ? -lo : hi) / F::largest;
    return load(Dynamic8{}.encode(most != 0.0f ? (scale - mean) / most : 0.0f), 0);
  }

  LOWBIT_ALWAYS_INLINE std::uint8_t quantize(float x, params_type p) const noexcept {
    return F{}.encode(p.scale != 0.0f ? x / p.scale : 0.0f);
  }
  LOWBIT_ALWAYS_INLINE float dequantize(std::uint8_t code, params_type p) const noexcept {
    return p.scale * levels[code];
  }
  std::uint8_t quantize(std::span<const float, 1> x, params_type p) const noexcept { return quantize(x[0], p); }
  void dequantize(std::uint8_t code, params_type p, std::span<float, 1> y) const noexcept { y[0] = dequantize(code, p); }

  LOWBIT_ALWAYS_INLINE stored_type store(params_type p) const noexcept { return p.code; }
  std::uint8_t store_zero(params_type) const noexcept { return 0; }
  LOWBIT_ALWAYS_INLINE params_type load(stored_type stored, std::uint8_t) const noexcept {
    const float scale = Dynamic8::levels[stored] * most + mean;
    return {std::fabs(scale) < 2.94e-39f ? 0.0f : scale, stored};
  }

  static std::string storage_name() { return std::string(F::name) + "_dq"; }
};

}  // namespace lowbit
