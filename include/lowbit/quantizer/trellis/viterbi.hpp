// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "lowbit/core/buffer.hpp"
#include "lowbit/core/contract.hpp"
#include "lowbit/core/isa.hpp"
#include "lowbit/format/trellis/code.hpp"
#include "lowbit/quantizer/trellis/metric.hpp"
#include "lowbit/quantizer/trellis/step.hpp"

namespace lowbit::trellis {

/// The least costly sequence of states of a bitshift trellis for a sequence of weights, by dynamic programming.
///
/// The trellis: states of L bits; a step shifts K·V new bits in at the low end (Shift of them, which for V = 2 may be one
/// more: K + ½ bits a weight), so state t + 1 is ((state t << K·V) |
/// new) mod 2^L, and each state stands for V = Code::dim weights. Cost of a path: Σ w·(x − value)², w = 1 without
/// weights.
///
///   x        [V·T]  weights in the code's units: root mean square about Code::rms. NaN counts as 0
///   weights  [V·T]  non-negative, of any scale, or empty; negative and NaN count as 0
///   states   [T]    receives the path
///
/// `free` finds the best path of all. `constrained` finds the best of those whose first state has `overlap` in its high
/// L − K·V bits and whose last state has it in the low ones: K·V bits a step then say it all, going around.
/// `tail_biting` chooses the overlap (an approximation, below) and then that path; T·K·V ≥ L. `tail_biting_exact` tries
/// every overlap: 2^(L−K·V) searches, for tests and short states.
///
/// The overlap is the one that the best free path across the seam has: over the last `seam` and the first `seam` steps,
/// at most T / 2 of each. With T / 2 this is the published rule (the sequence turned by half and searched whole); a
/// decision hardly depends on what is further away than a few times L / (K·V) steps, so the default looks at 4 times
/// that, which costs 0.9 % of error at L = 12 and 1.5 % at L = 16 against T / 2 (measured, K = 2).
///
/// Metric: FixedMetric is exact but for its rounding; FloatMetric is float arithmetic. Scalar and vector code find the
/// same path (with FloatMetric where the compiler may not contract a·b + c).
///
/// Memory: owned and reused; per object under 2^L/8 bytes a step and the costs of 2·2^(L−K·V) groups; per type a table
/// of V·2^L samples. One object serves one thread. Time: V·2^L distances a step.
/// Source: Tseng et al., "QTIP", arXiv:2406.11235; the costs of groups, the knockout and the short seam are ours.
template <Code C, int L, int K, class Metric = FixedMetric<C::dim>, class Isa = isa::native,
          int Shift = K * static_cast<int>(C::dim)>
class Viterbi {
 public:
  static constexpr std::size_t dim = C::dim;
  static constexpr int shift = Shift;
  static_assert(L >= 1 && L <= C::max_state_bits && L <= 16, "trellis::Viterbi needs a state that its code knows.");
  static_assert(K >= 1 && shift <= L && shift <= 8,
                "trellis::Viterbi shifts in 1 to 8 bits, and no more than a state.");
  static constexpr std::size_t groups = std::size_t{1} << (L - shift);
  static constexpr std::size_t default_seam = 4 * ((L + shift - 1) / shift);

  std::size_t seam = default_seam;  ///< steps on either side that decide the overlap

  void free(std::span<const float> x, std::span<const float> weights, std::span<std::uint16_t> states) {
    prepare(x, weights, states.size());
    std::fill_n(cost_[0].data(), groups, cost_type{});
    forward(0, states.size());
    trace(cheapest(states.size()), states);
  }

  void constrained(std::span<const float> x, std::span<const float> weights, std::uint32_t overlap,
                   std::span<std::uint16_t> states) {
    LOWBIT_EXPECTS(overlap < groups, "An overlap has L − K·V bits.");
    prepare(x, weights, states.size());
    around(overlap, states);
  }

  void tail_biting(std::span<const float> x, std::span<const float> weights, std::span<std::uint16_t> states) {
    const std::size_t steps = states.size();
    LOWBIT_EXPECTS(steps * shift >= L, "A tail-biting sequence is no shorter than a state.");
    prepare(x, weights, steps);
    const std::size_t after = std::min(std::max<std::size_t>(seam, 1), steps / 2),
                      before = std::min(seam, steps - after);
    std::fill_n(cost_[0].data(), groups, cost_type{});
    forward(steps - before, before + after);
    std::size_t g = cheapest(before + after);
    for (std::size_t i = before + after; i-- > before;) g = back(i, g) >> shift;
    around(g, states);
  }

  void tail_biting_exact(std::span<const float> x, std::span<const float> weights, std::span<std::uint16_t> states) {
    const std::size_t steps = states.size();
    LOWBIT_EXPECTS(steps * shift >= L, "A tail-biting sequence is no shorter than a state.");
    prepare(x, weights, steps);
    double least = HUGE_VAL;
    std::vector<std::uint16_t> path(steps);
    for (std::size_t overlap = 0; overlap < groups; ++overlap) {
      around(overlap, path);
      if (const double cost = cost_of(path); cost < least) {
        least = cost;
        std::copy(path.begin(), path.end(), states.begin());
      }
    }
  }

