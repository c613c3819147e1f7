// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "lowbit/format/lattice/concept.hpp"

namespace lowbit::lattice::detail {

/// The inverse of a lattice's basis and what Babai's nearest plane needs, at compile time.
template <Lattice L>
struct BasisTables {
  static constexpr std::size_t n = L::dim;
  Basis<n> inverse{};     ///< coordinates z of a point y = z · basis are y · inverse
  Basis<n> orthogonal{};  ///< Gram–Schmidt of the rows, each over its squared length

  constexpr BasisTables() {
    Basis<n> rows = L::basis;
    for (std::size_t i = 0; i < n; ++i) inverse[i][i] = 1.0;
    for (std::size_t c = 0; c < n; ++c) {  // Gauss–Jordan with the first pivot that is not 0
      std::size_t pivot = c;
      while (rows[pivot][c] == 0.0) ++pivot;
      for (std::size_t k = 0; k < n; ++k) {
        const double row = rows[c][k], inv = inverse[c][k];
        rows[c][k] = rows[pivot][k];
        rows[pivot][k] = row;
        inverse[c][k] = inverse[pivot][k];
        inverse[pivot][k] = inv;
      }
      const double scale = 1.0 / rows[c][c];
      for (std::size_t k = 0; k < n; ++k) {
        rows[c][k] *= scale;
        inverse[c][k] *= scale;
      }
      for (std::size_t r = 0; r < n; ++r) {
        const double f = rows[r][c];
        if (r == c || f == 0.0) continue;
        for (std::size_t k = 0; k < n; ++k) {
          rows[r][k] -= f * rows[c][k];
          inverse[r][k] -= f * inverse[c][k];
        }
      }
    }
    Basis<n> plain = L::basis;
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        double dot = 0.0;
        for (std::size_t k = 0; k < n; ++k) dot += L::basis[i][k] * orthogonal[j][k];
        for (std::size_t k = 0; k < n; ++k) plain[i][k] -= dot * plain[j][k];
      }
      double square = 0.0;
      for (const double v : plain[i]) square += v * v;
      for (std::size_t k = 0; k < n; ++k) orthogonal[i][k] = plain[i][k] / square;
    }
  }
};

}  // namespace lowbit::lattice::detail
