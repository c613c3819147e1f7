// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "lowbit/core/round.hpp"
#include "lowbit/format/lattice/checkerboard.hpp"
#include "lowbit/format/lattice/concept.hpp"

namespace lowbit::lattice {

/// The Barnes–Wall lattice in 16 dimensions, { c + 2y : c ∈ RM(1, 4), y ∈ D16 }: minimal norm 8 (4320 vectors),
/// volume 2^12.
///
/// Nearest: 2·D16 shifted by each of the 32 codewords, all from the two residuals that every coordinate can have; in
/// double whatever T is. Equally near: the earlier codeword. Cost: 32 × 16 steps.
struct BarnesWall16 {
  static constexpr std::size_t dim = 16;
  static constexpr double volume = 4096.0;
  static constexpr double second_moment = 0.06830;

  /// The first-order Reed–Muller code: the affine functions of four bits, as masks; bit i is the value at i.
  static constexpr std::array<std::uint16_t, 32> codewords = [] {
    constexpr std::uint16_t generators[5] = {0xffff, 0xaaaa, 0xcccc, 0xf0f0, 0xff00};
    std::array<std::uint16_t, 32> all{};
    for (unsigned k = 0; k < 32; ++k)
      for (unsigned g = 0; g < 5; ++g)
        if ((k >> g & 1u) != 0) all[k] = static_cast<std::uint16_t>(all[k] ^ generators[g]);
    return all;
  }();

  static constexpr Basis<16> basis = [] {
    constexpr std::size_t information[5] = {0, 1, 2, 4, 8};  // positions at which codewords take all values
    Basis<16> rows{};
    std::size_t r = 0;
    for (const std::size_t at : information)
      for (const std::uint16_t c : codewords) {
        unsigned seen = 0;
        for (const std::size_t i : information) seen += static_cast<unsigned>(c >> i & 1u);
        if (seen != 1 || (c >> at & 1u) == 0) continue;
        for (std::size_t i = 0; i < 16; ++i) rows[r][i] = static_cast<double>(c >> i & 1u);
        ++r;
      }
    for (std::size_t i = 0; i < 15; ++i) {
      bool informs = false;
      for (const std::size_t k : information) informs = informs || k == i;
      if (informs) continue;
      rows[r][i] = rows[r][15] = 2.0;
      ++r;
    }
    rows[r][15] = 4.0;
    return rows;
  }();

  template <class T>
  static void nearest(std::span<const T, 16> x, std::span<T, 16> y) noexcept {
    double near[2][16], loss[2][16], repair[2][16];  // by the codeword's bit
    bool is_odd[2][16];
    for (std::size_t b = 0; b < 2; ++b)
      for (std::size_t i = 0; i < 16; ++i) {
        const double t = (static_cast<double>(x[i]) - static_cast<double>(b)) * 0.5;
        const double whole = round_half_even(t), rest = t - whole;
        near[b][i] = whole;
        loss[b][i] = rest * rest;
        repair[b][i] = 1.0 - 2.0 * std::fabs(rest);
        is_odd[b][i] = lowbit::lattice::detail::odd(whole);
      }
    double least = 0.0;
    std::size_t best = 0, repaired = 16;
    for (std::size_t k = 0; k < 32; ++k) {
      double sum = 0.0, cheapest = 2.0;
      std::size_t at = 0;
      bool parity = false;
      for (std::size_t i = 0; i < 16; ++i) {
        const std::size_t b = codewords[k] >> i & 1u;
        sum += loss[b][i];
        parity = parity != is_odd[b][i];
        if (repair[b][i] < cheapest) {
          cheapest = repair[b][i];
          at = i;
        }
      }
      if (parity) sum += cheapest;
      if (k != 0 && !(sum < least)) continue;
      least = sum;
      best = k;
      repaired = parity ? at : 16;
    }
    for (std::size_t i = 0; i < 16; ++i) {
      const std::size_t b = codewords[best] >> i & 1u;
      double whole = near[b][i];
      if (i == repaired) whole += (static_cast<double>(x[i]) - static_cast<double>(b)) * 0.5 < whole ? -1.0 : 1.0;
      y[i] = static_cast<T>(2.0 * whole + static_cast<double>(b));
    }
  }
  static void nearest(std::span<const float, 16> x, std::span<float, 16> y) noexcept { nearest<float>(x, y); }
  static void nearest(std::span<const double, 16> x, std::span<double, 16> y) noexcept { nearest<double>(x, y); }

  static bool contains(std::span<const double, 16> x) noexcept {
    unsigned mask = 0;
    for (std::size_t i = 0; i < 16; ++i) {
      if (x[i] != std::trunc(x[i])) return false;
      if (std::fmod(x[i], 2.0) != 0.0) mask |= 1u << i;
    }
    bool known = false;
    for (const std::uint16_t c : codewords) known = known || c == mask;
    if (!known) return false;
    double halves[16];
    for (std::size_t i = 0; i < 16; ++i) halves[i] = (x[i] - static_cast<double>(mask >> i & 1u)) * 0.5;
    return Dn<16>::contains(halves);
  }
};

static_assert(Lattice<BarnesWall16>);

}  // namespace lowbit::lattice
