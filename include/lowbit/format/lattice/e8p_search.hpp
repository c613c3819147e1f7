// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/lattice/e8p_table.hpp"
#include "lowbit/format/lattice/lanes.hpp"

/// The nearest point of E8P without a table of scores. With y the vector less its shift, a = |y| and t whether the
/// number of negative coordinates is odd, a nearest point has the signs of y but for at most one coordinate of 1/2,
/// which takes the wrong one where the parity asks for it: any other wrong sign could be made right for a pattern no
/// longer. So the patterns of squared length up to 10 come down to seven shapes, filled from the largest coordinate on,
///
///   0 … 4 coordinates 3/2;   one 5/2;   one 5/2 and one 3/2
///
/// and the 29 of squared length 12 are looked at only where five coordinates of 3/2 at will would be better still.

namespace lowbit::lattice::detail {
inline namespace LOWBIT_ISA_NAMESPACE {

/// What was found, per lane.
template <class I>
struct E8pChoice {
  I shape;     ///< 0 … 4: that many 3/2; 5: one 5/2; 6: 5/2 and 3/2; 7 + k: extra pattern k
  I second;    ///< 1 where the shift is −1/4, 0 where it is 1/4
  I upper;     ///< bits of the coordinates above 1/2; not for extra patterns
  I five;      ///< the largest coordinate
  I minus;     ///< bits of the negative coordinates; of extra patterns before the parity is mended
  I mismatch;  ///< 1 where the parity had to be mended
};

/// The best point w for one shift.
template <class V>
struct E8pScore {
  V gain;  ///< ⟨a, |w|⟩ − ½|w|², mended
  integer_of<V> shape;
};

/// Descending; Batcher's network.
template <class V>
LOWBIT_ALWAYS_INLINE void sort_eight(V (&s)[8]) noexcept {
  constexpr unsigned char pairs[19][2] = {{0, 1}, {2, 3}, {4, 5}, {6, 7}, {0, 2}, {1, 3}, {4, 6},
                                          {5, 7}, {1, 2}, {5, 6}, {0, 4}, {3, 7}, {1, 5}, {2, 6},
                                          {1, 4}, {3, 6}, {2, 4}, {3, 5}, {3, 4}};
#pragma GCC unroll 19
  for (const auto& [i, j] : pairs) {
    const V high = larger(s[i], s[j]);
    s[j] = smaller(s[i], s[j]);
    s[i] = high;
  }
}

template <class V>
LOWBIT_ALWAYS_INLINE E8pScore<V> e8p_score(const V (&a)[8], mask_of<V> odd_minus) noexcept {
  using I = integer_of<V>;
  V s[8];
  for (std::size_t i = 0; i < 8; ++i) s[i] = a[i];
  sort_eight(s);
  const V mended = V{} - s[7];
  const V even_sum = select(odd_minus, mended, V{}), odd_sum = select(odd_minus, V{}, mended);
  V best = even_sum;
  I shape{};
  const auto offer = [&](V gain, std::int64_t k) {
    shape = select(gain > best, I{} + k, shape);
    best = larger(gain, best);
  };
  const V one = s[0] - 1.0, two = one + (s[1] - 1.0), three = two + (s[2] - 1.0), four = three + (s[3] - 1.0);
  const V five = s[0] + s[0] - 3.0;
  offer(one + odd_sum, 1);
  offer(two + even_sum, 2);
  offer(three + odd_sum, 3);
  offer(four + even_sum, 4);
  offer(five + even_sum, 5);
  offer(five + (s[1] - 1.0) + odd_sum, 6);

  V total = a[0];
  for (std::size_t i = 1; i < 8; ++i) total = total + a[i];
  if (const mask_of<V> longer = four + (s[4] - 1.0) + odd_sum > best; any(longer)) {
    V extra = best;
    I extra_shape = shape;
#pragma GCC unroll 32
    for (std::size_t k = 0; k < E8pTable::extra; ++k) {
      const auto& at = E8pTable::short_places[k];
      const V least = smaller(smaller(a[at[0]], a[at[1]]), a[at[2]]);
      const V gain = (total - 5.0) - ((a[at[0]] + a[at[1]] + a[at[2]]) + select(odd_minus, V{}, least));
      extra_shape = select(gain > extra, I{} + static_cast<std::int64_t>(7 + k), extra_shape);
      extra = larger(gain, extra);
    }
    best = select(longer, extra, best);
    shape = select(longer, extra_shape, shape);
  }
  return {best + (total * 0.5 - 1.0), shape};
}

/// x[i]: coordinate i, bounded.
template <class V>
LOWBIT_ALWAYS_INLINE E8pChoice<integer_of<V>> e8p_search(const V (&x)[8]) noexcept {
  using M = mask_of<V>;
  using I = integer_of<V>;
  E8pScore<V> score[2];
  M odd_minus[2];
  for (std::size_t side = 0; side < 2; ++side) {
    V a[8];
    M parity{};
    for (std::size_t i = 0; i < 8; ++i) {
      const V y = x[i] - (side == 0 ? 0.25 : -0.25);
      a[i] = magnitude(y);
      parity = parity ^ M(y < V{});
    }
    odd_minus[side] = parity;
    score[side] = e8p_score(a, parity);
  }
  V sum = x[0];
  for (std::size_t i = 1; i < 8; ++i) sum = sum + x[i];
  const M second = (score[1].gain - score[0].gain) > sum * 0.5;
  const V shift = select(second, splat<V>(-0.25), splat<V>(0.25));
  const I shape = select(second, score[1].shape, score[0].shape);
  const M parity = odd_minus[0] ^ ((odd_minus[0] ^ odd_minus[1]) & second);

  V a[8];
  I rank[8]{}, minus{};
  for (std::size_t i = 0; i < 8; ++i) {
    const V y = x[i] - shift;
    a[i] = magnitude(y);
    minus = minus | (tally(M(y < V{})) << static_cast<int>(i));
  }
#pragma GCC unroll 8
  for (std::size_t i = 0; i < 8; ++i)
#pragma GCC unroll 8
    for (std::size_t j = i + 1; j < 8; ++j) {
      const I first = tally(M(a[i] >= a[j]));
      rank[j] = rank[j] + first;
      rank[i] = rank[i] + (1 - first);
    }
  // Each 3/2 and 5/2 changes the parity of a pattern's sum: it is odd for shapes 1, 3, 6 and the extra ones, and has to
  // be odd where the number of minus signs is.
  const I odd_shape = tally(M(shape == 1)) | tally(M(shape == 3)) | tally(M(shape >= 6));
  const I mismatch = odd_shape ^ tally(parity);
  const I above = select(M(shape == 5), I{} + 1, select(M(shape == 6), I{} + 2, shape));
  const I mend = mismatch & tally(M(shape < 7));
  I upper{}, five{};
  for (std::size_t i = 0; i < 8; ++i) {
    upper = upper | (tally(M(rank[i] < above)) << static_cast<int>(i));
    five = five | (-tally(M(rank[i] == 0)) & static_cast<std::int64_t>(i));
    minus = minus ^ ((tally(M(rank[i] == 7)) & mend) << static_cast<int>(i));
  }
  return {shape, tally(second), upper, five, minus, mismatch};
}

/// The code of a choice of one lane; x as for the search.
LOWBIT_ALWAYS_INLINE std::uint16_t e8p_code(const E8pChoice<std::int64_t>& choice, const double (&x)[8]) noexcept {
  const auto shape = static_cast<std::size_t>(choice.shape);
  auto minus = static_cast<unsigned>(choice.minus);
  std::size_t index = 0;
  if (shape < 7) {
    const std::size_t five = shape >= 5 ? static_cast<std::size_t>(choice.five) : 8;
    index = E8pTable::index(static_cast<std::size_t>(choice.upper), five);
  } else {
    index = E8pTable::ball + (shape - 7);
    const double shift = choice.second != 0 ? -0.25 : 0.25;
    const auto& at = E8pTable::short_places[shape - 7];
    std::size_t least = at[0];
    for (const std::size_t i : {at[1], at[2]})
      if (magnitude(x[i] - shift) < magnitude(x[least] - shift)) least = i;
    minus ^= static_cast<unsigned>(choice.mismatch) << least;
  }
  const unsigned flips = minus ^ (E8pTable::entries[index][7] < 0 ? 0x80u : 0u);
  return static_cast<std::uint16_t>(index << 8 | (flips ^ static_cast<unsigned>(choice.second)));
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::lattice::detail
