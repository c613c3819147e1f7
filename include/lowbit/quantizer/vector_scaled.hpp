// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

#include "lowbit/core/float16.hpp"
#include "lowbit/core/isa.hpp"
#include "lowbit/format/concept.hpp"
#include "lowbit/format/encode_all.hpp"
#include "lowbit/pack/dense.hpp"
#include "lowbit/pack/dense_words.hpp"
#include "lowbit/quantizer/concept.hpp"
#include "lowbit/quantizer/declared.hpp"
#include "lowbit/quantizer/group_size.hpp"
#include "lowbit/quantizer/scaled.hpp"

namespace lowbit {

/// The points of a vector format times one scale per group: x̂ = scale · point(code), code by code of dim weights.
///
///   scale  RMS of the group / F::opt_scale, then up to `refinements` times the least-squares scale of the codes that
///          the last one led to (half of the last one where all codes were zeros), rounded to its storage type each
///          time; the scale of least error stays, the earlier of equals. Zero or positive
///   codes  F's nearest point to x / scale (a division, so a group's own points come back)
///
/// With importance the error and the least squares are weighted by it, element by element; the codes are not. A group
/// whose stored scale is zero, or whose reciprocal overflows float, is a zero group: it decodes to exact zeros. A scale
/// too large for its storage comes out of `fit` as infinity.
///
/// Groups hold whole vectors; where a row ends in part of one, the missing weights are zeros (and carry no error).
/// per_tensor fits on all weights in a row; columns that dim does not divide then fall into other vectors than those
/// that are stored, which moves the scale alone.
///
/// Cost of a fit: 1 + refinements encodings of the group; no allocation.
/// Bits per weight: bits of the layout / dim + scale bits / g.
template <UnitScaled F, class Scale, std::size_t GroupSize, class Layout>
struct VectorScaled : detail::GroupSize<GroupSize> {
  static_assert(detail::scale_name<Scale> != nullptr, "Scales are stored as f16, bf16, float, UE4M3 or UE5M3.");
  static_assert(GroupSize == per_row || GroupSize == per_tensor || GroupSize % F::dim == 0,
                "A group of VectorScaled holds whole vectors.");
  using format_type = F;
  using layout_type = Layout;
  using stored_type = Scale;
  using code_type = typename F::code_type;

  static constexpr unsigned zero_bits = 0;
  static constexpr std::size_t dim = F::dim;

  struct params_type {
    float scale = 0.0f;
    friend constexpr bool operator==(const params_type&, const params_type&) = default;
  };

  int refinements = 4;  ///< not stored

  params_type fit(std::span<const float> group) const noexcept { return fit(group, {}); }
  params_type fit(std::span<const float> group, const FitContext& context) const noexcept {
    double square = 0.0;
    for (const float x : group) square += static_cast<double>(x) * static_cast<double>(x);
    if (!(square > 0.0)) return {};
    const double rms = std::sqrt(square / static_cast<double>(group.size()));
    params_type best = rounded(rms / static_cast<double>(F::opt_scale)), now = best;
    double least = 0.0;
    for (int k = 0; refinements > 0 && now.scale > 0.0f && std::isfinite(now.scale); ++k) {
      const Fit found = look(group, context.importance, now);
      if (k == 0 || found.error < least) {
        least = found.error;
        best = now;
      }
      if (k == refinements) break;
      const params_type next = rounded(found.scale > 0.0 ? found.scale : 0.5 * static_cast<double>(now.scale));
      if (next == now) break;
      now = next;
    }
    return best;
  }

  code_type quantize(std::span<const float, dim> x, params_type p) const noexcept {
    float unit[dim];
    for (std::size_t i = 0; i < dim; ++i) unit[i] = p.scale != 0.0f ? x[i] / p.scale : 0.0f;
    return F{}.encode(std::span<const float, dim>(unit));
  }
  LOWBIT_ALWAYS_INLINE void dequantize(code_type code, params_type p, std::span<float, dim> y) const noexcept {
    F{}.decode(code, y);
    for (std::size_t i = 0; i < dim; ++i) y[i] *= p.scale;
  }
  /// Codes of one group: ceil(group.size() / dim) of them, the last one's missing weights being zeros. The codes of
  /// `quantize`, by the format's encode_batch where it has one.
  void quantize_group(std::span<const float> group, params_type p, std::span<code_type> codes) const noexcept {
    float unit[chunk * dim];
    for (std::size_t c = 0; c < codes.size(); c += chunk) {
      const auto some = codes.subspan(c, std::min(chunk, codes.size() - c));
      divide(group, c * dim, p, std::span(unit, some.size() * dim));
      encode_all(F{}, std::span<const float>(unit, some.size() * dim), some);
    }
  }

  LOWBIT_ALWAYS_INLINE stored_type store(params_type p) const noexcept { return Scale(p.scale); }
  std::uint8_t store_zero(params_type) const noexcept { return 0; }
  LOWBIT_ALWAYS_INLINE params_type load(stored_type stored, std::uint8_t) const noexcept {
    return {static_cast<float>(stored)};
  }

  static std::string storage_name() { return std::string(F::name).append("_").append(detail::scale_name<Scale>); }

 private:
  static constexpr std::size_t chunk = 64;  ///< vectors at a time

  struct Fit {
    double error;  ///< Σ h·(x̂ − x)²
    double scale;  ///< least squares for these codes; not positive where there is none
  };

  static params_type rounded(double scale) noexcept {
    const float stored = static_cast<float>(Scale(static_cast<float>(scale)));
    return {stored < 2.94e-39f ? 0.0f : stored};
  }
  /// unit.size() weights from `begin` on, over the scale, zeros past the end.
  static void divide(std::span<const float> group, std::size_t begin, params_type p, std::span<float> unit) noexcept {
    const std::size_t count = p.scale != 0.0f && begin < group.size() ? std::min(unit.size(), group.size() - begin) : 0;
    for (std::size_t i = 0; i < count; ++i) unit[i] = group[begin + i] / p.scale;
    std::fill(unit.begin() + static_cast<std::ptrdiff_t>(count), unit.end(), 0.0f);
  }
  Fit look(std::span<const float> group, std::span<const float> importance, params_type p) const noexcept {
    double error = 0.0, cross = 0.0, square = 0.0;
    float unit[chunk * dim];
    code_type codes[chunk];
    for (std::size_t begin = 0; begin < group.size(); begin += chunk * dim) {
      const std::size_t size = std::min(chunk * dim, group.size() - begin), count = (size + dim - 1) / dim;
      divide(group, begin, p, std::span(unit, count * dim));
      encode_all(F{}, std::span<const float>(unit, count * dim), std::span(codes, count));
      for (std::size_t c = 0; c < count; ++c) F{}.decode(codes[c], std::span<float, dim>(unit + c * dim, dim));
      for (std::size_t i = 0; i < size; ++i) {
        const double x = static_cast<double>(group[begin + i]), point = static_cast<double>(unit[i]);
        const double h = importance.empty() ? 1.0 : static_cast<double>(importance[begin + i]);
        const double e = static_cast<double>(p.scale) * point - x;
        error += h * e * e;
        cross += h * x * point;
        square += h * point * point;
      }
    }
    return {error, square > 0.0 ? cross / square : 0.0};
  }
};

}  // namespace lowbit
