// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "lowbit/core/contract.hpp"
#include "lowbit/quantizer/codebook/kmeans1d.hpp"

namespace lowbit::codebook {

/// A mixture of Gaussians over real weights whose means are a codebook; one component, `zero`, has mean 0 for good, so that
/// some weights become exact zeros.
///
/// A weight belongs to component k in proportion to φ_k = π_k·N(w; µ_k, σ_k). Its hard value is the mean of the likeliest
/// component; its soft one Σ r_k·µ_k with r = softmax(φ/τ), φ normalized, which tends to the hard one as τ falls.
/// Source: "Finding the Task-Optimal Low-Bit Sub-Distribution in Deep Neural Networks" (DGMS), arXiv:2112.15139. There the
/// mixture is trained with the task; here by expectation–maximization.
class GaussianMixture {
 public:
  /// From the weighted k-means of the samples: means, deviations and shares of its clusters; the mean nearest to 0 becomes 0.
  /// Deviations are at least 1e−4 of that of all samples. Means ascend.
  GaussianMixture(const SortedSamples& samples, std::size_t components) : samples_(&samples) {
    LOWBIT_EXPECTS(components >= 2, "a mixture has two components at least");
    std::vector<float> centers(components);
    kmeans1d(samples, centers);
    means_.assign(centers.begin(), centers.end());
    for (std::size_t k = 1; k < components; ++k)
      if (std::fabs(means_[k]) < std::fabs(means_[zero_])) zero_ = k;
    means_[zero_] = 0.0;
    const std::size_t n = samples.size();
    const double total = n == 0 ? 0.0 : samples.weight(0, n);
    floor_ = n == 0 ? 0.0 : 1e-4 * std::sqrt(samples.cost(0, n) / total);
    if (!(floor_ > 0.0)) floor_ = 1e-30;
    deviations_.assign(components, floor_);
    shares_.assign(components, 1.0 / static_cast<double>(components));
    std::vector<double> mass(components, 0.0), square(components, 0.0);
    for (std::size_t i = 0; i < n; ++i) {
      const double x = samples.value(i), w = samples.weight(i, i + 1);
      const std::size_t k = nearest_level(centers, static_cast<float>(x));
      mass[k] += w;
      square[k] += w * (x - means_[k]) * (x - means_[k]);
    }
    for (std::size_t k = 0; k < components && total > 0.0; ++k) {
      shares_[k] = mass[k] / total;
      if (mass[k] > 0.0) deviations_[k] = std::max(floor_, std::sqrt(square[k] / mass[k]));
    }
  }

  std::size_t components() const noexcept { return means_.size(); }
  std::size_t zero() const noexcept { return zero_; }
  double mean(std::size_t k) const noexcept { return means_[k]; }
  double deviation(std::size_t k) const noexcept { return deviations_[k]; }
  double share(std::size_t k) const noexcept { return shares_[k]; }

  /// φ, normalized; computed from logarithms, so that no weight is too far from all components. A NaN belongs to component 0.
  void responsibilities(double w, std::span<double> phi) const noexcept {
    double most = -std::numeric_limits<double>::infinity();
    for (std::size_t k = 0; k < components(); ++k) {
      phi[k] = logarithm(k, w);
      most = std::max(most, phi[k]);
    }
    double sum = 0.0;
    for (double& v : phi) sum += v = std::exp(v - most);
    for (double& v : phi) v /= sum;
  }
  /// The likeliest component, the first of equals.
  std::size_t component(double w) const noexcept {
    std::size_t best = 0;
    for (std::size_t k = 1; k < components(); ++k)
      if (logarithm(k, w) > logarithm(best, w)) best = k;
    return best;
  }
  double hard(double w) const noexcept { return means_[component(w)]; }
  double soft(double w, double temperature) const {
    std::vector<double> phi(components());
    responsibilities(w, phi);
    const double most = *std::max_element(phi.begin(), phi.end());
    double sum = 0.0, value = 0.0;
    for (std::size_t k = 0; k < components(); ++k) {
      const double r = std::exp((phi[k] - most) / temperature);
      sum += r;
      value += r * means_[k];
    }
    return value / sum;
  }

  /// Σ w·(x − hard value)² over the samples.
  double hard_cost() const noexcept {
    double sum = 0.0;
    for (std::size_t i = 0; i < samples_->size(); ++i) {
      const double e = hard(samples_->value(i)) - samples_->value(i);
      sum += samples_->weight(i, i + 1) * e * e;
    }
    return sum;
  }
  /// Σ w·log p(x) of the samples.
  double log_likelihood() const noexcept {
    double all = 0.0;
    for (std::size_t i = 0; i < samples_->size(); ++i) {
      double most = -std::numeric_limits<double>::infinity(), sum = 0.0;
      for (std::size_t k = 0; k < components(); ++k) most = std::max(most, logarithm(k, samples_->value(i)));
      for (std::size_t k = 0; k < components(); ++k) sum += std::exp(logarithm(k, samples_->value(i)) - most);
      all += samples_->weight(i, i + 1) * (most + std::log(sum) - 0.9189385332046727);
    }
    return all;
  }

  /// One step of expectation–maximization; the likelihood of the samples does not fall, but for deviations at their floor.
  /// The mean of `zero` stays, and so does a component without share.
  void step() {
    const std::size_t k_count = components(), n = samples_->size();
    std::vector<double> mass(k_count, 0.0), first(k_count, 0.0), phi(k_count), second(k_count, 0.0);
    double total = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
      const double x = samples_->value(i), w = samples_->weight(i, i + 1);
      responsibilities(x, phi);
      total += w;
      for (std::size_t k = 0; k < k_count; ++k) {
        const double r = w * phi[k], apart = x - means_[k];
        mass[k] += r;
        first[k] += r * apart;
        second[k] += r * apart * apart;
      }
    }
    for (std::size_t k = 0; k < k_count; ++k) {
      if (!(total > 0.0)) return;
      shares_[k] = mass[k] / total;
      if (!(mass[k] > 1e-12 * total)) continue;
      const double move = k == zero_ ? 0.0 : first[k] / mass[k];
      means_[k] += move;
      deviations_[k] = std::max(floor_, std::sqrt(std::max(0.0, second[k] / mass[k] - move * move)));
    }
  }

 private:
  double logarithm(std::size_t k, double w) const noexcept {
    if (!(shares_[k] > 0.0)) return -std::numeric_limits<double>::infinity();
    const double z = (w - means_[k]) / deviations_[k];
    return std::log(shares_[k]) - std::log(deviations_[k]) - 0.5 * z * z;
  }

  const SortedSamples* samples_;
  std::vector<double> means_, deviations_, shares_;
  std::size_t zero_ = 0;
  double floor_ = 0.0;
};

/// The mixture of least hard_cost() among the k-means start and `steps` steps of expectation–maximization after it: the
/// likelihood rises with every step, the error does not always fall. samples must outlive it.
inline GaussianMixture fit_mixture(const SortedSamples& samples, std::size_t components, int steps) {
  GaussianMixture now(samples, components), best = now;
  double least = now.hard_cost();
  for (int i = 0; i < steps; ++i) {
    now.step();
    const double cost = now.hard_cost();
    if (!(cost < least)) continue;
    least = cost;
    best = now;
  }
  return best;
}

}  // namespace lowbit::codebook
