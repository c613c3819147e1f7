// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lowbit/core/float16.hpp"
#include "lowbit/format/pvq/refine.hpp"
#include "lowbit/format/pvq_gain.hpp"
#include "lowbit/pack/dense_words.hpp"
#include "lowbit/quantizer/concept.hpp"
#include "lowbit/quantizer/group_size.hpp"
#include "lowbit/quantizer/groups.hpp"
#include "lowbit/quantizer/lanes/pvq.hpp"
#include "lowbit/quantizer/scaled.hpp"
#include "lowbit/quantizer/shared_scales.hpp"

namespace lowbit {

/// Pyramid vector quantization of blocks of D weights: ŵ = s · g_j · y/‖y‖ with Σ|y_i| = K, one code per block.
///
///   s     root mean square of the group, or ‖w‖/√D where it is shorter than a block, rounded to its storage type; a
///         group whose scale is zero decodes to zeros
///   g_j   `Gains` lengths in units of s, floats shared by the matrix: the least-error quantizer for the lengths of blocks
///         of isotropic rows of the group's length (format/beta_gain.hpp), or, with `learn_gains`, for the lengths measured
///         in the matrix. A quantizer that no matrix has given lengths takes those of long rows
///   y     of largest cosine with the block, exact; g_j nearest to ⟨w, y⟩/(s·‖y‖). Together the nearest of all points
///
/// Meant for weights after a random rotation, where blocks have the law of isotropic ones. Zero blocks are exact zeros. A
/// last block that the group does not fill is padded with zeros; lengths are not meant for it, so it errs more the less of it
/// is filled.
///
/// Bits per weight: ⌈log2(N(D, K)·Gains + 1)⌉/D + (scale bits)/g + 32·Gains/numel.
/// Source: "Pyramid Vector Quantization for LLMs", arXiv:2410.16926. Ours stores the root mean square instead of the norm,
/// counts the cosine into the lengths, and searches exactly.
template <std::size_t D, std::size_t K, std::size_t Gains = 16, class Scale = f16, std::size_t GroupSize = per_row>
struct PvqScaled : detail::GroupSize<GroupSize> {
  static_assert(detail::scale_name<Scale> != nullptr, "Scales are stored as f16, bf16, float, UE4M3 or UE5M3.");
  static_assert(GroupSize == per_row || GroupSize == per_tensor || GroupSize == dynamic_group || GroupSize % D == 0,
                "Groups of PvqScaled are whole blocks.");
  using format_type = PvqGain<D, K, Gains>;
  using shape = typename format_type::shape;
  using code_type = typename format_type::code_type;
  using layout_type = pack::dense_words_for<format_type>;
  using stored_type = Scale;

  static constexpr unsigned zero_bits = 0;

  struct params_type {
    float scale = 0.0f;
    friend constexpr bool operator==(const params_type&, const params_type&) = default;
  };

  bool learn_gains = false;      ///< fit_shared measures lengths in the matrix; not stored
  const float* gains = nullptr;  ///< `Gains` lengths; with_shared sets it. Null: those of long rows

  LOWBIT_ALWAYS_INLINE std::span<const float, Gains> lengths() const noexcept {
    return gains != nullptr ? std::span<const float, Gains>(gains, Gains) : format_type::long_row_gains();
  }

  static std::size_t shared_count(const Groups& groups) noexcept { return groups.total() != 0 ? Gains : 0; }
  LOWBIT_ALWAYS_INLINE PvqScaled with_shared(std::span<const float> shared, const Groups&, std::size_t,
                                             std::size_t) const noexcept {
    PvqScaled here = *this;
    here.gains = shared.size() == Gains ? shared.data() : nullptr;
    return here;
  }
  /// Learns from at most 2^16 blocks, evenly spaced.
  void fit_shared(const SharedFitContext& context, std::span<float> shared) const {
    if (shared.size() != Gains) return;
    const std::span<float, Gains> levels(shared.data(), Gains);
    format_type::gains_for(context.groups.size(), levels);
    if (!learn_gains || context.rows * context.cols == 0 || context.values.empty()) return;
    const std::vector<float> measured = lengths_of(context.values, context.rows, context.cols, context.groups);
    if (!measured.empty()) gain::lloyd_levels(gain::Density::of_samples(measured), levels);
  }

  params_type fit(std::span<const float> group) const noexcept {
    double sum = 0.0;
    for (const float x : group) sum += static_cast<double>(x) * static_cast<double>(x);
    const double mean = sum / static_cast<double>(std::max(group.size(), D));
    const float stored = static_cast<float>(Scale(static_cast<float>(std::sqrt(mean))));
    return {stored < 2.94e-39f ? 0.0f : stored};
  }

