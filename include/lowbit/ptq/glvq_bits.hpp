// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "lowbit/calib/moments.hpp"
#include "lowbit/core/contract.hpp"
#include "lowbit/linalg/executor.hpp"
#include "lowbit/ptq/glvq.hpp"

namespace lowbit::ptq {

/// What a block of columns loses with one bit less than the mean, with the mean, and with one more.
using WidthErrors = std::array<double, 3>;

/// Widths bits − 1, bits or bits + 1 per block, of mean `bits` exactly: as many blocks give a bit as get one, and the sum of
/// errors is the least there is under that condition.
///
///   errors  per block; all blocks hold as many weights (a narrower last one is counted as a whole one). Infinity forbids a
///           width
///   swaps   at most so many blocks get a bit; by default any number
///
/// Where several answers are equally good, the one with fewer swaps. Exact by dynamic programming over blocks and the bits
/// lent so far. Cost: 6 · blocks · (blocks + 1) · (swaps + 1) additions at most, and a byte each of scratch.
/// Source: the salience-determined allocation of GLVQ, arXiv:2510.20984, section 3.
inline std::vector<int> allocate_widths(std::span<const WidthErrors> errors, int bits,
                                        std::size_t swaps = std::numeric_limits<std::size_t>::max()) {
  LOWBIT_EXPECTS(bits >= 1, "a block has at least one bit");
  const std::size_t n = errors.size(), most = std::min(swaps, n / 2);
  // State: how many blocks gave a bit (g) and got one (t), both at most `most`.
  const std::size_t side = most + 1, states = side * side;
  std::vector<double> cost(states, std::numeric_limits<double>::infinity()), next(states);
  std::vector<std::uint8_t> choice(n * states, 1);
  cost[0] = 0.0;
  for (std::size_t b = 0; b < n; ++b) {
    std::fill(next.begin(), next.end(), std::numeric_limits<double>::infinity());
    for (std::size_t g = 0; g < side; ++g)
      for (std::size_t t = 0; t < side; ++t) {
        const std::size_t at = g * side + t;
        const auto offer = [&](double c, std::uint8_t what) {
          if (!(c < next[at])) return;
          next[at] = c;
          choice[b * states + at] = what;
        };
        offer(cost[at] + errors[b][1], 1);
        if (g > 0) offer(cost[at - side] + errors[b][0], 0);
        if (t > 0) offer(cost[at - 1] + errors[b][2], 2);
      }
    std::swap(cost, next);
  }
  std::size_t best = 0;
  for (std::size_t k = 1; k < side; ++k)
    if (cost[k * side + k] < cost[best * side + best]) best = k;
  std::vector<int> widths(n, bits);
  for (std::size_t b = n, g = best, t = best; b-- > 0;) {
    const std::uint8_t what = choice[b * states + g * side + t];
    widths[b] = bits - 1 + what;
    g -= what == 0 ? 1 : 0;
    t -= what == 2 ? 1 : 0;
  }
  return widths;
}

/// The loss of every block of columns with lattices of Bits − 1, Bits and Bits + 1 bits: what allocate_widths weighs. A
/// matrix holds lattices of one width, so blocks of different widths are different matrices.
///
///   W [out × in]   H as for GlvqRounding
/// Errors and cost: those of three GlvqRounding.
template <std::size_t Dim, int Bits, bool Half, std::size_t Columns>
Result<std::vector<WidthErrors>> glvq_width_errors(const GlvqRounding& rounding, const Glvq<Dim, Bits, Half, Columns>&,
                                                   const ConstMatrixRef& W, const calib::Moments& moments,
                                                   Executor& executor) {
  static_assert(Bits >= 2 && (Bits + 1) * Dim <= 64, "One bit fewer and one bit more must be widths too.");
  std::vector<WidthErrors> all((static_cast<std::size_t>(W.cols()) + Columns - 1) / Columns);
  const MatrixD H = moments.tokens() != 0 ? moments.mean() : MatrixD(MatrixD::Identity(W.cols(), W.cols()));
  const auto measure = [&](std::size_t which, auto q) -> Result<> {
    LOWBIT_TRY(rounded, rounding.round(q, W, moments, RoundingContext{executor}));
    const MatrixD E = detail::dequantized_rows(rounded, 0, W.rows()) - W.cast<double>();
    for (std::size_t b = 0; b < all.size(); ++b) {
      const Index begin = static_cast<Index>(b * Columns), count = std::min(static_cast<Index>(Columns), W.cols() - begin);
      all[b][which] = linalg::quadratic_form(E.middleCols(begin, count), H.block(begin, begin, count, count));
    }
    return {};
  };
  LOWBIT_CHECK(measure(0, Glvq<Dim, Bits - 1, Half, Columns>{}));
  LOWBIT_CHECK(measure(1, Glvq<Dim, Bits, Half, Columns>{}));
  LOWBIT_CHECK(measure(2, Glvq<Dim, Bits + 1, Half, Columns>{}));
  return all;
}

}  // namespace lowbit::ptq
