// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace lowbit::lattice {

/// The 256 patterns of absolute values of E8P, in halves: the 227 of odd numbers with squared length at most 10 in
/// lexicographic order, then 29 of squared length 12 (five coordinates 3/2, three 1/2) in the published order.
struct E8pTable {
  static constexpr std::size_t ball = 227, extra = 29;

  /// The coordinates of the extra patterns that are 1/2, ascending.
  static constexpr std::array<std::array<std::uint8_t, 3>, extra> short_places = [] {
    constexpr char patterns[extra][9] = {
        "31113333", "13113333", "11313333", "11133333", "33313311", "33313131", "33311331", "33313113",
        "33311313", "33311133", "33133311", "33133131", "33131331", "33133113", "33131313", "33131133",
        "31333311", "31333131", "31331331", "31333113", "31331313", "13331133", "13333311", "13333131",
        "13331331", "13333113", "13331313", "11331333", "33113331"};
    std::array<std::array<std::uint8_t, 3>, extra> all{};
    for (std::size_t k = 0; k < extra; ++k) {
      std::size_t n = 0;
      for (std::size_t i = 0; i < 8; ++i)
        if (patterns[k][i] == '1') all[k][n++] = static_cast<std::uint8_t>(i);
    }
    return all;
  }();

  /// Twice the coordinates; the last is negated where their sum is odd.
  static constexpr auto entries = [] {
    std::array<std::array<std::int8_t, 8>, 256> all{};
    std::size_t count = 0;
    int p[8] = {};
    const auto add = [&] {
      int sum = 0;
      for (std::size_t i = 0; i < 8; ++i) sum += p[i];
      if (sum / 2 % 2 != 0) p[7] = -p[7];
      auto& entry = all[count++];
      for (std::size_t i = 0; i < 8; ++i) entry[i] = static_cast<std::int8_t>(p[i]);
    };
    const auto fill = [&](const auto& self, std::size_t i, int left) -> void {
      if (i == 8) return add();
      for (int v = 1; v * v + static_cast<int>(7 - i) <= left; v += 2) {
        p[i] = v;
        self(self, i + 1, left - v * v);
      }
    };
    fill(fill, 0, 40);
    for (const auto& places : short_places) {
      for (int& v : p) v = 3;
      for (const std::uint8_t i : places) p[i] = 1;
      add();
    }
    return all;
  }();

  /// The pattern whose coordinates above 1/2 are `upper`, as bits, with 5/2 at `five` (8: nowhere); 0 where there is
  /// none.
  static constexpr std::uint8_t index(std::size_t upper, std::size_t five) noexcept { return indices[five][upper]; }

 private:
  static constexpr auto indices = [] {
    std::array<std::array<std::uint8_t, 256>, 9> all{};
    for (unsigned k = 0; k < 256; ++k) {
      const auto& entry = entries[k];
      unsigned upper = 0, five = 8;
      for (unsigned i = 0; i < 8; ++i) {
        const int v = entry[i];
        if (v != 1 && v != -1) upper |= 1u << i;
        if (v == 5 || v == -5) five = i;
      }
      all[five][upper] = static_cast<std::uint8_t>(k);
    }
    return all;
  }();
};

}  // namespace lowbit::lattice
