// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "lowbit/core/isa.hpp"
#include "lowbit/quantizer/trellis/lanes.hpp"
#include "lowbit/quantizer/trellis/metric.hpp"

/// One step of a search over a bitshift trellis, from the states of step t to the groups of step t + 1.
///
/// A group is the 2^Shift states that share their high L − Shift bits: the successors of one low part. All of them have
/// the same predecessors, so one minimum and one decision serve them, and the cost of a group is all that is kept:
///
///   next[g] = min over k of  now[p >> Shift] + w·|x − point(p)|²,   p = k·2^(L−Shift) + g
///
/// For consecutive g each k is a run of consecutive states, and a cost serves 2^Shift of them. Points lie in the order
/// of use, so a step reads them as one stream: of 32 groups, all k, of a k its components. Of equally cheap
/// predecessors the lowest k wins.
///
/// Decisions: a knockout of the 2^Shift candidates, node 1 the final, nodes 2n and 2n + 1 below node n, candidate k at
/// node 2^Shift + k. A node's bit is 1 where the upper candidate was strictly cheaper. The bits of 32 groups lie side
/// by side, bit g mod 8 of byte g / 8, node after node: what a vector comparison gives. 2^Shift − 1 bits a group, under
/// 2^L a step.

namespace lowbit::trellis::detail {

template <class Metric, int L, int Shift, std::size_t V>
struct Step {
  using sample_type = typename Metric::sample_type;
  using weight_type = typename Metric::weight_type;
  using cost_type = typename Metric::cost_type;

  static constexpr std::size_t states = std::size_t{1} << L;
  static constexpr std::size_t groups = states >> Shift;
  static constexpr std::size_t candidates = std::size_t{1} << Shift;
  static constexpr std::size_t chunk = 32;  ///< groups whose decisions lie together
  static constexpr std::size_t chunk_bytes = 4 * (candidates - 1);
  static constexpr std::size_t decision_bytes = (groups + chunk - 1) / chunk * chunk_bytes;

  static constexpr std::size_t run_size = groups < chunk ? groups : chunk;

  /// Where component v of state p lies among the points.
  static constexpr std::size_t place(std::size_t p, std::size_t v) noexcept {
    const std::size_t k = p / groups, g = p % groups;
    return ((g / run_size * candidates + k) * V + v) * run_size + g % run_size;
  }

  const sample_type* points;  ///< [V · states], by place()
  std::array<sample_type, V> x;
  std::array<weight_type, V> weight;
  cost_type base;  ///< the least of now[]

  /// The widest registers of Isa that the groups fill.
  template <class Isa>
  static constexpr auto widest() noexcept {
    if constexpr (std::derived_from<Isa, isa::avx512>) {
      if constexpr (Lanes<Metric, isa::avx512>::width <= groups)
        return isa::avx512{};
      else
        return widest<isa::avx2>();
    } else if constexpr (std::derived_from<Isa, isa::avx2>) {
      if constexpr (Lanes<Metric, isa::avx2>::width <= groups)
        return isa::avx2{};
      else
        return isa::scalar{};
    } else {
      return isa::scalar{};
    }
  }

  /// now, next: [groups]; decisions: [decision_bytes]. Returns the least of next[].
  template <bool Weighted, class Isa>
  cost_type run(const cost_type* now, cost_type* next, std::uint8_t* decisions) const noexcept {
    return run<Weighted>(widest<Isa>(), now, next, decisions);
  }

  /// The predecessor that the decisions name for group g.
  static std::size_t predecessor(const std::uint8_t* decisions, std::size_t g) noexcept {
    const std::uint8_t* const at = decisions + g / chunk * chunk_bytes + g % chunk / 8;
    std::size_t node = 1;
    while (node < candidates) node = 2 * node + ((at[4 * (node - 1)] >> (g % 8)) & 1u);
    return (node - candidates) * groups + g;
  }

