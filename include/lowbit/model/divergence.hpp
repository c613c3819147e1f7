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
#include "lowbit/core/rng.hpp"
#include "lowbit/model/lanes.hpp"

/// What two rows of logits say about each other, in double.

namespace lowbit::model {

/// ln Σ exp(x_i), in nats. One row of logits; not empty.
inline double log_sum_exp(std::span<const float> logits) {
  LOWBIT_EXPECTS(!logits.empty(), "a row of logits");
  const double largest = static_cast<double>(detail::max_of(logits.data(), logits.size()));
  const double sum = detail::sum_lanes<detail::LanesD>(
      logits.data(), logits.size(), -std::numeric_limits<float>::infinity(),
      [largest](const detail::Lanes& x) -> detail::LanesD { return (x.cast<double>() - largest).exp(); });
  return largest + std::log(sum);
}

namespace detail {

/// KL(p ‖ q), given log_sum_exp of both rows.
inline double kl_divergence(std::span<const float> p, std::span<const float> q, double p_log, double q_log) {
  LanesD sum = LanesD::Zero();
  const auto add = [&](const Lanes& x, const Lanes& y) {
    const LanesD ln_p = x.cast<double>() - p_log, ln_q = y.cast<double>() - q_log;
    sum += ln_p.exp() * (ln_p - ln_q);
  };
  std::size_t i = 0;
  for (; i + lanes <= p.size(); i += lanes) add(load(p.data() + i), load(q.data() + i));
  double total = sum.sum();
  for (; i < p.size(); ++i) {
    const double ln_p = static_cast<double>(p[i]) - p_log, ln_q = static_cast<double>(q[i]) - q_log;
    total += std::exp(ln_p) * (ln_p - ln_q);
  }
  return total;
}

}  // namespace detail

/// KL(p ‖ q) = Σ p ln(p / q) of the softmax of two rows of logits, in nats; exactly 0 for equal rows, never negative
/// beyond rounding (about 1e-15).
inline double kl_divergence(std::span<const float> p, std::span<const float> q) {
  LOWBIT_EXPECTS(p.size() == q.size() && !p.empty(), "two rows over one vocabulary");
  return detail::kl_divergence(p, q, log_sum_exp(p), log_sum_exp(q));
}

/// The largest logit's index; the lowest on ties.
inline std::size_t argmax(std::span<const float> logits) {
  return static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

/// Where a set of non-negative numbers lies. Quantiles are nearest-rank: an element of the set.
struct Distribution {
  double mean = 0.0, median = 0.0, p90 = 0.0, p99 = 0.0, p999 = 0.0, max = 0.0;

  static Distribution of(std::vector<double> values) {
    if (values.empty()) return {};
    Distribution d;
    for (const double v : values) d.mean += v;
    d.mean /= static_cast<double>(values.size());
    std::sort(values.begin(), values.end());
    const auto rank = [&](double share) {
      const auto n = static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size())));
      return values[std::max<std::size_t>(n, 1) - 1];
    };
    d.median = rank(0.5);
    d.p90 = rank(0.9);
    d.p99 = rank(0.99);
    d.p999 = rank(0.999);
    d.max = values.back();
    return d;
  }
};

/// Standard error of the mean of `values` by bootstrap: the spread of the mean over `draws` resamples with replacement.
/// 0 for fewer than two values.
inline double bootstrap_standard_error(std::span<const double> values, std::size_t draws, std::uint64_t seed) {
  if (values.size() < 2 || draws < 2) return 0.0;
  double sum = 0.0, squares = 0.0;
  for (std::size_t d = 0; d < draws; ++d) {
    Rng rng(seed, d);
    double mean = 0.0;
    for (std::size_t i = 0; i < values.size(); ++i) mean += values[static_cast<std::size_t>(rng.below(values.size()))];
    mean = mean / static_cast<double>(values.size()) - values[0];  // shifted: no cancellation in the squares
    sum += mean;
    squares += mean * mean;
  }
  const auto n = static_cast<double>(draws);
  return std::sqrt(std::max(0.0, (squares - sum * sum / n) / (n - 1.0)));
}

}  // namespace lowbit::model
