// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "lowbit/core/contract.hpp"
#include "lowbit/core/isa.hpp"
#include "lowbit/format/concept.hpp"
#include "lowbit/format/ladder.hpp"
#include "lowbit/format/name.hpp"

namespace lowbit {

/// Integers behind a power: the points are even steps of sign(w)·|w|^a.
///
///   point   sign(q) · (|q|/n)^(1/a), q = −n … n, n = 2^(b−1) − 1; code q + n
///   a       the exponent, positive; 1 is uniform, smaller ones gather points near zero
///
/// A format with a value: a is chosen per model or layer, and the points are tabulated when it is set. Encoding: to
/// nearest in w, ties to the lower code; the paper rounds |w|^a instead, which differs between its neighbours. NaN
/// becomes code 0.
/// Source: Yvinec et al., "PowerQuant", ICLR 2023, arXiv:2301.09858.
template <int Bits>
class Power {
  static_assert(Bits >= 2 && Bits <= 8, "lowbit::Power has 2 to 8 bits.");
  static constexpr int n = (1 << (Bits - 1)) - 1;

 public:
  static constexpr std::size_t dim = 1;
  static constexpr std::size_t cardinality = 2 * n + 1;
  static constexpr float largest = 1.0f;
  using code_type = std::uint8_t;

  explicit Power(float exponent = 0.5f) : exponent_(exponent) {
    LOWBIT_EXPECTS(exponent > 0.0f && std::isfinite(exponent), "the exponent of Power is positive and finite");
    for (int q = 0; q <= n; ++q) {
      const double point = std::pow(static_cast<double>(q) / n, 1.0 / static_cast<double>(exponent));
      points_[static_cast<std::size_t>(n + q)] = static_cast<float>(point);
      points_[static_cast<std::size_t>(n - q)] = -static_cast<float>(point);
    }
    points_[n] = 0.0f;
    ladder_ = detail::Ladder<cardinality>(points_);
  }

  float exponent() const noexcept { return exponent_; }
  /// The points by code; of this value, not of the type.
  const std::array<float, cardinality>& points() const noexcept { return points_; }

  code_type encode(float x) const noexcept { return static_cast<code_type>(ladder_.rank(x)); }
  float decode(code_type c) const noexcept { return points_[c]; }

  code_type encode(std::span<const float, 1> x) const noexcept { return encode(x[0]); }
  void decode(code_type c, std::span<float, 1> y) const noexcept { y[0] = decode(c); }

 private:
  float exponent_;
  std::array<float, cardinality> points_{};
  detail::Ladder<cardinality> ladder_{};
  static constexpr detail::FormatName text = detail::FormatName{}.add("power").add(Bits);

 public:
  static constexpr std::string_view name = text.view();
};

static_assert(Format<Power<4>>);

}  // namespace lowbit