  code_type quantize(std::span<const float, D> x, params_type p) const noexcept {
    return format_type::nearest_code(x, lengths(), p.scale);
  }
  /// The same for all blocks of a group, as many at a time as a register has lanes; the same codes.
  LOWBIT_ALWAYS_INLINE void quantize_group(std::span<const float> group, params_type p,
                                           std::span<code_type> codes) const noexcept {
    detail::pvq_codes<D, K, Gains>(group, p.scale, lengths(), codes);
  }
  /// A code whose loss (w − ŵ)ᵀH(w − ŵ) is not above that of `start`: its pulses (those of the nearest code, if it is the
  /// zero vector) moved one by one while that lowers the loss under q's own lengths, or the zero vector.
  ///
  ///   H  [D × D], symmetric, positive semidefinite, rows `stride` apart; zero rows and columns where the block is padded
  ///
  /// Offline: about 16 µs for D = 16 and K = 24.
  code_type refine(std::span<const float, D> w, params_type p, const double* H, std::size_t stride,
                   code_type start) const noexcept {
    if (!(p.scale > 0.0f)) return start;
    std::int32_t y[D];
    if (start >= format_type::zero_code)
      shape::nearest(w, y);
    else
      shape::vector(start / Gains, y);
    const auto scale = static_cast<double>(p.scale);
    const pvq::Fit fit =
        pvq::refine(w, std::span<std::int32_t, D>(y), H, stride, pvq::OneOfLengths{lengths(), scale});
    double square = 0.0;
    for (const std::int32_t v : y) square += static_cast<double>(v) * static_cast<double>(v);
    const auto length = static_cast<float>(fit.length * std::sqrt(square) / scale);
    const code_type zero = format_type::code(0, 0);
    const code_type moved = format_type::code(shape::index(y), detail::gain_rank(length, lengths()));
    code_type best = start;
    double least = loss(w, p, H, stride, start);
    for (const code_type code : {moved, zero})
      if (const double at = loss(w, p, H, stride, code); at < least) {
        least = at;
        best = code;
      }
    return best;
  }
  /// The nearest code, refined: what rounding with feedback wants for a block, where H is what the block's error still costs
  /// once the columns after it have made up for what they can: the inverse of the block of the inverse Hessian of the block
  /// and those columns. The nearest code alone ignores all correlation within a block.
  code_type quantize_weighted(std::span<const float, D> w, params_type p, const double* H,
                              std::size_t stride) const noexcept {
    return refine(w, p, H, stride, quantize(w, p));
  }
  void dequantize(code_type code, params_type p, std::span<float, D> x) const noexcept {
    format_type::point(code, lengths(), p.scale, x);
  }

  LOWBIT_ALWAYS_INLINE stored_type store(params_type p) const noexcept { return Scale(p.scale); }
  std::uint8_t store_zero(params_type) const noexcept { return 0; }
  LOWBIT_ALWAYS_INLINE params_type load(stored_type stored, std::uint8_t) const noexcept {
    return {static_cast<float>(stored)};
  }

  static std::string storage_name() {
    return std::string(format_type::name).append("_").append(detail::scale_name<Scale>);
  }

 private:
  double loss(std::span<const float, D> w, params_type p, const double* H, std::size_t stride,
              code_type code) const noexcept {
    float rounded[D];
    dequantize(code, p, rounded);
    return pvq::loss(w, rounded, H, stride);
  }
  /// ⟨w, y⟩/(s·‖y‖) of blocks that are not zero.
  std::vector<float> lengths_of(std::span<const float> values, std::size_t rows, std::size_t cols,
                                const Groups& groups) const {
    constexpr std::size_t most = std::size_t{1} << 16;
    const std::size_t blocks = rows * ceil_div(cols, D), step = ceil_div(blocks, most);
    std::vector<float> out;
    std::size_t block = 0;
    const params_type all = groups.shared_by_rows() ? fit(values) : params_type{};
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t g = 0; g < groups.per_row_count(); ++g) {
        const auto group = values.subspan(r * cols + groups.begin(g), groups.end(g) - groups.begin(g));
        const params_type p = groups.shared_by_rows() ? all : fit(group);
        for (std::size_t c = 0; c < group.size(); c += D, ++block) {
          if (block % step != 0 || !(p.scale > 0.0f)) continue;
          float x[D] = {};
          std::copy_n(group.data() + c, std::min(D, group.size() - c), x);
          std::int32_t y[D];
          const float length = shape::nearest(x, y) / p.scale;
          if (length > 0.0f) out.push_back(length);
        }
      }
    return out;
  }
};

/// 32, 40, 48, 52 and 64 bits for 16 weights: the pulses and lengths that err least on N(0, 1) among those that fit. NMSE
/// there, measured on 64 × 4096: 0.0999, 0.0504, 0.0250, 0.0178, 0.00629.
using Pvq2 = PvqScaled<16, 11, 3>;
using Pvq2_5 = PvqScaled<16, 17, 3>;
using Pvq3 = PvqScaled<16, 24, 7>;
using Pvq3_25 = PvqScaled<16, 29, 7>;
using Pvq4 = PvqScaled<16, 49, 14>;

static_assert(Quantizer<Pvq2> && SharedScales<Pvq2>);

}  // namespace lowbit
