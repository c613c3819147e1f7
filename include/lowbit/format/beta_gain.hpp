// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

/// Quantizers for the lengths of a row's blocks.
///
/// Directions of rotated weights are uniform on the sphere; then a block of D of the d elements of a row has a squared
/// length that is Beta(D/2, (d−D)/2) times that of the row. In units of the row's root mean square r = ‖row‖/√d, where tables
/// for different d differ little, the length is x = √(d·Beta); for large d that is the χ law of D degrees of freedom.
/// Source: "Pyramid Vector Quantization for LLMs", arXiv:2410.16926 (the law; the number of levels is the caller's).

namespace lowbit::gain {

/// A density on [low, low + width·cells.size()], constant in each cell; not normalized.
struct Density {
  double low = 0.0;
  double width = 1.0;
  std::vector<double> cells;

  /// Of non-negative samples, as a histogram. Samples that are not finite count for nothing.
  static Density of_samples(std::span<const float> samples, std::size_t cells = 4096) {
    float most = 0.0f;
    for (const float x : samples)
      if (x <= std::numeric_limits<float>::max() && x > most) most = x;
    Density out{0.0, static_cast<double>(most > 0.0f ? most : 1.0f) / static_cast<double>(cells),
                std::vector<double>(cells, 0.0)};
    for (const float x : samples)
      if (x >= 0.0f && x <= most)
        out.cells[std::min(cells - 1, static_cast<std::size_t>(static_cast<double>(x) / out.width))] += 1.0;
    return out;
  }
};

/// The density of √(length · Beta(D/2, (length−D)/2)) times `shrink`.
///
///   D       1 … of the block      length  of the row, at least D; a row of little more than one block, where the law has no
///                                         spread, is taken as Beta(D/2, 1)
///   shrink  in (0, 1]             what a length loses when it is measured along the nearest direction of a codebook
inline Density beta_density(std::size_t D, std::size_t length, double shrink = 1.0, std::size_t cells = 4096) {
  const auto k = static_cast<double>(D), d = static_cast<double>(std::max(length, D));
  const double b = std::max(0.5 * (d - k), 1.0), end = std::sqrt(d);
  // Standard deviation at most 0.71; seven of them on either side.
  const double low = std::max(0.0, std::min(std::sqrt(k), end) - 5.0), high = std::min(end, std::sqrt(k) + 5.0);
  Density out{low * shrink, (high - low) / static_cast<double>(cells) * shrink, std::vector<double>(cells)};
  double most = -std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < cells; ++i) {
    const double x = low + (high - low) * (static_cast<double>(i) + 0.5) / static_cast<double>(cells);
    out.cells[i] = (k - 1.0) * std::log(x) + (b - 1.0) * std::log1p(-x * x / d);
    most = std::max(most, out.cells[i]);
  }
  for (double& p : out.cells) p = std::exp(p - most);
  return out;
}

/// The levels of least mean squared error for a density, ascending: Lloyd's iteration from the optimal companding. For log-
/// concave densities (all of the above with D > 1) its fixed point is the optimum (Fleischer 1964). Where a density leaves
/// levels without mass, they share places with others. At most 500 passes of O(cells + levels).
inline void lloyd_levels(const Density& density, std::span<float> levels) {
  const std::size_t n = density.cells.size(), count = levels.size();
  if (count == 0 || n == 0) return;
  // Mass, first moment and cube-root mass up to each cell.
  std::vector<double> mass(n + 1, 0.0), moment(n + 1, 0.0), root(n + 1, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    const double centre = density.low + density.width * (static_cast<double>(i) + 0.5);
    mass[i + 1] = mass[i] + density.cells[i];
    moment[i + 1] = moment[i] + density.cells[i] * centre;
    root[i + 1] = root[i] + std::cbrt(density.cells[i]);
  }
  std::vector<double> at(count);
  for (std::size_t j = 0, i = 0; j < count; ++j) {
    const double want = root[n] * (static_cast<double>(j) + 0.5) / static_cast<double>(count);
    while (i + 1 < n && root[i + 1] < want) ++i;
    const double part = root[i + 1] > root[i] ? (want - root[i]) / (root[i + 1] - root[i]) : 0.5;
    at[j] = density.low + density.width * (static_cast<double>(i) + std::clamp(part, 0.0, 1.0));
  }
  // The integral up to x of a piecewise constant density is piecewise linear, its moment piecewise quadratic.
  struct Sums {
    double mass, moment;
  };
  const auto up_to = [&](double x) -> Sums {
    const double place = std::clamp((x - density.low) / density.width, 0.0, static_cast<double>(n));
    const auto i = std::min(static_cast<std::size_t>(place), n - 1);
    const double part = (place - static_cast<double>(i)) * density.cells[i];
    const double middle = density.low + density.width * 0.5 * (place + static_cast<double>(i));
    return {mass[i] + part, moment[i] + part * middle};
  };
  for (int pass = 0; pass < 500; ++pass) {
    double moved = 0.0;
    Sums before{0.0, 0.0};
    for (std::size_t j = 0; j < count; ++j) {
      const Sums end = j + 1 < count ? up_to(0.5 * (at[j] + at[j + 1])) : Sums{mass[n], moment[n]};
      if (end.mass > before.mass) {
        const double centre = (end.moment - before.moment) / (end.mass - before.mass);
        moved = std::max(moved, std::fabs(centre - at[j]));
        at[j] = centre;
      }
      before = end;
    }
    if (moved < 1e-7 * density.width * static_cast<double>(n)) break;
  }
  for (std::size_t j = 0; j < count; ++j) levels[j] = static_cast<float>(at[j]);
}

}  // namespace lowbit::gain
