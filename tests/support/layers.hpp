// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "lowbit/core/rng.hpp"
#include "lowbit/quantizer.hpp"
#include "support/types.hpp"

/// Seeded packed matrices and activations.

namespace lowbit::test {

struct Shape {
  std::size_t rows, cols;
};

/// One, primes, group and block and stripe ± 1, tails, nothing at all, and a row of a real layer.
inline constexpr Shape awkward_shapes[] = {{1, 1},    {1, 7},    {3, 31},   {2, 32},   {3, 33},  {2, 63},   {2, 65},
                                           {5, 127},  {4, 128},  {3, 129},  {5, 257},  {7, 509}, {2, 1023}, {4, 1024},
                                           {1, 1025}, {3, 2051}, {9, 4096}, {0, 5},    {5, 0},   {0, 0}};

inline std::vector<float> normals(std::size_t n, std::uint64_t seed) {
  Rng rng(seed, 1);
  std::vector<float> v(n);
  for (float& x : v) x = static_cast<float>(rng.normal());
  return v;
}

template <class Q>
struct Layer {
  QuantizedMatrix<Q> weights;
  std::vector<float> x;
  PackedView<Q> view() const { return weights.view(); }
};

/// Gaussian weights rounded to nearest; every row and group differs.
template <class Q>
Layer<Q> random_layer(std::size_t rows, std::size_t cols, std::size_t tokens = 1) {
  const std::uint64_t seed = rows * 100003 + cols;
  std::vector<float> w = normals(rows * cols, seed);
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = w[i] * 0.02f + 0.005f;
  return {quantize_nearest(make_quantizer<Q>(), w, rows, cols).value(), normals(tokens * cols, seed + 1)};
}

/// Every bit pattern of codes and zero points may come up, not only those that rounding makes.
template <class Q>
Layer<Q> random_bits(std::size_t rows, std::size_t cols) {
  Layer<Q> layer = random_layer<Q>(rows, cols);
  Rng rng(rows + cols);
  for (std::uint8_t& b : layer.weights.codes()) b = static_cast<std::uint8_t>(rng.next_u32());
  for (std::uint8_t& b : layer.weights.zeros()) b = static_cast<std::uint8_t>(rng.next_u32());
  return layer;
}

}  // namespace lowbit::test
