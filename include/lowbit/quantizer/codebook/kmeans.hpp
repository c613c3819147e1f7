// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

#include "lowbit/core/contract.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/quantizer/codebook/point_table.hpp"

/// Weighted k-means of vectors: Lloyd's iteration from k-means++ seeds.

namespace lowbit::codebook {

/// What becomes of a point that no vector is nearest to.
enum class DeadPoints : std::uint8_t {
  keep,    ///< it stays
  reseed,  ///< it moves beside one of the most used points, at most a fifth of all points per pass (ReVQ)
};

struct KMeansOptions {
  int passes = 100;           ///< of Lloyd's iteration, at most
  double tolerance = 1e-6;    ///< a pass that lowers the cost by less than this fraction is the last
  std::uint64_t seed = 0;
  DeadPoints dead = DeadPoints::keep;
  double noise = 0.1;         ///< of a reseeded point, in standard deviations of the data per coordinate
  bool unit_points = false;   ///< points are scaled to length 1 (spherical k-means; the vectors should have it too)
  std::size_t seeding = 32;   ///< k-means++ looks at no more than this many vectors per point, evenly spaced
};

struct KMeansResult {
  double cost = 0.0;             ///< Σ w·(x − nearest)² of the points returned
  std::size_t used = 0;          ///< points that some vector is nearest to
  std::vector<double> costs{};   ///< before each pass, then at the end
};

namespace detail {

/// Vectors and what they weigh. weights: empty; one per vector; or one per coordinate. Vectors that are not finite, or whose
/// weights are not finite or all zero, weigh nothing; if that is all of them but for the weights, weights are ignored.
struct WeightedVectors {
  std::span<const float> values;
  std::size_t dim;
  std::span<const float> weights;
  std::vector<double> mass;  ///< Σ of a vector's weights

  WeightedVectors(std::span<const float> x, std::size_t d, std::span<const float> w) : values(x), dim(d), weights(w) {
    LOWBIT_EXPECTS(d >= 1 && x.size() % d == 0, "vectors hold dim floats each");
    LOWBIT_EXPECTS(w.empty() || w.size() == x.size() || w.size() == x.size() / d,
                   "weights are one per vector or one per coordinate");
    weigh();
    if (!weights.empty() && std::all_of(mass.begin(), mass.end(), [](double m) { return m == 0.0; })) {
      weights = {};
      weigh();
    }
  }
  std::size_t size() const noexcept { return values.size() / dim; }
  const float* at(std::size_t j) const noexcept { return values.data() + j * dim; }
  bool per_coordinate() const noexcept { return weights.size() == values.size() && dim > 1; }
  const float* coordinate_weights(std::size_t j) const noexcept {
    return per_coordinate() ? weights.data() + j * dim : nullptr;
  }
  double weight(std::size_t j, std::size_t i) const noexcept {
    return weights.empty() ? 1.0 : static_cast<double>(per_coordinate() ? weights[j * dim + i] : weights[j]);
  }
  /// Σ w·(x − p)² of vector j.
  double distance(std::size_t j, const float* p) const noexcept {
    double sum = 0.0;
    for (std::size_t i = 0; i < dim; ++i) {
      const double e = static_cast<double>(at(j)[i]) - static_cast<double>(p[i]);
      sum += weight(j, i) * (e * e);
    }
    return sum;
  }

