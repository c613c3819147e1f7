// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "support/gguf_oracle.hpp"
#include "support/layers.hpp"

/// What the products of a packed matrix are, in double, by a path that shares no code with the kernels: codes are read
/// bit by bit.

namespace lowbit::test {

/// Code i of a dense little-endian bit stream.
inline unsigned dense_code(std::span<const std::uint8_t> stream, std::size_t i, unsigned bits) {
  unsigned code = 0;
  for (unsigned k = 0; k < bits; ++k) {
    const std::size_t bit = i * bits + k;
    code |= ((stream[bit / 8] >> (bit % 8)) & 1u) << k;
  }
  return code;
}

template <class F, UniformOptions O>
double exact_weight(const PackedView<Uniform<F, O>>& w, std::size_t r, std::size_t c) {
  const auto p = w.group_params(r, c / w.groups().size());
  const auto bits = static_cast<unsigned>(F::bits);
  const std::size_t row_bytes = (w.cols * bits + 7) / 8;
  const std::size_t stride = w.rows == 0 ? 0 : w.codes.size() / w.rows;
  const unsigned code = dense_code(w.codes.subspan(r * stride, std::min(stride, row_bytes)), c, bits);
  return static_cast<double>(p.scale) * (static_cast<double>(code) - static_cast<double>(p.zero_point));
}

struct Exact {
  std::vector<double> y;      ///< Ŵx
  std::vector<double> bound;  ///< γ_{n+3}·Σ|ŵ||x|: the subtraction, the two products and the n − 1 sums of a float kernel
};

template <class Q>
Exact gemv_in_double(const PackedView<Q>& w, std::span<const float> x) {
  Exact out{std::vector<double>(w.rows), std::vector<double>(w.rows)};
  const double k = static_cast<double>(w.cols + 3) * 0x1p-24;
  for (std::size_t r = 0; r < w.rows; ++r) {
    double magnitude = 0.0;
    for (std::size_t c = 0; c < w.cols; ++c) {
      const double product = exact_weight(w, r, c) * static_cast<double>(x[c]);
      out.y[r] += product;
      magnitude += std::fabs(product);
    }
    // The last term allows for products below the normal floats.
    out.bound[r] = k / (1.0 - k) * magnitude + static_cast<double>(w.cols + 1) * 0x1p-149;
  }
  return out;
}

/// The largest error as a share of its bound: at most 1 for a right answer. NaN counts as infinite.
inline double worst_share(std::span<const float> got, const Exact& want) {
  double worst = 0.0;
  for (std::size_t r = 0; r < want.y.size(); ++r) {
    const double error = std::fabs(static_cast<double>(got[r]) - want.y[r]);
    const double share = error <= 0.0 ? 0.0 : error / want.bound[r];
    worst = share >= 0.0 ? std::max(worst, share) : INFINITY;
  }
  return worst;
}

/// Doubles every weight of a group: its scale, and where it has one its offset.
template <class Params>
void double_scale(Params& p) {
  if constexpr (requires { p.scale; })
    p.scale *= 2.0f;
  else  // NVFP4's scale bytes: an exponent more, or the mantissa of a subnormal doubled
    for (auto& byte : p.scales) byte = static_cast<std::uint8_t>(std::min(byte < 8 ? 2 * byte : byte + 8, 0x7e));
  if constexpr (requires { p.offset; }) p.offset *= 2.0f;
  if constexpr (requires { p.min; }) p.min *= 2.0f;
}

/// The matrix with the scale of one group of row 0 doubled: the group that weighs most in the product.
template <class Q>
QuantizedMatrix<Q> nudge_one_group(const Layer<Q>& layer) {
  QuantizedMatrix<Q> out = layer.weights;
  const PackedView<Q> w = layer.view();
  std::size_t heaviest = 0;
  double most = -1.0;
  for (std::size_t g = 0; g < w.groups().per_row_count(); ++g) {
    double part = 0.0;
    for (std::size_t c = w.groups().begin(g); c < w.groups().end(g); ++c)
      part += exact_weight(w, 0, c) * static_cast<double>(layer.x[c]);
    if (std::fabs(part) > most) {
      most = std::fabs(part);
      heaviest = g;
    }
  }
  auto p = out.group_params(0, heaviest);
  double_scale(p);
  out.set_params(0, heaviest, p);
  return out;
}

}  // namespace lowbit::test
