// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <span>

#include "lowbit/quantizer/scale_search/range.hpp"

namespace lowbit {

/// Tries the group's range times widest − i/grid, i = 0, 1, … while that is above 1 − max_shrink, and keeps the first with
/// the least Σ h|x̂ − x|^p. Never worse than AbsMax in that sum, since AbsMax is tried before all. widest = 1 shrinks only;
/// wider ranges help grids that are coarse near their ends. Cost: ⌊(widest − 1 + max_shrink)·grid⌋ passes at most; one
/// that has become worse than the best so far ends early, and so does the search once clipping alone costs more.
///
/// p = 1, 2 and 2.4 are the fast exponents; the powers of others are good to (p + 1)·10⁻⁵ (quantizer/lanes/power.hpp).
/// Source: the "mse" option of the GPTQ release (Frantar et al., arXiv:2210.17323), p = 2.4. Other observers shrink to 0.8
/// only and lose patience after five steps: max_shrink = 0.2, patience = 5. NVFP4 is also searched from 1.8 to 0.8 times the
/// range in 112 steps: LpGrid::nvfp4(), best with a tensor scale that leaves room (Nvfp4Rule::four_over_six).
struct LpGrid {
  float p = 2.4f;  ///< above 0, at most 16
  int grid = 100;
  float max_shrink = 0.8f;
  bool weighted = false;  ///< h = importance where given; otherwise h = 1
  int patience = 0;       ///< steps in a row without improvement that end the search; 0: never
  float widest = 1.0f;    ///< at least 1

  static constexpr LpGrid nvfp4() noexcept { return {.grid = 112, .max_shrink = 0.2f, .widest = 1.8f}; }

  template <class Q>
  static constexpr bool applies = RangeFitting<Q>;

  template <Quantizer Q>
  typename Q::params_type fit(const Q& q, std::span<const float> group, const FitContext& context) const noexcept {
    return detail::search_candidates(q, group, weighted ? context.importance : std::span<const float>{}, p,
                                     [this](detail::Candidates& candidates) { search(candidates); });
  }

 private:
  void search(detail::Candidates& candidates) const noexcept {
    double least = candidates.error(1.0f, std::numeric_limits<double>::infinity());
    const double span = static_cast<double>(widest) - 1.0 + static_cast<double>(max_shrink);
    const int steps = static_cast<int>(std::floor(span * grid + 1e-6));
    for (int i = widest > 1.0f ? 0 : 1, idle = 0; i < steps && (patience == 0 || idle < patience); ++i, ++idle) {
      const float keep = widest - static_cast<float>(i) / static_cast<float>(grid);
      const double e = candidates.error(keep, least);
      if (e < least) {
        least = e;
        candidates.take();
        idle = -1;
      } else if (candidates.exhausted(least)) {
        break;
      }
    }
  }
};

}  // namespace lowbit
