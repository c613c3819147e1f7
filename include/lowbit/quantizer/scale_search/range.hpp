// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>

#include "lowbit/quantizer/concept.hpp"
#include "lowbit/quantizer/group_passes.hpp"

namespace lowbit {

/// Quantizers whose parameters can be fitted to a range narrower than the group's own.
template <class Q>
concept RangeFitting = Quantizer<Q> && requires(const Q q, float x) {
  { q.fit_range(x, x) } noexcept -> std::same_as<typename Q::params_type>;
};

template <Quantizer Q>
bool params_finite(const typename Q::params_type& p) noexcept {
  if constexpr (requires { p.finite(); })
    return p.finite();
  else if constexpr (requires { p.scale; })
    return std::isfinite(p.scale);
  else
    return true;
}

namespace detail {

/// Quantizers that store a zero point, so that both ends of their range can move by themselves.
template <class Q>
inline constexpr bool two_sided = Q::zero_bits != 0 || requires(typename Q::stored_type s) { s.zero; };

/// The power of two that brings a positive magnitude into [1, 2) (magnitudes of the ends of float's range: near it).
/// Errors times it neither overflow nor vanish in their powers, and a search gives the same codes for a group and for
/// twice that group.
inline float unit_of(float magnitude) noexcept {
  const auto exponent = static_cast<std::int32_t>(std::bit_cast<std::uint32_t>(magnitude) >> 23);
  const std::int32_t inverse = exponent < 1 ? 253 : 254 - exponent;
  return std::bit_cast<float>((inverse < 1 ? 1 : inverse) << 23);
}

/// A group as a search sees it: its range, and Σ h·|x̂ − x|^p of candidates.
template <RangeFitting Q>
class ClipErrors {
 public:
  ClipErrors(const Q& q, std::span<const float> group, std::span<const float> h, float p) noexcept
      : q_(q), group_(group), h_(h), p_(p), range_(extremes(group)), unit_(unit_of(range_.magnitude())), outliers_(group, h) {}

  /// Parameters of the range shrunk by a factor.
  typename Q::params_type shrunk(float keep) const noexcept { return q_.fit_range(keep * range_.lo, keep * range_.hi); }
  /// The sum of errors, in a unit that is the group's own.
  double operator()(const typename Q::params_type& params) const noexcept {
    return error_sum(q_, params, group_, h_, p_, unit_, std::numeric_limits<double>::infinity());
  }
  /// The same, or anything that is not below `limit` where it is not.
  double below(double limit, const typename Q::params_type& params) const noexcept {
    if constexpr (HasLanes<Q>)
      if (outliers_.sum(q_, params, p_, unit_) >= limit) return limit;
    return error_sum(q_, params, group_, h_, p_, unit_, limit);
  }
  /// False for groups whose extremes leave nothing to search: zeros, and scales that overflow their storage.
  bool searchable(const typename Q::params_type& params) const noexcept {
    return range_.magnitude() > 0.0f && params_finite<Q>(params);
  }

 private:
  const Q& q_;
  std::span<const float> group_, h_;
  float p_;
  Extremes range_;
  float unit_;
  Outliers outliers_;
};

}  // namespace detail
}  // namespace lowbit
