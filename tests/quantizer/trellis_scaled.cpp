// SPDX-License-Identifier: MIT
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/format/trellis/hyb.hpp"
#include "lowbit/kernel.hpp"
#include "lowbit/quantizer/nearest.hpp"
#include "lowbit/quantizer/trellis/trellis_scaled.hpp"

namespace lowbit::test::trellis_scaled_tests {
namespace {

using Small = TrellisScaled<trellis::OneMad, 8, 2>;
using Pairs = TrellisScaled<trellis::Hyb<9>, 10, 2>;

using OneAndAHalf = TrellisScaled<trellis::Hyb<9>, 9, 1, f16, dynamic_group, 3>;

static_assert(TileQuantizer<Small> && TileQuantizer<Pairs>);

std::vector<float> normal(std::size_t n, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<float> x(n);
  for (float& v : x) v = static_cast<float>(rng.normal());
  return x;
}

template <class Q>
Q with_group(std::size_t size) {
  Q q;
  q.group_size = size;
  return q;
}

template <class Q>
void matches_tiles(const Q& q, std::size_t rows, std::size_t cols) {
  CAPTURE(rows, cols, q.group_size);
  const std::vector<float> w = normal(rows * cols, 7);
  const QuantizedMatrix<Q> matrix = quantize_nearest(q, w, rows, cols).value();
  CHECK(matrix.codes().size() == (rows + 15) / 16 * ((cols + 15) / 16) * Q::layout_type::bytes_per_tile);
  std::vector<float> all(rows * cols);
  dequantize<isa::scalar>(matrix.view(), 0, rows, all);
  // Tile by tile, from the encoder alone.
  using Tile = typename Q::tile;
  typename Tile::template Scratch<> scratch;
  for (std::size_t top = 0; top < rows; top += 16)
    for (std::size_t left = 0; left < cols; left += 16) {
      float x[256] = {}, weights[256] = {};
      float scale[16] = {};
      bool equal = true;
      for (std::size_t r = 0; r < 16; ++r) {
        if (top + r < rows) scale[r] = matrix.group_params(top + r, matrix.groups().of_column(left)).scale;
        equal = equal && scale[r] == scale[0];
        for (std::size_t c = 0; c < 16; ++c) {
          if (top + r < rows && left + c < cols && scale[r] > 0.0f) x[r * 16 + c] = w[(top + r) * cols + left + c] / scale[r];
          weights[r * 16 + c] = scale[r] * scale[r];
        }
      }
      std::uint16_t states[Tile::steps];
      Tile::encode(std::span<const float, 256>(x), equal ? std::span<const float>() : weights,
                   std::span<std::uint16_t, Tile::steps>(states), scratch);
      for (std::size_t r = 0; r < 16 && top + r < rows; ++r)
        for (std::size_t c = 0; c < 16 && left + c < cols; ++c) {
          float y[Q::format_type::dim];
          const std::size_t i = r * 16 + c;
          Q::format_type::code::value(states[i / Q::format_type::dim], y);
          REQUIRE(all[(top + r) * cols + left + c] == y[i % Q::format_type::dim] * scale[r]);
        }
    }
  // The kernels read the same.
  std::vector<float> x = normal(cols, 9), y(rows), want(rows);
  gemv(matrix.view(), x, y);
  for (std::size_t r = 0; r < rows; ++r) {
    double sum = 0.0, size = 0.0;
    for (std::size_t c = 0; c < cols; ++c) {
      sum += static_cast<double>(all[r * cols + c]) * static_cast<double>(x[c]);
      size += std::fabs(static_cast<double>(all[r * cols + c]) * static_cast<double>(x[c]));
    }
    REQUIRE(std::fabs(static_cast<double>(y[r]) - sum) <= 2e-6 * size);
  }
}

}  // namespace

TEST_CASE("TrellisScaled: every tile holds what the search finds for it, for every shape", "[quantizer][trellis]") {
  for (const auto& [rows, cols] : {std::pair<std::size_t, std::size_t>{1, 1}, {16, 16}, {3, 40}, {17, 37}, {33, 64}})
    for (const std::size_t group : {per_tensor, per_row, std::size_t{32}}) {
      matches_tiles(with_group<Small>(group), rows, cols);
      matches_tiles(with_group<Pairs>(group), rows, cols);
      matches_tiles(with_group<OneAndAHalf>(group), rows, cols);
    }
}

TEST_CASE("TrellisScaled: zeros come back as zeros, and nothing comes back as nothing", "[quantizer][trellis]") {
  const std::vector<float> zeros(20 * 50, 0.0f);
  for (const std::size_t group : {per_tensor, per_row, std::size_t{16}}) {
    const auto matrix = quantize_nearest(with_group<Small>(group), zeros, 20, 50).value();
    std::vector<float> out(20 * 50, 1.0f);
    dequantize<isa::scalar>(matrix.view(), 0, 20, out);
    CHECK(out == zeros);
  }
  CHECK(quantize_nearest(with_group<Small>(per_tensor), {}, 0, 0).value().stored_bytes() == 0);
}

TEST_CASE("TrellisScaled: two bits leave less than a scalar grid could, at its true size", "[quantizer][trellis]") {
  const std::size_t rows = 64, cols = 256;
  const std::vector<float> w = normal(rows * cols, 3);
  const auto matrix = quantize_nearest(with_group<Small>(per_tensor), w, rows, cols).value();
  std::vector<float> out(w.size());
  dequantize<isa::scalar>(matrix.view(), 0, rows, out);
  double error = 0.0, energy = 0.0;
  for (std::size_t i = 0; i < w.size(); ++i) {
    error += std::pow(static_cast<double>(w[i] - out[i]), 2.0);
    energy += std::pow(static_cast<double>(w[i]), 2.0);
  }
  CHECK(error / energy < 0.1);  // 0.1175 is the best a scalar grid of four points can do
  CHECK(matrix.bits_per_weight() == Approx(2.0 + 16.0 / (64.0 * 256.0)));
  CHECK(quantize_nearest(with_group<OneAndAHalf>(per_tensor), w, rows, cols).value().bits_per_weight() ==
        Approx(1.5 + 16.0 / (64.0 * 256.0)));
}

}  // namespace lowbit::test::trellis_scaled_tests
