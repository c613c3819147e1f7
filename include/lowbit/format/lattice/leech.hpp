// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "lowbit/core/round.hpp"
#include "lowbit/format/lattice/concept.hpp"
#include "lowbit/format/lattice/golay.hpp"
#include "lowbit/format/lattice/lanes.hpp"

namespace lowbit::lattice {

/// The Leech lattice, { m·1 + 2c + 4z : m ∈ {0, 1}, c ∈ Golay24, z ∈ Z^24, Σz ≡ m mod 2 }: minimal norm 32 (196 560
/// vectors), volume 2^36.
///
/// Nearest, in double whatever T is: for both m every codeword is scored, as three look-ups in tables of what each
/// value of each byte of the codeword costs, leaves odd and would take to repair. Equally near: the earlier m, then
/// codeword. Cost: 8192 × 3 look-ups and 6 tables of 256 entries; scratch: 12 KiB of stack. Source: Conway & Sloane,
/// "Sphere Packings, Lattices and Groups", chapters 4 and 20.
struct Leech24 {
  static constexpr std::size_t dim = 24;
  static constexpr double volume = 0x1p36;
  static constexpr double second_moment = 0.06577;

  static constexpr Basis<24> basis = [] {
    Basis<24> rows{};
    for (std::size_t k = 0; k < 12; ++k)
      for (std::size_t i = 0; i < 24; ++i) rows[k][i] = 2.0 * static_cast<double>(Golay24::generators[k] >> i & 1u);
    for (std::size_t k = 12; k < 23; ++k) rows[k][k] = rows[k][23] = 4.0;
    rows[23][23] = 8.0;
    rows[0].fill(1.0);  // half of row 0 and of others: it takes the place of row 0
    rows[0][1] = -3.0;
    return rows;
  }();

  template <class T>
  static void nearest(std::span<const T, 24> x, std::span<T, 24> y) noexcept {
    double least = 0.0;
    std::uint32_t best = 0;
    unsigned best_m = 2;  // none yet
    for (unsigned m = 0; m < 2; ++m) {
      Bytes bytes[3];
      for (std::size_t k = 0; k < 3; ++k)
        for (std::size_t i = 0; i < 8; ++i) bytes[k].append(i, offset(x[8 * k + i], m, 0), offset(x[8 * k + i], m, 1));
      for (const std::uint32_t c : Golay24::codewords) {
        const std::size_t v0 = c & 255u, v1 = c >> 8 & 255u, v2 = c >> 16;
        double sum = bytes[0].loss[v0] + bytes[1].loss[v1] + bytes[2].loss[v2];
        if ((bytes[0].parity[v0] ^ bytes[1].parity[v1] ^ bytes[2].parity[v2]) != m) {
          const double a = bytes[0].repair[v0], b = bytes[1].repair[v1], d = bytes[2].repair[v2];
          const double ab = b < a ? b : a;
          sum += d < ab ? d : ab;
        }
        if (best_m == 2 || sum < least) {
          least = sum;
          best = c;
          best_m = m;
        }
      }
    }
    double whole[24], rest[24], most = -1.0;
    bool parity = best_m == 1;
    std::size_t worst = 0;
    for (std::size_t i = 0; i < 24; ++i) {
      const double t = offset(x[i], best_m, best >> i & 1u);
      whole[i] = round_half_even(t);
      rest[i] = t - whole[i];
      parity = parity != detail::odd(whole[i]);
      if (std::fabs(rest[i]) > most) {
        most = std::fabs(rest[i]);
        worst = i;
      }
    }
    if (parity) whole[worst] += rest[worst] < 0.0 ? -1.0 : 1.0;
    for (std::size_t i = 0; i < 24; ++i)
      y[i] = static_cast<T>(static_cast<double>(best_m + 2 * (best >> i & 1u)) + 4.0 * whole[i]);
  }
  static void nearest(std::span<const float, 24> x, std::span<float, 24> y) noexcept { nearest<float>(x, y); }
  static void nearest(std::span<const double, 24> x, std::span<double, 24> y) noexcept { nearest<double>(x, y); }

  static bool contains(std::span<const double, 24> x) noexcept {
    const double m = std::fmod(x[0], 2.0) != 0.0 ? 1.0 : 0.0;
    std::uint32_t mask = 0;
    for (std::size_t i = 0; i < 24; ++i) {
      if (x[i] != std::trunc(x[i]) || std::fmod(x[i] - m, 2.0) != 0.0) return false;
      if (std::fmod(x[i] - m, 4.0) != 0.0) mask |= 1u << i;
    }
    if (!Golay24::contains(mask)) return false;
    double sum = m;
    for (std::size_t i = 0; i < 24; ++i)
      sum += std::fmod((x[i] - m - 2.0 * static_cast<double>(mask >> i & 1u)) * 0.25, 2.0);
    return std::fmod(sum, 2.0) == 0.0;
  }

 private:
  /// For the values of one byte of a codeword: Σ squared residual, how little a change of parity would add, parity of
  /// Σz.
  struct Bytes {
    std::array<double, 256> loss{}, repair{};
    std::array<unsigned, 256> parity{};

    Bytes() noexcept { repair[0] = 2.0; }
    /// Coordinate i of the byte; t[b]: what is rounded when its bit is b.
    void append(std::size_t i, double t0, double t1) noexcept {
      const std::size_t known = std::size_t{1} << i;
      const double t[2] = {t0, t1};
      for (std::size_t b = 2; b-- > 0;) {
        const double whole = round_half_even(t[b]), apart = std::fabs(t[b] - whole);
        const double change = 1.0 - 2.0 * apart;
        const unsigned is_odd = detail::odd(whole) ? 1u : 0u;
        for (std::size_t v = 0; v < known; ++v) {
          loss[v + b * known] = loss[v] + apart * apart;
          repair[v + b * known] = change < repair[v] ? change : repair[v];
          parity[v + b * known] = parity[v] ^ is_odd;
        }
      }
    }
  };

  template <class T>
  static double offset(T x, unsigned m, std::uint32_t bit) noexcept {
    return (static_cast<double>(x) - static_cast<double>(m + 2 * bit)) * 0.25;
  }
};

static_assert(Lattice<Leech24>);

}  // namespace lowbit::lattice
