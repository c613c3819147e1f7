// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "lowbit/core/contract.hpp"

/// Weighted k-means of real numbers: which k values to store so that Σ w·(x − nearest)² is least.

namespace lowbit::codebook {

/// Weighted numbers in ascending order, equal ones joined, with the sums that give the cost of any run of them in O(1).
///
/// Values that are not finite and weights that are not positive and finite are left out; no weights means 1 each, and so
/// do weights that are all left out. The sums are in double and about the mean, so the cost of a run that lies D from the
/// mean is good to about 1e−15·D² per unit of weight.
class SortedSamples {
 public:
  SortedSamples(std::span<const float> values, std::span<const float> weights = {}) {
    LOWBIT_EXPECTS(weights.empty() || weights.size() == values.size(), "k-means takes one weight per value");
    take(values, weights);
    if (samples_.empty() && !weights.empty()) take(values, {});
    std::sort(samples_.begin(), samples_.end(), [](const Sample& a, const Sample& b) {
      return a.value < b.value || (a.value == b.value && a.weight < b.weight);  // equal values sum in one order
    });
    std::size_t kept = 0;
    for (const Sample& s : samples_)
      if (kept != 0 && samples_[kept - 1].value == s.value)
        samples_[kept - 1].weight += s.weight;
      else
        samples_[kept++] = s;
    samples_.resize(kept);
    double weight = 0.0, sum = 0.0;
    for (const Sample& s : samples_) {
      weight += s.weight;
      sum += s.weight * s.value;
    }
    origin_ = weight > 0.0 ? sum / weight : 0.0;
    sums_.resize(samples_.size() + 1);
    for (std::size_t i = 0; i < samples_.size(); ++i) {
      const double w = samples_[i].weight, x = samples_[i].value - origin_;
      sums_[i + 1] = {sums_[i].weight + w, sums_[i].first + w * x, sums_[i].second + w * x * x};
    }
  }

  std::size_t size() const noexcept { return samples_.size(); }  ///< distinct values
  double value(std::size_t i) const noexcept { return samples_[i].value; }
  double weight(std::size_t begin, std::size_t end) const noexcept { return sums_[end].weight - sums_[begin].weight; }
  /// Weighted mean of samples [begin, end), which are not none.
  double mean(std::size_t begin, std::size_t end) const noexcept {
    const double m = origin_ + (sums_[end].first - sums_[begin].first) / weight(begin, end);
    return std::clamp(m, samples_[begin].value, samples_[end - 1].value);
  }
  /// Σ w·(x − mean)² of samples [begin, end).
  double cost(std::size_t begin, std::size_t end) const noexcept {
    if (end - begin < 2) return 0.0;
    const double first = sums_[end].first - sums_[begin].first;
    const double c = sums_[end].second - sums_[begin].second - first * first / weight(begin, end);
    return c > 0.0 ? c : 0.0;
  }
  /// The first sample above x.
  std::size_t above(double x) const noexcept {
    return static_cast<std::size_t>(
        std::upper_bound(samples_.begin(), samples_.end(), x, [](double v, const Sample& s) { return v < s.value; }) -
        samples_.begin());
  }
  /// Σ w·(x − nearest center)² for ascending centers, term by term.
  double cost_of(std::span<const float> centers) const noexcept {
    double sum = 0.0;
    std::size_t c = 0;
    for (const Sample& s : samples_) {
      while (c + 1 < centers.size() && std::fabs(static_cast<double>(centers[c + 1]) - s.value) <=
                                           std::fabs(static_cast<double>(centers[c]) - s.value))
        ++c;
      const double e = static_cast<double>(centers[c]) - s.value;
      sum += s.weight * e * e;
    }
    return sum;
  }

 private:
  struct Sample {
    double value, weight;
  };
  struct Sums {
    double weight = 0.0, first = 0.0, second = 0.0;
  };
  void take(std::span<const float> values, std::span<const float> weights) {
    samples_.reserve(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      const float w = weights.empty() ? 1.0f : weights[i];
      if (std::isfinite(values[i]) && w > 0.0f && std::isfinite(w))
        samples_.push_back({static_cast<double>(values[i]), static_cast<double>(w)});
    }
  }

