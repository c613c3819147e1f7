// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "lowbit/core/contract.hpp"

/// Hadamard matrices: square, entries ±1, rows orthogonal (H·Hᵀ = m·I), built from number theory instead of tables.
///
/// Sources  Sylvester 1867 (powers of two); Paley, "On orthogonal matrices", J. Math. Phys. 12, 1933: type I, order q + 1 for
///          q ≡ 3 mod 4, and type II, order 2(q + 1) for q ≡ 1 mod 4, here with q a prime or the square of one; Williamson,
///          "Hadamard's determinant theorem and the sum of four squares", Duke Math. J. 11, 1944: four symmetric circulants.

namespace lowbit::linalg {

enum class HadamardSource : std::uint8_t { none, sylvester, paley1, paley2, williamson, doubled };

constexpr std::string_view to_string(HadamardSource source) noexcept {
  switch (source) {
    case HadamardSource::none: return "none";
    case HadamardSource::sylvester: return "sylvester";
    case HadamardSource::paley1: return "paley1";
    case HadamardSource::paley2: return "paley2";
    case HadamardSource::williamson: return "williamson";
    case HadamardSource::doubled: return "doubled";
  }
  return "none";
}

namespace detail {

/// GF(q) for q = p or q = p², p an odd prime: element a + b·√r is numbered a + b·p, with r a non-residue mod p.
class OddField {
 public:
  /// p is 0 where q is of neither form.
  explicit constexpr OddField(std::size_t q) noexcept : q_(q) {
    if (q < 3 || q % 2 == 0) return;
    std::size_t least = 3;  // prime factor
    while (least * least <= q && q % least != 0) least += 2;
    if (least * least > q)
      p_ = q;
    else if (least * least == q)
      p_ = least;
    if (p_ == 0) return;
    while (residue(nonresidue_) != -1) ++nonresidue_;
  }
  constexpr bool exists() const noexcept { return p_ != 0; }

  /// The quadratic character of x − y: 0 at 0, +1 on squares, −1 elsewhere. In GF(p²) that of the norm a² − r·b² in GF(p),
  /// since x^((q−1)/2) is the norm to the power (p−1)/2.
  constexpr int character_of_difference(std::size_t x, std::size_t y) const noexcept {
    const std::size_t a = (x % p_ + p_ - y % p_) % p_;
    if (q_ == p_) return residue(a);
    const std::size_t b = (x / p_ + p_ - y / p_) % p_;
    return residue((a * a + (p_ - nonresidue_) * (b * b % p_)) % p_);
  }

 private:
  /// a^((p−1)/2) as 0, +1 or −1.
  constexpr int residue(std::size_t a) const noexcept {
    std::size_t power = 1, base = a % p_;
    if (base == 0) return 0;
    for (std::size_t e = (p_ - 1) / 2; e != 0; e /= 2) {
      if (e % 2 == 1) power = power * base % p_;
      base = base * base % p_;
    }
    return power == 1 ? 1 : -1;
  }