 private:
  /// The definition, in runs that compilers may turn into vector code of their own.
  template <bool Weighted>
  cost_type run(isa::scalar, const cost_type* now, cost_type* next, std::uint8_t* decisions) const noexcept {
    cost_type least = Metric::unreachable;
    cost_type cost[candidates][run_size];
    for (std::size_t g = 0; g < groups; g += run_size) {
      const sample_type* from = points + g * candidates * V;
      for (std::size_t k = 0; k < candidates; ++k)
        for (std::size_t v = 0; v < V; ++v, from += run_size)
          for (std::size_t i = 0; i < run_size; ++i) {
            cost_type d = Metric::distance(x[v], from[i]);
            if constexpr (Weighted) d = Metric::weighted(d, weight[v]);
            cost[k][i] = v == 0 ? d : Metric::add(cost[k][i], d);
          }
      for (std::size_t k = 0; k < candidates; ++k)
        for (std::size_t i = 0; i < run_size; ++i)
          cost[k][i] = Metric::add(now[(k * groups + g + i) >> Shift], cost[k][i]);

      std::uint8_t* const at = decisions + g / chunk * chunk_bytes;
      for (std::size_t n = candidates / 2; n >= 1; n /= 2)
        for (std::size_t node = 0; node < n; ++node) {
          std::uint32_t bits = 0;
          for (std::size_t i = 0; i < run_size; ++i) {
            const cost_type a = cost[2 * node][i], b = cost[2 * node + 1][i];
            bits |= static_cast<std::uint32_t>(b < a ? 1 : 0) << i;
            cost[node][i] = b < a ? b : a;
          }
          for (std::size_t byte = 0; byte < 4; ++byte)
            at[4 * (n + node - 1) + byte] = static_cast<std::uint8_t>(bits >> (8 * byte));
        }
      for (std::size_t i = 0; i < run_size; ++i) {
        next[g + i] = Metric::lower(cost[0][i], base);
        least = std::min(least, next[g + i]);
      }
    }
    return least;
  }

#if LOWBIT_HAS_AVX2
  static constexpr int inner = Shift < 4 ? Shift : 4;  ///< levels of the knockout that are unrolled
  static constexpr std::size_t subtrees = candidates >> inner;

  template <bool Weighted, class Isa>
  requires std::derived_from<Isa, isa::avx2> cost_type run(Isa, const cost_type* now, cost_type* next,
                                                           std::uint8_t* decisions)
  const noexcept {
    using R = Lanes<Metric, Isa>;
    using vec = typename R::vec;
    vec sample[V], scale[V];
    for (std::size_t v = 0; v < V; ++v) {
      sample[v] = R::sample(x[v]);
      if constexpr (Weighted) scale[v] = R::sample(weight[v]);
    }
    const vec common = R::cost(base);
    vec least = R::cost(Metric::unreachable);
    for (std::size_t g = 0; g < groups; g += R::width) {
      std::uint8_t* const at = decisions + g / chunk * chunk_bytes + g % chunk / 8;
      const sample_type* const at_g = points + g / run_size * run_size * candidates * V + g % run_size;
      vec best[subtrees];
      for (std::size_t s = 0; s < subtrees; ++s) best[s] = knockout<1, Weighted, R>(now, at_g, sample, scale, g, s, at);
      for (std::size_t n = subtrees / 2; n >= 1; n /= 2)
        for (std::size_t i = 0; i < n; ++i) best[i] = decide<R>(best[2 * i + 1], best[2 * i], at + 4 * (n + i - 1));
      const vec out = R::lower(best[0], common);
      R::store(next + g, out);
      least = R::min(out, least);
    }
    return R::least(least);
  }

  /// The winner at Node of subtree s, whose own root is Node 1.
  template <std::size_t Node, bool Weighted, class R>
  LOWBIT_ALWAYS_INLINE static typename R::vec knockout(const cost_type* now, const sample_type* at_g,
                                                       const typename R::vec* sample, const typename R::vec* scale,
                                                       std::size_t g, std::size_t s, std::uint8_t* at) noexcept {
    if constexpr (Node >= std::size_t{1} << inner) {
      const std::size_t k = (s << inner) + Node - (std::size_t{1} << inner);
      typename R::vec error;
      for (std::size_t v = 0; v < V; ++v) {
        typename R::vec d = R::distance(sample[v], at_g + (k * V + v) * run_size);
        if constexpr (Weighted) d = R::weighted(d, scale[v]);
        error = v == 0 ? d : R::add(error, d);
      }
      const std::size_t from = L >= 2 * Shift ? k * (groups >> Shift) + (g >> Shift) : (k * groups + g) >> Shift;
      return R::add(R::template repeat<Shift>(now + from), error);
    } else {
      const typename R::vec a = knockout<2 * Node, Weighted, R>(now, at_g, sample, scale, g, s, at);
      const typename R::vec b = knockout<2 * Node + 1, Weighted, R>(now, at_g, sample, scale, g, s, at);
      constexpr std::size_t level = std::bit_floor(Node);
      return decide<R>(b, a, at + 4 * ((subtrees + s) * level + Node - level - 1));
    }
  }

  template <class R>
  LOWBIT_ALWAYS_INLINE static typename R::vec decide(typename R::vec b, typename R::vec a, std::uint8_t* at) noexcept {
    const typename R::bits upper = R::less(b, a);
    std::memcpy(at, &upper, sizeof upper);
    return R::min(b, a);
  }
#endif
};

}  // namespace lowbit::trellis::detail
