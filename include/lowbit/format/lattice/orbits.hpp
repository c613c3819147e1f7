// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "lowbit/core/isa.hpp"

namespace lowbit::lattice {

/// Which vectors with an even sum a codebook takes its points from.
enum class Coset : std::uint8_t {
  integers,  ///< D_N
  halves,    ///< D_N + 1/2: halves of odd integers, no zero among them; for D4 the points around a deep hole
  both,      ///< D_N ∪ (D_N + 1/2), for N = 8 the lattice E8
};

/// All vectors that arise from one, its leader, by permutations and changes of sign. Of halves of odd integers only
/// those changes that keep the sum even; then the number of minus signs is even, or odd, throughout.
template <std::size_t N>
struct Orbit {
  std::array<std::uint8_t, N> leader{};  ///< twice the coordinates, descending
  std::uint32_t first = 0;               ///< the code of its first vector
  std::uint32_t arrangements = 0;        ///< distinct permutations of the leader
  std::uint8_t sign_bits = 0;            ///< log2 of the choices of signs
  bool halves = false;                   ///< coordinates are halves of odd integers
  bool odd_signs = false;                ///< for halves: the number of minus signs is odd

  constexpr std::uint32_t size() const noexcept { return arrangements << sign_bits; }
  /// Four times the squared length.
  constexpr unsigned norm() const noexcept {
    unsigned sum = 0;
    for (const std::uint8_t v : leader) sum += static_cast<unsigned>(v) * v;
    return sum;
  }
};

namespace detail {

template <std::size_t N>
constexpr std::uint32_t arrangements_of(const std::array<std::uint8_t, N>& leader) noexcept {
  std::uint32_t all = 1, run = 0;
  for (std::size_t i = 0; i < N; ++i) {
    run = i != 0 && leader[i] == leader[i - 1] ? run + 1 : 1;
    all = all * static_cast<std::uint32_t>(i + 1) / run;
  }
  return all;
}

/// Calls visit with each orbit of vectors that have an even sum and Σ(2x)² = norm, all integers or all halves.
template <std::size_t N, class Visit>
constexpr void for_each_orbit(unsigned norm, bool halves, Visit&& visit) {
  std::array<std::uint8_t, N> leader{};
  const auto fill = [&](const auto& self, std::size_t i, unsigned most, unsigned left) -> void {
    if (i == N) {
      if (left != 0) return;
      unsigned sum = 0, nonzero = 0;
      for (const std::uint8_t v : leader) {
        sum += v;
        nonzero += v != 0 ? 1u : 0u;
      }
      const bool odd_sum = sum / 2 % 2 != 0;
      if (!halves && odd_sum) return;
      Orbit<N> orbit;
      orbit.leader = leader;
      orbit.arrangements = arrangements_of(leader);
      orbit.sign_bits = static_cast<std::uint8_t>(halves ? N - 1 : nonzero);
      orbit.halves = halves;
      orbit.odd_signs = halves && odd_sum;
      visit(orbit);
      return;
    }
    for (unsigned v = most + 1; v-- > 0;) {
      if (v % 2 != (halves ? 1u : 0u) || v * v > left) continue;
      if (static_cast<unsigned>(N - i) * v * v < left) break;
      leader[i] = static_cast<std::uint8_t>(v);
      self(self, i + 1, v, left - v * v);
    }
  };
  unsigned root = 0;
  while ((root + 1) * (root + 1) <= norm) ++root;
  fill(fill, 0, root, norm);
}

}  // namespace detail

/// The orbits of a codebook of at most 2^Bits points: whole shells from the shortest vectors on; of the first shell
/// that does not fit, the orbits that still do, larger ones first.
template <std::size_t N, int Bits, Coset C>
struct Orbits {
  static constexpr std::uint32_t capacity = std::uint32_t{1} << Bits;

  struct Table {
    std::array<Orbit<N>, 96> orbit{};
    std::size_t count = 0;
    std::uint32_t points = 0;

    constexpr Table() {
      for (unsigned norm = 0;; ++norm) {
        std::array<Orbit<N>, 16> shell{};
        std::size_t found = 0;
        std::uint32_t size = 0;
        const auto take = [&](const Orbit<N>& o) {
          std::size_t at = found++;
          for (; at > 0 && shell[at - 1].size() < o.size(); --at) shell[at] = shell[at - 1];
          shell[at] = o;
          size += o.size();
        };
        if (C != Coset::halves) detail::for_each_orbit<N>(norm, false, take);
        if (C != Coset::integers) detail::for_each_orbit<N>(norm, true, take);
        const bool whole = points + size <= capacity;
        for (std::size_t k = 0; k < found; ++k) {
          if (points + shell[k].size() > capacity) continue;
          shell[k].first = points;
          points += shell[k].size();
          orbit[count++] = shell[k];
        }
        if (!whole || points == capacity) break;
      }
    }
  };
  static constexpr Table table{};
  static constexpr std::size_t count = table.count;
  static constexpr std::uint32_t points = table.points;
};

inline namespace LOWBIT_ISA_NAMESPACE {

/// The place of an arrangement among the permutations of its orbit's leader, in lexicographic order.
template <std::size_t N>
LOWBIT_ALWAYS_INLINE std::uint32_t arrangement_rank(const Orbit<N>& orbit,
                                                    const std::array<std::uint8_t, N>& values) noexcept {
  std::array<std::uint8_t, N> left = orbit.leader;  // ascending from the back; taken values leave
  std::uint32_t rank = 0, ways = orbit.arrangements;
  for (std::size_t i = 0; i < N; ++i) {
    const auto rest = static_cast<std::uint32_t>(N - i);
    std::uint32_t before = 0, same = 0;
    std::size_t at = 0;
    for (std::size_t k = 0; k < rest; ++k) {
      before += left[k] < values[i] ? 1u : 0u;
      same += left[k] == values[i] ? 1u : 0u;
      if (left[k] > values[i]) at = k + 1;
    }
    rank += ways * before / rest;
    ways = ways * same / rest;
    for (std::size_t k = at; k + 1 < rest; ++k) left[k] = left[k + 1];
  }
  return rank;
}

/// The arrangement of a rank.
template <std::size_t N>
LOWBIT_ALWAYS_INLINE constexpr std::array<std::uint8_t, N> arrangement_of(const Orbit<N>& orbit, std::uint32_t rank) noexcept {
  std::array<std::uint8_t, N> left = orbit.leader, values{};
  std::uint32_t ways = orbit.arrangements;
  for (std::size_t i = 0; i < N; ++i) {
    const auto rest = static_cast<std::uint32_t>(N - i);
    std::size_t end = rest;  // runs of equal values, the smallest last
    for (;;) {
      std::size_t begin = end - 1;
      while (begin != 0 && left[begin - 1] == left[end - 1]) --begin;
      const std::uint32_t here = ways * static_cast<std::uint32_t>(end - begin) / rest;
      if (rank < here || begin == 0) {
        ways = here;
        values[i] = left[begin];
        for (std::size_t k = begin; k + 1 < rest; ++k) left[k] = left[k + 1];
        break;
      }
      rank -= here;
      end = begin;
    }
  }
  return values;
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::lattice
