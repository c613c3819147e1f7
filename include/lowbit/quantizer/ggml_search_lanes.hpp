// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "lowbit/quantizer/ggml_search.hpp"

/// The searches of ggml_search.hpp for the sub-blocks of one super-block: several sub-blocks at a time, one per lane,
/// so that every lane's sums stay sequential and its results have the bits of the definition (where -ffp-contract=off
/// holds). Vectors are the compilers' own: eight lanes with AVX, otherwise four; other compilers run the definition.

namespace lowbit::ggml {

#if defined(__GNUC__)
#if defined(__AVX__)
inline constexpr std::size_t lanes = 8;
#else
inline constexpr std::size_t lanes = 4;
#endif

namespace detail {

typedef float Floats __attribute__((vector_size(lanes * 4)));
typedef std::int32_t Ints __attribute__((vector_size(lanes * 4)));

LOWBIT_ALWAYS_INLINE Floats pick(const Ints& mask, const Floats& yes, const Floats& no) noexcept {
  return mask ? yes : no;
}
LOWBIT_ALWAYS_INLINE Floats fill(float v) noexcept { return Floats{} + v; }
LOWBIT_ALWAYS_INLINE Floats magnitude(const Floats& v) noexcept {
  return reinterpret_cast<Floats>(reinterpret_cast<Ints>(v) & 0x7fffffff);
}
LOWBIT_ALWAYS_INLINE Floats round_to(const Floats& v, float lo, float hi) noexcept {
  constexpr float magic = 12582912.0f;
  Floats clipped = pick(v > lo, v, fill(lo));
  clipped = pick(clipped < hi, clipped, fill(hi));
  return (clipped + magic) - magic;
}
/// Element i of sub-block j to lane j of out[i].
template <std::size_t Size>
void transpose(const float* x, Floats* out) noexcept {
  for (std::size_t i = 0; i < Size; ++i)
    for (std::size_t j = 0; j < lanes; ++j) out[i][j] = x[j * Size + i];
}
template <std::size_t Size>
LOWBIT_ALWAYS_INLINE Floats extreme(const Floats* x) noexcept {
  Floats most{}, with_sign{};
  for (std::size_t i = 0; i < Size; ++i) {
    const Floats a = magnitude(x[i]);
    const Ints larger = a > most;
    with_sign = pick(larger, x[i], with_sign);
    most = pick(larger, a, most);
  }
  return with_sign;
}

}  // namespace detail

/// make_qx of `lanes` sub-blocks of Size; x and weights hold lanes·Size floats.
template <std::size_t Size>
void make_qx_lanes(const float* x, const float* weights, int nmax, SymmetricFit* out) noexcept {
  using namespace detail;
  Floats xs[Size], ws[Size];
  transpose<Size>(x, xs);
  transpose<Size>(weights, ws);
  const auto lo = static_cast<float>(-nmax), hi = static_cast<float>(nmax - 1);
  const Floats m = detail::extreme<Size>(xs), zero{};
  Floats scale{}, inverse{}, merit{};
  for (const int k : {0, -9, -8, -7, -6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
    const Floats candidate = fill(-(static_cast<float>(nmax) + 0.1f * static_cast<float>(k))) / m;
    Floats sum_xl{}, sum_l2{};
    for (std::size_t i = 0; i < Size; ++i) {
      const Floats l = detail::round_to(candidate * xs[i], lo, hi);
      sum_xl += ws[i] * xs[i] * l;
      sum_l2 += ws[i] * l * l;
    }
    const Floats fitted = pick(sum_l2 != zero, sum_xl / sum_l2, zero);
    const Ints better = k == 0 ? (zero == zero) : ((sum_l2 > zero) & (sum_xl * sum_xl > merit * sum_l2));
    scale = pick(better, fitted, scale);
    inverse = pick(better, candidate, inverse);
    merit = pick(better, fitted * sum_xl, merit);
  }
  const Ints gone = magnitude(m) < fill(vanishing);
  scale = pick(gone, zero, scale);
  inverse = pick(gone, zero, inverse);
  for (std::size_t j = 0; j < lanes; ++j) out[j] = {scale[j], inverse[j]};
}

/// make_q3 of `lanes` sub-blocks of Size ≤ 16. A lane whose sweep changes nothing changes nothing in later ones either.
template <std::size_t Size>
void make_q3_lanes(const float* x, int nmax, SymmetricFit* out) noexcept {
  using namespace detail;
  Floats xs[Size], codes[Size];
  transpose<Size>(x, xs);
  const auto lo = static_cast<float>(-nmax), hi = static_cast<float>(nmax - 1);
  const Floats m = detail::extreme<Size>(xs), zero{};
  Floats inverse = fill(lo) / m, sum_xl{}, sum_l2{};
  for (std::size_t i = 0; i < Size; ++i) {
    codes[i] = detail::round_to(inverse * xs[i], lo, hi);
    const Floats w = xs[i] * xs[i];
    sum_xl += w * xs[i] * codes[i];
    sum_l2 += w * codes[i] * codes[i];
  }
  for (int sweep = 0; sweep < 5; ++sweep) {
    Ints changed{};
    for (std::size_t i = 0; i < Size; ++i) {
      const Floats w = xs[i] * xs[i];
      Floats rest_xl = sum_xl - w * xs[i] * codes[i];
      Floats rest_l2 = sum_l2 - w * codes[i] * codes[i];
      Ints moves = rest_xl > zero;
      const Floats l = detail::round_to(xs[i] * rest_l2 / rest_xl, lo, hi);
      moves &= l != codes[i];
      rest_xl += w * xs[i] * l;
      rest_l2 += w * l * l;
      moves &= (rest_l2 > zero) & (rest_xl * rest_xl * sum_l2 > sum_xl * sum_xl * rest_l2);
      codes[i] = pick(moves, l, codes[i]);
      sum_xl = pick(moves, rest_xl, sum_xl);
      sum_l2 = pick(moves, rest_l2, sum_l2);
      changed |= moves;
    }
    std::int32_t any = 0;
    for (std::size_t j = 0; j < lanes; ++j) any |= changed[j];
    if (any == 0) break;
  }
  Floats scale = pick(sum_l2 > zero, sum_xl / sum_l2, zero);
  const Ints gone = magnitude(m) < fill(vanishing);
  scale = pick(gone, zero, scale);
  inverse = pick(gone, zero, inverse);
  for (std::size_t j = 0; j < lanes; ++j) out[j] = {scale[j], inverse[j]};
}

/// make_qkx2 of `lanes` sub-blocks of Size.
template <std::size_t Size, bool Absolute>
void make_qkx2_lanes(const float* x, const float* weights, int nmax, const AffineSearch& search,
                     AffineFit* out) noexcept {
  using namespace detail;
  Floats xs[Size], ws[Size], ls[Size];
  transpose<Size>(x, xs);
  transpose<Size>(weights, ws);
  const Floats zero{};
  Floats low = xs[0], max = xs[0], sum_w = ws[0], sum_x = ws[0] * xs[0];
  for (std::size_t i = 1; i < Size; ++i) {
    low = pick(xs[i] < low, xs[i], low);
    max = pick(xs[i] > max, xs[i], max);
    sum_w += ws[i];
    sum_x += ws[i] * xs[i];
  }
  low = pick(low > zero, zero, low);
  const Ints gone = ~(max - low > fill(vanishing_range));
  const auto top = static_cast<float>(nmax);
  const auto term = [](const Floats& difference) __attribute__((always_inline)) {
    return Absolute ? magnitude(difference) : difference * difference;
  };

  Floats inverse = fill(top) / (max - low), from = low, offset = low, least{};
  Floats scale = fill(1.0f) / inverse;
  for (std::size_t i = 0; i < Size; ++i) {
    const Floats l = detail::round_to(inverse * (xs[i] - low), 0.0f, top);
    least += ws[i] * term(scale * l + low - xs[i]);
  }
  for (int k = 0; k <= search.steps; ++k) {
    const Floats candidate = fill(search.first + search.step * static_cast<float>(k) + top) / (max - offset);
    Floats sum_l{}, sum_l2{}, sum_xl{};
    for (std::size_t i = 0; i < Size; ++i) {
      const Floats l = detail::round_to(candidate * (xs[i] - offset), 0.0f, top);
      const Floats wl = ws[i] * l;
      ls[i] = l;
      sum_l += wl;
      sum_l2 += wl * l;
      sum_xl += wl * xs[i];
    }
    const Floats determinant = sum_w * sum_l2 - sum_l * sum_l;
    Floats fitted = (sum_w * sum_xl - sum_x * sum_l) / determinant;
    Floats moved = (sum_l2 * sum_x - sum_l * sum_xl) / determinant;
    const Ints positive = moved > zero;
    fitted = pick(positive, sum_xl / sum_l2, fitted);
    moved = pick(positive, zero, moved);
    Floats error{};
    for (std::size_t i = 0; i < Size; ++i) error += ws[i] * term(fitted * ls[i] + moved - xs[i]);
    const Ints better = (determinant > zero) & (error < least);
    least = pick(better, error, least);
    scale = pick(better, fitted, scale);
    inverse = pick(better, candidate, inverse);
    from = pick(better, offset, from);
    offset = pick(better, moved, offset);
  }
  scale = pick(gone, zero, scale);
  inverse = pick(gone, zero, inverse);
  from = pick(gone, low, from);
  offset = pick(gone, low, offset);
  for (std::size_t j = 0; j < lanes; ++j) out[j] = {scale[j], -offset[j], inverse[j], from[j]};
}
#endif

/// Every sub-block of a group that may be short: one(first, count) for the n = count elements from `first` on, {} for
/// sub-blocks that are not there; several(first, out) does `lanes` whole ones at once.
template <std::size_t Size, class Fit, std::size_t Count, class One, class Several>
void fit_sub_blocks(std::size_t columns, std::array<Fit, Count>& out, const One& one,
                    [[maybe_unused]] const Several& several) noexcept {
  std::size_t s = 0;
#if defined(__GNUC__)
  for (; s + lanes <= Count && (s + lanes) * Size <= columns; s += lanes) several(s * Size, out.data() + s);
#endif
  for (; s < Count; ++s) {
    const std::size_t first = s * Size;
    out[s] = first < columns ? one(first, columns - first < Size ? columns - first : Size) : Fit{};
  }
}

/// make_qx of every sub-block of a group; x.size() weights.
template <std::size_t Size, std::size_t Count>
void make_qx_of_each(std::span<const float> x, std::span<const float> weights, int nmax,
                     std::array<SymmetricFit, Count>& out) noexcept {
  fit_sub_blocks<Size>(
      x.size(), out,
      [&](std::size_t first, std::size_t n) { return make_qx(x.subspan(first, n), weights.subspan(first, n), nmax); },
      [&]([[maybe_unused]] std::size_t first, [[maybe_unused]] SymmetricFit* to) {
#if defined(__GNUC__)
        make_qx_lanes<Size>(x.data() + first, weights.data() + first, nmax, to);
#endif
      });
}

/// make_q3 of every sub-block of a group.
template <std::size_t Size, std::size_t Count>
void make_q3_of_each(std::span<const float> x, int nmax, std::array<SymmetricFit, Count>& out) noexcept {
  fit_sub_blocks<Size>(
      x.size(), out, [&](std::size_t first, std::size_t n) { return make_q3(x.subspan(first, n), nmax); },
      [&]([[maybe_unused]] std::size_t first, [[maybe_unused]] SymmetricFit* to) {
#if defined(__GNUC__)
        make_q3_lanes<Size>(x.data() + first, nmax, to);
#endif
      });
}

/// make_qkx2 of every sub-block of a group; x.size() weights.
template <std::size_t Size, bool Absolute, std::size_t Count>
void make_qkx2_of_each(std::span<const float> x, std::span<const float> weights, int nmax, AffineSearch search,
                       std::array<AffineFit, Count>& out) noexcept {
  search.absolute = Absolute;
  fit_sub_blocks<Size>(
      x.size(), out,
      [&](std::size_t first, std::size_t n) {
        return make_qkx2(x.subspan(first, n), weights.subspan(first, n), nmax, search);
      },
      [&]([[maybe_unused]] std::size_t first, [[maybe_unused]] AffineFit* to) {
#if defined(__GNUC__)
        make_qkx2_lanes<Size, Absolute>(x.data() + first, weights.data() + first, nmax, search, to);
#endif
      });
}

}  // namespace lowbit::ggml