  std::vector<Sample> samples_;
  std::vector<Sums> sums_;
  double origin_ = 0.0;
};

namespace detail {

/// One layer of the dynamic program: next[j] = min over i of last[i] + cost(i, j) for j in [begin, end), where the best i
/// grows with j (the cost is that of runs of sorted numbers), so the middle j halves what the others must try.
inline void best_splits(const SortedSamples& samples, std::span<const double> last, std::span<double> next,
                        std::span<std::uint32_t> split, std::size_t begin, std::size_t end, std::size_t low,
                        std::size_t high) {
  while (begin < end) {
    const std::size_t j = begin + (end - begin) / 2;
    double best = std::numeric_limits<double>::infinity();
    std::size_t at = low;
    for (std::size_t i = low; i <= std::min(high, j); ++i) {
      const double c = last[i] + samples.cost(i, j);
      if (c < best) {
        best = c;
        at = i;
      }
    }
    next[j] = best;
    split[j] = static_cast<std::uint32_t>(at);
    best_splits(samples, last, next, split, begin, j, low, at);
    begin = j + 1;
    low = at;
  }
}

}  // namespace detail

/// The k = centers.size() numbers of least Σ w·(x − nearest)², exactly, by dynamic programming over sorted values.
///
///   values, weights  as for SortedSamples
///   centers          k ≥ 1; filled in ascending order. With fewer than k distinct values these come first and the last of
///                    them fills the rest; without any, zeros
///
/// Returns the cost with the centers as rounded to float. Deterministic; the order of the values does not matter.
/// Cost: O(n log n + k·n·log n) for n distinct values, 4·k·n bytes of scratch.
/// Source: the exact 1-D clustering of SqueezeLLM's weights (Kim et al., arXiv:2306.07629) by divide and conquer over
/// monotone split points.
inline double kmeans1d(const SortedSamples& samples, std::span<float> centers) {
  LOWBIT_EXPECTS(!centers.empty(), "k-means finds at least one center");
  const std::size_t n = samples.size(), k = centers.size();
  LOWBIT_EXPECTS(n <= std::numeric_limits<std::uint32_t>::max(), "k-means numbers at most 2^32 − 1 distinct values");
  if (n <= k) {
    for (std::size_t c = 0; c < k; ++c)
      centers[c] = n == 0 ? 0.0f : static_cast<float>(samples.value(std::min(c, n - 1)));
    return 0.0;
  }
  std::vector<double> last(n + 1), next(n + 1);
  std::vector<std::uint32_t> splits(k * (n + 1));
  for (std::size_t j = 0; j <= n; ++j) last[j] = samples.cost(0, j);
  for (std::size_t c = 1; c < k; ++c) {
    // c + 1 runs of at least one sample each.
    std::fill(next.begin(), next.end(), std::numeric_limits<double>::infinity());
    detail::best_splits(samples, last, next, std::span(splits).subspan(c * (n + 1), n + 1), c + 1, n + 1, c, n);
    std::swap(last, next);
  }
  std::size_t end = n;
  for (std::size_t c = k; c-- > 0;) {
    const std::size_t begin = c == 0 ? 0 : splits[c * (n + 1) + end];
    centers[c] = static_cast<float>(samples.mean(begin, end));
    end = begin;
  }
  return samples.cost_of(centers);
}
inline double kmeans1d(std::span<const float> values, std::span<const float> weights, std::span<float> centers) {
  return kmeans1d(SortedSamples(values, weights), centers);
}

/// Centers at the weighted quantiles (2c + 1)/2k: where Lloyd's iteration starts.
inline void quantile_centers(const SortedSamples& samples, std::span<float> centers) {
  const std::size_t n = samples.size(), k = centers.size();
  const double total = samples.weight(0, n);
  std::size_t at = 0;
  for (std::size_t c = 0; c < k; ++c) {
    const double want = total * (2.0 * static_cast<double>(c) + 1.0) / (2.0 * static_cast<double>(k));
    while (at + 1 < n && samples.weight(0, at + 1) < want) ++at;
    centers[c] = n == 0 ? 0.0f : static_cast<float>(samples.value(at));
  }
}

/// Lloyd's iteration from ascending centers: every sample to the nearest, every center to the mean of its samples, until
/// nothing moves or `passes` are done. A center without samples keeps its place. The cost never rises; returns the last.
/// Cost per pass: O(k log n). Its minima are local, those of kmeans1d are not.
inline double lloyd1d(const SortedSamples& samples, std::span<float> centers, int passes) {
  const std::size_t n = samples.size(), k = centers.size();
  for (int pass = 0; pass < passes && n != 0; ++pass) {
    bool moved = false;
    std::size_t begin = 0;
    std::vector<float> next(centers.begin(), centers.end());
    for (std::size_t c = 0; c < k; ++c) {
      const std::size_t end =
          c + 1 == k ? n
                     : std::max(begin, samples.above(0.5 * (static_cast<double>(centers[c]) +
                                                            static_cast<double>(centers[c + 1]))));
      if (end > begin && samples.weight(begin, end) > 0.0) next[c] = static_cast<float>(samples.mean(begin, end));
      moved = moved || next[c] != centers[c];
      begin = end;
    }
    if (!moved) break;
    std::copy(next.begin(), next.end(), centers.begin());
  }
  return n == 0 ? 0.0 : samples.cost_of(centers);
}

/// The index of a level nearest to x, the first of equals; 0 for NaN. Levels are finite and in any order.
inline std::size_t nearest_level(std::span<const float> levels, float x) noexcept {
  std::size_t best = 0;
  for (std::size_t c = 1; c < levels.size(); ++c) {
    const double old = static_cast<double>(levels[best]), now = static_cast<double>(levels[c]);
    const double middle = 0.5 * (old + now), at = static_cast<double>(x);  // distances of far x would round to equal ones
    best = (old < now && at > middle) || (now < old && at < middle) ? c : best;
  }
  return best;
}

}  // namespace lowbit::codebook