  std::size_t q_ = 0, p_ = 0, nonresidue_ = 2;
};

/// First rows of four symmetric ±1 circulants of order t with A² + B² + C² + D² = 4t·I; bit j − 1 is set where entry j
/// (and t − j) is −1, entry 0 is +1. For the orders 4t up to 256 that neither of Paley's types gives, found by search;
/// 188 and 236 have no such matrix.
struct WilliamsonRows {
  std::size_t t;
  std::array<std::uint32_t, 4> rows;
};
inline constexpr WilliamsonRows williamson_rows[] = {
    {23, {0x135, 0x1c2, 0x2e4, 0x5ec}},
    {29, {0x59d, 0x748, 0x359c, 0x8b6}},
    {39, {0x2fb92, 0x26b7e, 0x15e6e, 0x6317d}},
    {43, {0xad86, 0x1ce6d0, 0x165cdc, 0x15e875}},
};

constexpr const WilliamsonRows* find_williamson(std::size_t order) noexcept {
  for (const WilliamsonRows& entry : williamson_rows)
    if (4 * entry.t == order) return &entry;
  return nullptr;
}

}  // namespace detail

/// The construction that hadamard_matrix() uses for this order; none where it knows none (or none exists).
constexpr HadamardSource hadamard_source(std::size_t order) noexcept {
  if (order != 0 && (order & (order - 1)) == 0) return HadamardSource::sylvester;
  if (order == 0 || order % 4 != 0) return HadamardSource::none;
  if (detail::OddField(order - 1).exists()) return HadamardSource::paley1;  // order − 1 ≡ 3 mod 4: never a square
  if (order / 2 % 4 == 2 && detail::OddField(order / 2 - 1).exists()) return HadamardSource::paley2;
  if (detail::find_williamson(order) != nullptr) return HadamardSource::williamson;
  return hadamard_source(order / 2) != HadamardSource::none ? HadamardSource::doubled : HadamardSource::none;
}

/// A Hadamard matrix, row-major [order × order], entries ±1. Needs hadamard_source(order) ≠ none.
/// Type I is H = S + I with S skew: S_0j = 1, S_i0 = −1, S_ij = χ(i − j). Type II replaces the entries c of a symmetric
/// conference matrix by c·[1 1; 1 −1] and its zeros by [1 −1; −1 −1]. Doubled is [H H; H −H]. Cost: O(order² log order).
inline std::vector<std::int8_t> hadamard_matrix(std::size_t order) {
  const HadamardSource source = hadamard_source(order);
  LOWBIT_EXPECTS(source != HadamardSource::none, "no construction of a Hadamard matrix of this order is known here");
  std::vector<std::int8_t> H(order * order);
  const auto set = [&](std::size_t i, std::size_t j, int value) { H[i * order + j] = static_cast<std::int8_t>(value); };
  if (source == HadamardSource::sylvester) {
    for (std::size_t i = 0; i < order; ++i)
      for (std::size_t j = 0; j < order; ++j) {
        std::size_t common = i & j;
        int sign = 1;
        for (; common != 0; common &= common - 1) sign = -sign;
        set(i, j, sign);
      }
  } else if (source == HadamardSource::paley1) {
    const detail::OddField field(order - 1);
    for (std::size_t i = 0; i < order; ++i)
      for (std::size_t j = 0; j < order; ++j)
        set(i, j, i == j ? 1 : i == 0 ? 1 : j == 0 ? -1 : field.character_of_difference(i - 1, j - 1));
  } else if (source == HadamardSource::paley2) {
    const detail::OddField field(order / 2 - 1);
    for (std::size_t i = 0; i < order; ++i)
      for (std::size_t j = 0; j < order; ++j) {
        const std::size_t a = i / 2, b = j / 2;
        const bool lower = i % 2 == 1, right = j % 2 == 1;
        if (a == b)
          set(i, j, lower || right ? -1 : 1);
        else
          set(i, j, (a == 0 || b == 0 ? 1 : field.character_of_difference(a - 1, b - 1)) * (lower && right ? -1 : 1));
      }
  } else if (source == HadamardSource::doubled) {
    const std::size_t half = order / 2;
    const std::vector<std::int8_t> K = hadamard_matrix(half);
    for (std::size_t i = 0; i < order; ++i)
      for (std::size_t j = 0; j < order; ++j)
        set(i, j, i >= half && j >= half ? -K[(i - half) * half + j - half] : K[i % half * half + j % half]);
  } else {
    // [A B C D; −B A −D C; −C D A −B; −D −C B A] by blocks of t.
    const detail::WilliamsonRows& entry = *detail::find_williamson(order);
    constexpr int block[4][4] = {{1, 2, 3, 4}, {-2, 1, -4, 3}, {-3, 4, 1, -2}, {-4, -3, 2, 1}};
    for (std::size_t i = 0; i < order; ++i)
      for (std::size_t j = 0; j < order; ++j) {
        const int which = block[i / entry.t][j / entry.t];
        const std::size_t around = (j % entry.t + entry.t - i % entry.t) % entry.t;
        const std::size_t lag = around <= entry.t / 2 ? around : entry.t - around;
        const std::uint32_t row = entry.rows[static_cast<std::size_t>(which < 0 ? -which : which) - 1];
        const int sign = lag != 0 && (row >> (lag - 1) & 1u) != 0 ? -1 : 1;
        set(i, j, which < 0 ? -sign : sign);
      }
  }
  return H;
}

}  // namespace lowbit::linalg
