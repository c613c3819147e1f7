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

/// A group as a search sees it, whatever the quantizer, so that searches compile once: shrunken ranges to try, and the best
/// of them so far, which is the group's own range at first. A virtual call per candidate is nothing beside its pass.
class Candidates {
 public:
  /// Makes the range shrunk by `keep` the candidate. Returns its Σ h·(|x̂ − x|·unit)^p, or anything that is not below
  /// `limit` where that is not.
  virtual double error(float keep, double limit) noexcept = 0;
  /// Makes it the candidate and writes x̂ − x.
  virtual void differences(float keep, std::span<double> out) noexcept = 0;
  /// True only where no range shrunk further than the last candidate's has an error below `limit`.
  virtual bool exhausted(double limit) const noexcept = 0;
  /// Makes the candidate the best.
  virtual void take() noexcept = 0;

 protected:
  ~Candidates() = default;
};

/// Candidates of one group of a quantizer.
template <RangeFitting Q>
class CandidatesOf final : public Candidates {
 public:
  using Params = typename Q::params_type;

  /// p = 0 where error() is not asked.
  CandidatesOf(const Q& q, std::span<const float> group, std::span<const float> h, float p) noexcept
      : best(fit_extremes(q, group)), q_(q), group_(group), h_(h), p_(p), range_(extremes(group)),
        unit_(unit_of(range_.magnitude())), outliers_(group, h) {}

  /// False for groups whose extremes leave nothing to search: zeros, and scales that overflow their storage.
  bool searchable() const noexcept { return range_.magnitude() > 0.0f && params_finite<Q>(best); }

  double error(float keep, double limit) noexcept override {
    candidate_ = shrunk(keep);
    if constexpr (HasLanes<Q>) {
      clipped_ = worse_ && outliers_.sum(q_, candidate_, p_, unit_) >= limit;
      if (clipped_) return limit;
    }
    const double sum = error_sum(q_, candidate_, group_, h_, p_, unit_, limit);
    worse_ = sum >= limit;
    return sum;
  }
  void differences(float keep, std::span<double> out) noexcept override {
    candidate_ = shrunk(keep);
    if constexpr (Q::format_type::dim == 1)
      for (std::size_t i = 0; i < group_.size(); ++i) {
        const auto point = point_params(q_, candidate_, i);
        out[i] = static_cast<double>(q_.dequantize(q_.quantize(group_[i], point), point)) - static_cast<double>(group_[i]);
      }
  }
  bool exhausted([[maybe_unused]] double limit) const noexcept override {
    if constexpr (HasLanes<Q>) {
      if (clipped_ && LaneGrid<Q>::fits_magnitude(q_)) {
        constexpr float far = std::numeric_limits<float>::max();
        const float up = std::fabs(q_.dequantize(q_.quantize(far, candidate_), candidate_));
        const float down = std::fabs(q_.dequantize(q_.quantize(-far, candidate_), candidate_));
        return outliers_.clipped(up > down ? up : down, p_, unit_) >= limit;
      }
    }
    return false;
  }
  void take() noexcept override { best = candidate_; }

  Params best;

 private:
  /// keep = 1 is the fit of the extremes, which need not be fit_range of them.
  Params shrunk(float keep) const noexcept {
    return keep == 1.0f ? fit_extremes(q_, group_) : q_.fit_range(keep * range_.lo, keep * range_.hi);
  }

  Params candidate_{};
  const Q& q_;
  std::span<const float> group_, h_;
  float p_;
  Extremes range_;
  float unit_;
  Outliers outliers_;
  bool worse_ = false;    ///< whether the last sum was not below its limit, so that the next may not be either
  bool clipped_ = false;  ///< whether the outliers alone settled the last candidate
};

/// Parameters that search(candidates) leaves as the best.
template <Quantizer Q, class Search>
typename Q::params_type search_candidates(const Q& q, std::span<const float> group, std::span<const float> h, float p,
                                          const Search& search) {
  if constexpr (RangeFitting<Q>) {
    CandidatesOf<Q> candidates(q, group, h, p);
    if (candidates.searchable()) search(static_cast<Candidates&>(candidates));
    return candidates.best;
  } else {
    return fit_extremes(q, group);
  }
}

/// The range [−clip, clip] or what the group fills of it; AbsMax for a clip of 0 and one that clips nothing.
template <Quantizer Q>
typename Q::params_type fit_clipped(const Q& q, std::span<const float> group, Extremes clip) noexcept {
  if constexpr (RangeFitting<Q>) {
    const Extremes all = extremes(group);
    clip = {all.lo > clip.lo ? all.lo : clip.lo, all.hi < clip.hi ? all.hi : clip.hi};
    if (clip.magnitude() > 0.0f && !(clip == all)) return q.fit_range(clip.lo, clip.hi);
  }
  return fit_extremes(q, group);
}

}  // namespace detail
}  // namespace lowbit
