// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string_view>
#include <vector>

#include "lowbit/format/concept.hpp"
#include "lowbit/format/name.hpp"
#include "lowbit/format/trellis/code.hpp"

namespace lowbit {

/// The states of a trellis of 2^L states as codes: state s is the point Code::value(s) of dim weights.
///
/// As a format it is only the alphabet: which sequences of states can be stored is the layout's business
/// (pack::Bitshift), and choosing the best of those takes a search (trellis::Viterbi), not `encode`.
///
/// Encoding: to nearest, of equally near points the lowest state; NaN counts as 0. States of one value share it, so
/// encode(decode(s)) may be another state. Cost: the points sorted by their first component, found by bisection and
/// walked outwards; 2^L·(4·dim + 2) bytes per type, made at the first use. Special values: none.
template <trellis::Code Code, int L>
struct TrellisFormat {
  static_assert(L >= 1 && L <= Code::max_state_bits, "TrellisFormat needs a state that its code knows.");
  using code = Code;
  static constexpr int state_bits = L;
  static constexpr std::size_t dim = Code::dim;
  static constexpr std::size_t cardinality = std::size_t{1} << L;
  using code_type = std::uint16_t;

 private:
  static constexpr detail::FormatName text = detail::FormatName{}.add(Code::name).add("_l").add(L);

 public:
  static constexpr std::string_view name = text.view();

  code_type encode(std::span<const float, dim> x) const noexcept {
    const Sorted& all = sorted();
    std::array<float, dim> y;
    for (std::size_t v = 0; v < dim; ++v) y[v] = std::isnan(x[v]) ? 0.0f : std::clamp(x[v], -1e15f, 1e15f);
    const auto middle =
        static_cast<std::size_t>(std::lower_bound(all.first.begin(), all.first.end(), y[0]) - all.first.begin());
    double best = HUGE_VAL;
    code_type nearest = 0;
    const auto reach = [&](std::size_t i) {  // false: no point beyond i is nearer
      const double along = static_cast<double>(all.first[i]) - static_cast<double>(y[0]);
      if (along * along > best) return false;
      double distance = along * along;
      if constexpr (dim > 1) {
        std::array<float, dim> point;
        Code::value(all.state[i], point);
        for (std::size_t v = 1; v < dim; ++v) {
          const double d = static_cast<double>(point[v]) - static_cast<double>(y[v]);
          distance += d * d;
        }
      }
      if (distance < best || (distance == best && all.state[i] < nearest)) {
        best = distance;
        nearest = all.state[i];
      }
      return true;
    };
    for (std::size_t i = middle; i < cardinality && reach(i); ++i) {
    }
    for (std::size_t i = middle; i-- > 0 && reach(i);) {
    }
    return nearest;
  }
  void decode(code_type state, std::span<float, dim> y) const noexcept { Code::value(state, y); }

 private:
  struct Sorted {
    std::vector<code_type> state;  ///< by first component, then by state
    std::vector<float> first;
  };
  static const Sorted& sorted() noexcept {
    static const Sorted once = [] {
      std::vector<float> value(cardinality);
      for (std::size_t s = 0; s < cardinality; ++s) {
        std::array<float, dim> y;
        Code::value(static_cast<std::uint32_t>(s), y);
        value[s] = y[0];
      }
      Sorted all{std::vector<code_type>(cardinality), std::vector<float>(cardinality)};
      std::iota(all.state.begin(), all.state.end(), code_type{0});
      std::stable_sort(all.state.begin(), all.state.end(),
                       [&](code_type a, code_type b) { return value[a] < value[b]; });
      for (std::size_t i = 0; i < cardinality; ++i) all.first[i] = value[all.state[i]];
      return all;
    }();
    return once;
  }
};

}  // namespace lowbit
