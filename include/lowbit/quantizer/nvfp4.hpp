// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "lowbit/format/minifloat.hpp"
#include "lowbit/format/ue4m3.hpp"
#include "lowbit/pack/dense.hpp"
#include "lowbit/quantizer/concept.hpp"
#include "lowbit/quantizer/shared_scales.hpp"

namespace lowbit {

/// Where an NVFP4 block's largest magnitude lands on the E2M1 grid, whose steps double above 4.
enum class Nvfp4Rule : std::uint8_t {
  six,             ///< on 6: the standard; the tensor scale leaves 448 as the largest block scale
  four,            ///< on 4, for comparison
  four_over_six,   ///< on whichever of 6 and 4 gives the smaller error; the tensor scale leaves 256
};

/// What four_over_six compares.
enum class Nvfp4Error : std::uint8_t { squared, absolute, largest };

/// NVFP4: blocks of 16, x̂ = E2M1 · s_b · S, one UE4M3 scale s_b per block and one float S per matrix.
///
///   S     max|W| / (6 · 448), or / (6 · 256) when a block may choose 4; 1 for a zero matrix. Decoding multiplies: some
///         containers store the reciprocal instead
///   s_b   UE4M3((max|x| / 6) / S), ties to even, subnormals kept (down to 2^-9), saturating at 448; 0 makes a zero block
///   codes E2M1 of x · (1 / (s_b·S)), the product and the reciprocal in float
///
/// The choice of 4 multiplies max|x|/6 by 1.5 before it is rounded; 4 is taken only where its error is strictly smaller.
/// It leaves no trace but s_b. Matrices that share a product (q, k, v) should share S: set it through fit_shared of the
/// largest of their maxima. Packing: two codes to a byte, the even element low.
///
/// Bits per weight: 4.5 + 32 / numel.
/// Source: NVIDIA, "Pretraining Large Language Models with NVFP4", arXiv:2509.25149; four over six: arXiv:2512.02010.
struct Nvfp4 {
  using format_type = E2M1;
  using layout_type = pack::dense_for<E2M1>;
  using stored_type = UE4M3;

  static constexpr std::size_t group_size = 16;
  static constexpr unsigned zero_bits = 0;
  static constexpr auto& levels = E2M1::levels;

  struct params_type {
    float scale = 0.0f;    ///< s_b·S
    float inverse = 0.0f;  ///< 1/(s_b·S), 0 for a zero block
    UE4M3 block{};         ///< s_b
    friend constexpr bool operator==(const params_type& a, const params_type& b) noexcept {
      return a.scale == b.scale && a.block.bits == b.block.bits;
    }
  };

  Nvfp4Rule rule = Nvfp4Rule::six;         ///< not stored
  Nvfp4Error error = Nvfp4Error::squared;  ///< not stored
  float tensor_scale = 1.0f;               ///< S; with_shared sets it

  /// Sets a rule by its name; false for a word that is none.
  bool set_variant(std::string_view word) noexcept {
    constexpr std::string_view names[] = {"six", "four", "four_over_six"};
    for (int i = 0; i < 3; ++i)
      if (word == names[i]) {
        rule = static_cast<Nvfp4Rule>(i);
        return true;
      }
    return false;
  }

  static std::size_t shared_count(const Groups& groups) noexcept { return groups.total() != 0 ? 1 : 0; }
  void fit_shared(const SharedFitContext& context, std::span<float> shared) const noexcept {
    float most = 0.0f;
    for (const float a : context.maxima) most = a > most ? a : most;
    const float s = most / (rule == Nvfp4Rule::six ? 6.0f * 448.0f : 6.0f * 256.0f);
    if (!shared.empty()) shared[0] = s > 0.0f && std::isfinite(1.0f / s) ? s : 1.0f;
  }
  LOWBIT_ALWAYS_INLINE Nvfp4 with_shared(std::span<const float> shared, const Groups&, std::size_t,
                                         std::size_t) const noexcept {
    Nvfp4 here = *this;
    here.tensor_scale = shared[0];
    return here;
  }

  params_type fit(std::span<const float> group) const noexcept {
    float most = 0.0f;
    for (const float x : group) most = std::fabs(x) > most ? std::fabs(x) : most;
    const float to_six = (most / 6.0f) / tensor_scale;
    if (rule == Nvfp4Rule::six) return with_block(UE4M3(to_six));
    const params_type four = with_block(UE4M3(1.5f * to_six));
    if (rule == Nvfp4Rule::four) return four;
    const params_type six = with_block(UE4M3(to_six));
    return error_of(group, four) < error_of(group, six) ? four : six;
  }
  /// Parameters for values in [lo, hi], lo ≤ 0 ≤ hi, that end on 6.
  params_type fit_range(float lo, float hi) const noexcept {
    return with_block(UE4M3(((-lo > hi ? -lo : hi) / 6.0f) / tensor_scale));
  }

  LOWBIT_ALWAYS_INLINE std::uint8_t quantize(float x, params_type p) const noexcept {
    return E2M1{}.encode(x * p.inverse);
  }
  LOWBIT_ALWAYS_INLINE float dequantize(std::uint8_t code, params_type p) const noexcept {
    return p.scale * levels[code];
  }
  std::uint8_t quantize(std::span<const float, 1> x, params_type p) const noexcept { return quantize(x[0], p); }
  void dequantize(std::uint8_t code, params_type p, std::span<float, 1> y) const noexcept { y[0] = dequantize(code, p); }

  LOWBIT_ALWAYS_INLINE stored_type store(params_type p) const noexcept { return p.block; }
  std::uint8_t store_zero(params_type) const noexcept { return 0; }
  LOWBIT_ALWAYS_INLINE params_type load(stored_type stored, std::uint8_t) const noexcept { return with_block(stored); }

  static std::string storage_name() { return "nvfp4"; }

 private:
  LOWBIT_ALWAYS_INLINE params_type with_block(UE4M3 block) const noexcept {
    const float scale = static_cast<float>(block) * tensor_scale;
    const float inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
    return std::isinf(inverse) ? params_type{0.0f, 0.0f, block} : params_type{scale, inverse, block};
  }
  float error_of(std::span<const float> group, params_type p) const noexcept {
    float sum = 0.0f;
    for (const float x : group) {
      const float e = std::fabs(dequantize(quantize(x, p), p) - x);
      sum = error == Nvfp4Error::largest ? (e > sum ? e : sum) : sum + (error == Nvfp4Error::squared ? e * e : e);
    }
    return sum;
  }
};

static_assert(Quantizer<Nvfp4> && SharedScales<Nvfp4>);

}  // namespace lowbit
