// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "lowbit/core/contract.hpp"
#include "lowbit/format/concept.hpp"
#include "lowbit/format/minifloat.hpp"
#include "lowbit/format/name.hpp"

namespace lowbit {

/// A minifloat without special values whose bias is any real number, as searches over clipping values want.
///
///   bias   x̂ = round(x' / step) · step, step = 2^(p − M − bias), p = max(1, ⌊log2|x'| + bias⌋), x' clipped to
///   ±largest() largest() = (2 − 2^−M) · 2^(2^E − 1 − bias)
///
/// A bias that is not whole is a scale: the points are those of Minifloat<E, M>, at its own bias, times `scale` =
/// 2^(Minifloat bias − bias). That scale is what is kept here and what a file stores. Encoding is Minifloat's, of
/// x/scale in float, so nearest but for the rounding of that quotient. A format with a value; codes are Minifloat's.
/// Source: Liu et al., "LLM-FP4", EMNLP 2023, arXiv:2310.16836.
template <int E, int M>
struct RealBiasMinifloat {
  using base_type = Minifloat<E, M>;
  static constexpr std::size_t dim = 1;
  static constexpr std::size_t cardinality = base_type::cardinality;
  using code_type = typename base_type::code_type;

  float scale = 1.0f;  ///< positive, finite

  static RealBiasMinifloat with_bias(float bias) {
    return with_scale(std::exp2(static_cast<float>(base_type::bias) - bias));
  }
  /// The bias whose largest point is `clip`: 2^E − log2(clip) + log2(2 − 2^−M) − 1.
  static RealBiasMinifloat with_largest(float clip) { return with_scale(clip / base_type::largest); }
  static RealBiasMinifloat with_scale(float scale) {
    LOWBIT_EXPECTS(scale > 0.0f && std::isfinite(scale), "the scale of RealBiasMinifloat is positive and finite");
    RealBiasMinifloat f;
    f.scale = scale;
    return f;
  }

  float bias() const noexcept { return static_cast<float>(base_type::bias) - std::log2(scale); }
  float largest() const noexcept { return decode(base_type::largest_code); }

  code_type encode(float x) const noexcept { return base_type::encode(x / scale); }
  float decode(code_type c) const noexcept { return scale * base_type::levels[c]; }

  code_type encode(std::span<const float, 1> x) const noexcept { return encode(x[0]); }
  void decode(code_type c, std::span<float, 1> y) const noexcept { y[0] = decode(c); }

 private:
  static constexpr detail::FormatName text = detail::FormatName{}.add(base_type::name).add("_realbias");

 public:
  static constexpr std::string_view name = text.view();
};

static_assert(Format<RealBiasMinifloat<2, 1>>);

}  // namespace lowbit
