// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "lowbit/core/float16.hpp"
#include "lowbit/core/isa.hpp"
#include "lowbit/format/codebook.hpp"
#include "lowbit/pack/dense.hpp"
#include "lowbit/quantizer/codebook/kmeans1d.hpp"
#include "lowbit/quantizer/concept.hpp"
#include "lowbit/quantizer/group_size.hpp"

namespace lowbit {

/// A table of 2^Bits learned values per group, usually a row: x̂ = level[code], no scale. Levels are stored as f16.
///
///   levels  the exact weighted k-means of the group (codebook::kmeans1d), ascending, rounded to f16; with importance each
///           weight counts by its own, otherwise all alike. Fewer distinct values than levels: the last fills up
///   codes   the nearest level, the first of equals
///
/// A zero group has zero levels. A group of at most 2^Bits different values, all of them f16, comes back unchanged, and
/// zeros in it come back as zeros; in other groups zero is a value like any other. A level past the range of f16 comes out of
/// `fit` as infinity.
///
/// Bits per weight: Bits + 16·2^Bits/g: 4.0625 for four bits and rows of 4096.
/// Cost of a fit: O(g log g + 2^Bits·g·log g).
/// Source: the dense part of SqueezeLLM (Kim et al., arXiv:2306.07629); what LNQ refines (GuidedQuant, arXiv:2505.07004).
template <int Bits, std::size_t GroupSize = per_row>
struct RowCodebook : detail::GroupSize<GroupSize> {
  static_assert(Bits >= 1 && Bits <= 8, "RowCodebook has codes of one to eight bits.");
  using format_type = Codebook<1, Bits>;
  using layout_type = pack::dense_for<format_type>;
  static constexpr std::size_t count = format_type::cardinality;
  using stored_type = std::array<f16, count>;
  static constexpr unsigned zero_bits = 0;
  static constexpr std::size_t default_group = per_row;  ///< where a recipe names none

  struct params_type {
    std::array<float, count> level{};
    friend constexpr bool operator==(const params_type&, const params_type&) = default;
    bool finite() const noexcept {
      for (const float v : level)
        if (!std::isfinite(v)) return false;
      return true;
    }
  };

  params_type fit(std::span<const float> group) const noexcept { return fit(group, {}); }
  params_type fit(std::span<const float> group, const FitContext& context) const noexcept {
    params_type p;
    codebook::kmeans1d(group, context.importance, p.level);
    for (float& v : p.level) v = static_cast<float>(f16(v));
    return p;
  }

  LOWBIT_ALWAYS_INLINE std::uint8_t quantize(float x, const params_type& p) const noexcept {
    return static_cast<std::uint8_t>(codebook::nearest_level(p.level, x));
  }
  LOWBIT_ALWAYS_INLINE float dequantize(std::uint8_t code, const params_type& p) const noexcept { return p.level[code]; }
  std::uint8_t quantize(std::span<const float, 1> x, const params_type& p) const noexcept { return quantize(x[0], p); }
  LOWBIT_ALWAYS_INLINE void dequantize(std::uint8_t code, const params_type& p, std::span<float, 1> y) const noexcept {
    y[0] = dequantize(code, p);
  }

  stored_type store(const params_type& p) const noexcept {
    stored_type stored;
    for (std::size_t k = 0; k < count; ++k) stored[k] = f16(p.level[k]);
    return stored;
  }
  std::uint8_t store_zero(const params_type&) const noexcept { return 0; }
  LOWBIT_ALWAYS_INLINE params_type load(const stored_type& stored, std::uint8_t) const noexcept {
    params_type p;
    for (std::size_t k = 0; k < count; ++k) p.level[k] = static_cast<float>(stored[k]);
    return p;
  }

  static std::string storage_name() {
    return (GroupSize == per_tensor ? "tensor_codebook" : "codebook") + std::to_string(Bits);
  }
};

static_assert(Quantizer<RowCodebook<4>> && WeightedFitting<RowCodebook<3, 64>>);

}  // namespace lowbit