 private:
  void weigh() {
    mass.assign(size(), 0.0);
    for (std::size_t j = 0; j < size(); ++j) {
      double sum = 0.0;
      bool good = true;
      for (std::size_t i = 0; i < dim; ++i) {
        const double w = weight(j, i);
        good = good && std::isfinite(at(j)[i]) && w >= 0.0 && std::isfinite(w);
        sum += w;
      }
      mass[j] = good ? sum : 0.0;
    }
  }
};

/// The index that a uniform draw u in [0, 1) falls on, with probabilities in proportion to p.
inline std::size_t draw(std::span<const double> p, double u) noexcept {
  double total = 0.0;
  for (const double v : p) total += v;
  double rest = u * total;
  std::size_t last = 0;
  for (std::size_t j = 0; j < p.size(); ++j) {
    if (!(p[j] > 0.0)) continue;
    last = j;
    rest -= p[j];
    if (rest < 0.0) break;
  }
  return last;
}

inline void to_unit_length(std::span<float> p) noexcept {
  double square = 0.0;
  for (const float v : p) square += static_cast<double>(v) * static_cast<double>(v);
  if (!(square > 0.0)) return;
  const double inverse = 1.0 / std::sqrt(square);
  for (float& v : p) v = static_cast<float>(static_cast<double>(v) * inverse);
}

}  // namespace detail

/// Fills `points` with vectors, the first drawn by weight, each further one by its weighted squared distance to those before
/// (Arthur and Vassilvitskii, SODA 2007). Arguments as for lloyd; without vectors that weigh anything, zeros.
/// Cost: vectors looked at · K · dim.
inline void kmeans_plus_plus(std::span<const float> vectors, std::size_t dim, std::span<const float> weights,
                             std::span<float> points, const KMeansOptions& options = {}) {
  const detail::WeightedVectors all(vectors, dim, weights);
  const std::size_t count = points.size() / dim;
  const std::size_t looked = std::min(all.size(), options.seeding * count), n = all.size();
  std::vector<std::size_t> index(looked);
  for (std::size_t s = 0; s < looked; ++s)  // floor(s·n / looked) without a product that could wrap
    index[s] = s * (n / looked) + s * (n % looked) / looked;
  std::vector<double> chance(looked), distance(looked, std::numeric_limits<double>::infinity());
  for (std::size_t s = 0; s < looked; ++s) chance[s] = all.mass[index[s]];
  std::fill(points.begin(), points.end(), 0.0f);
  if (std::all_of(chance.begin(), chance.end(), [](double c) { return c == 0.0; })) return;
  Rng rng(options.seed);
  for (std::size_t k = 0; k < count; ++k) {
    const float* chosen = all.at(index[detail::draw(chance, rng.uniform())]);
    std::copy_n(chosen, dim, points.begin() + static_cast<std::ptrdiff_t>(k * dim));
    double left = 0.0;
    for (std::size_t s = 0; s < looked; ++s) {
      if (all.mass[index[s]] == 0.0) continue;
      distance[s] = std::min(distance[s], all.distance(index[s], chosen));
      chance[s] = distance[s];
      left += chance[s];
    }
    if (!(left > 0.0))  // every vector is a point already
      for (std::size_t s = 0; s < looked; ++s) chance[s] = all.mass[index[s]];
  }
}

/// Lloyd's iteration from given points: every vector to its nearest point, every point to the weighted mean of its vectors.
///
///   vectors  n × dim floats
///   weights  empty; n (each vector's: the nearest point is nearest by plain distance, as in Coupled Quantization); or n × dim
///            (each coordinate's, the diagonal of a Hessian: distances are Σ w·(x − p)²). Where a coordinate of a point has
///            no weight, it keeps its value
///   points   K × dim floats, in and out
///
/// The cost never rises, up to rounding points to float, unless dead points are reseeded; then the best points are kept.
/// Deterministic.   Cost per pass: 3 · n · K · dim flops.
/// Source of reseeding: Zhang et al., "Quantize-then-Rectify" (ReVQ), arXiv:2507.10547; here the j-th dead point goes beside
/// the j-th most used one, and its noise is relative to the spread of the data.
inline KMeansResult lloyd(std::span<const float> vectors, std::size_t dim, std::span<const float> weights,
                          std::span<float> points, const KMeansOptions& options = {}) {
  const detail::WeightedVectors all(vectors, dim, weights);
  const std::size_t count = points.size() / dim;
  LOWBIT_EXPECTS(count >= 1 && points.size() == count * dim, "points hold dim floats each, and there is one at least");
  PointTable table(points, dim);
  std::vector<double> sums(points.size()), masses(points.size());
  std::vector<std::size_t> counts(count);
  KMeansResult result{.cost = std::numeric_limits<double>::infinity()};
  std::vector<float> best(points.begin(), points.end());
  Rng rng(options.seed, 1);
  for (int pass = 0;; ++pass) {
    std::fill(sums.begin(), sums.end(), 0.0);
    std::fill(masses.begin(), masses.end(), 0.0);
    std::fill(counts.begin(), counts.end(), std::size_t{0});
    double cost = 0.0;
    for (std::size_t j = 0; j < all.size(); ++j) {
      if (all.mass[j] == 0.0) continue;
      const std::size_t k = table.nearest(all.at(j), all.coordinate_weights(j));
      ++counts[k];
      cost += all.distance(j, table.point(k).data());
      for (std::size_t i = 0; i < dim; ++i) {
        const double w = all.weight(j, i);
        sums[k * dim + i] += w * static_cast<double>(all.at(j)[i]);
        masses[k * dim + i] += w;
      }
    }
    result.costs.push_back(cost);
    const bool better = cost < result.cost, last = cost >= result.cost * (1.0 - options.tolerance);
    const std::size_t dead = static_cast<std::size_t>(std::count(counts.begin(), counts.end(), std::size_t{0}));
    if (better) {
      result.cost = cost;
      result.used = count - dead;
      std::copy(points.begin(), points.end(), best.begin());
    }
    const bool reseeds = options.dead == DeadPoints::reseed && dead != 0;
    if (pass >= options.passes || (last && !reseeds)) break;
    for (std::size_t i = 0; i < points.size(); ++i)
      if (masses[i] > 0.0) points[i] = static_cast<float>(sums[i] / masses[i]);
    if (reseeds) {
      double spread = cost, mass = 0.0;  // of what is left, until the points are good: a spread in either case
      for (const double m : masses) mass += m;
      for (std::size_t i = 0; i < points.size(); ++i) {
        if (!(masses[i] > 0.0)) continue;
        double center = 0.0;
        for (std::size_t k = i % dim; k < points.size(); k += dim) center += sums[k];
        double all_mass = 0.0;
        for (std::size_t k = i % dim; k < points.size(); k += dim) all_mass += masses[k];
        const double apart = static_cast<double>(points[i]) - center / all_mass;
        spread += masses[i] * apart * apart;
      }
      const double sigma = mass > 0.0 ? options.noise * std::sqrt(spread / mass) : 0.0;
      std::vector<std::size_t> order(count);
      std::iota(order.begin(), order.end(), std::size_t{0});
      std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return counts[a] > counts[b]; });
      const std::size_t most = std::max<std::size_t>(1, count / 5);
      for (std::size_t k = 0, moved = 0; k < count && moved < most; ++k) {
        if (counts[k] != 0) continue;
        const float* from = points.data() + order[moved % (count - dead == 0 ? 1 : count - dead)] * dim;
        for (std::size_t i = 0; i < dim; ++i)
          points[k * dim + i] = static_cast<float>(static_cast<double>(from[i]) + sigma * rng.normal());
        ++moved;
      }
    }
    if (options.unit_points)
      for (std::size_t k = 0; k < count; ++k) detail::to_unit_length(points.subspan(k * dim, dim));
    table.assign(points);
  }
  std::copy(best.begin(), best.end(), points.begin());
  return result;
}

/// Lloyd's iteration from k-means++ seeds.
inline KMeansResult kmeans(std::span<const float> vectors, std::size_t dim, std::span<const float> weights,
                           std::span<float> points, const KMeansOptions& options = {}) {
  kmeans_plus_plus(vectors, dim, weights, points, options);
  return lloyd(vectors, dim, weights, points, options);
}

}  // namespace lowbit::codebook