 private:
  using step_type = detail::Step<Metric, L, shift, dim>;
  using sample_type = typename Metric::sample_type;
  using weight_type = typename Metric::weight_type;
  using cost_type = typename Metric::cost_type;
  static constexpr std::size_t slack = 32;  ///< costs that a register may read beyond the last

  /// dim · 2^L components of points in the metric's units, by step_type::place.
  static const AlignedBuffer<sample_type>& points() {
    static const AlignedBuffer<sample_type> once = [] {
      AlignedBuffer<sample_type> all(dim << L);
      for (std::size_t s = 0; s < std::size_t{1} << L; ++s) {
        std::array<float, dim> y;
        C::value(static_cast<std::uint32_t>(s), y);
        for (std::size_t v = 0; v < dim; ++v) all[step_type::place(s, v)] = Metric::sample(y[v], C::rms);
      }
      return all;
    }();
    return once;
  }

  void prepare(std::span<const float> x, std::span<const float> weights, std::size_t steps) {
    LOWBIT_EXPECTS(steps >= 1 && x.size() == dim * steps, "A state is worth Code::dim weights.");
    LOWBIT_EXPECTS(weights.empty() || weights.size() == x.size(), "There is one weight per element, or none.");
    if (decisions_.size() < steps * step_type::decision_bytes)
      decisions_ = AlignedBuffer<std::uint8_t>(steps * step_type::decision_bytes);
    if (cost_[0].empty()) cost_[0] = cost_[1] = AlignedBuffer<cost_type>(groups + slack);
    sample_.resize(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) sample_[i] = Metric::sample(x[i], C::rms);
    weight_.resize(weights.size());
    float most = 0.0f;
    for (const float w : weights) most = w > most ? w : most;
    most = std::min(most, std::numeric_limits<float>::max());
    for (std::size_t i = 0; i < weights.size(); ++i) weight_[i] = Metric::weight(weights[i], most);
  }

  /// `count` steps from step `first` of the sequence on, going around; their decisions are numbered from 0. Costs start
  /// in cost_[0] and end in cost_[count % 2].
  void forward(std::size_t first, std::size_t count) {
    if (weight_.empty())
      forward<false>(first, count);
    else
      forward<true>(first, count);
  }
  template <bool Weighted>
  void forward(std::size_t first, std::size_t count) {
    const std::size_t steps = sample_.size() / dim;
    step_type step{.points = points().data(), .x = {}, .weight = {}, .base = cost_type{}};
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t t = (first + i) % steps;
      for (std::size_t v = 0; v < dim; ++v) {
        step.x[v] = sample_[dim * t + v];
        if constexpr (Weighted) step.weight[v] = weight_[dim * t + v];
      }
      step.base = step.template run<Weighted, Isa>(cost_[i % 2].data(), cost_[1 - i % 2].data(),
                                                   decisions_.data() + i * step_type::decision_bytes);
    }
  }

  std::size_t back(std::size_t i, std::size_t g) const noexcept {
    return step_type::predecessor(decisions_.data() + i * step_type::decision_bytes, g);
  }
  std::size_t cheapest(std::size_t count) const noexcept {
    const cost_type* const cost = cost_[count % 2].data();
    return static_cast<std::size_t>(std::min_element(cost, cost + groups) - cost);
  }

  void trace(std::size_t g, std::span<std::uint16_t> states) const noexcept {
    for (std::size_t t = states.size(); t-- > 0; g = states[t] >> shift)
      states[t] = static_cast<std::uint16_t>(back(t, g));
  }

  void around(std::size_t overlap, std::span<std::uint16_t> states) {
    std::fill_n(cost_[0].data(), groups, Metric::unreachable);
    cost_[0][overlap] = cost_type{};
    forward(0, states.size());
    std::size_t g = overlap;
    for (std::size_t t = states.size(); t-- > 0; g = states[t] >> shift) {
      std::size_t state = back(t, g);
      // State t still holds L − shift·(t + 1) bits of the overlap, at its high end. The search found them unless all it
      // could reach had saturated.
      if (const std::size_t gone = shift * (t + 1); gone < L) {
        const std::size_t kept = ((std::size_t{1} << (L - gone)) - 1) << gone;
        state = (state & ~kept) | ((overlap << gone) & kept & ((std::size_t{1} << L) - 1));
      }
      states[t] = static_cast<std::uint16_t>(state);
    }
  }

  double cost_of(std::span<const std::uint16_t> states) const noexcept {
    double sum = 0.0;
    for (std::size_t t = 0; t < states.size(); ++t) {
      cost_type error{};
      for (std::size_t v = 0; v < dim; ++v) {
        cost_type d = Metric::distance(sample_[dim * t + v], points()[step_type::place(states[t], v)]);
        if (!weight_.empty()) d = Metric::weighted(d, weight_[dim * t + v]);
        error = v == 0 ? d : Metric::add(error, d);
      }
      sum += static_cast<double>(error);
    }
    return sum;
  }

  AlignedBuffer<std::uint8_t> decisions_;
  AlignedBuffer<cost_type> cost_[2];
  std::vector<sample_type> sample_;
  std::vector<weight_type> weight_;
};

}  // namespace lowbit::trellis
