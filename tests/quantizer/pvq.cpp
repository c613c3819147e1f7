// SPDX-License-Identifier: MIT
#include "lowbit/quantizer/pvq.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/kernel/dequantize.hpp"
#include "lowbit/kernel/gemv.hpp"
#include "lowbit/quantizer/nearest.hpp"

namespace lowbit::test::pvq_tests {

namespace {

std::vector<float> normals(std::size_t n, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<float> x(n);
  for (float& v : x) v = static_cast<float>(rng.normal());
  return x;
}

/// N(0, 1) with outliers, zero blocks, denormals and what no weight should be.
std::vector<float> awkward(std::size_t n, std::uint64_t seed) {
  std::vector<float> x = normals(n, seed);
  Rng rng(seed, 1);
  const float bad[] = {0.0f, -0.0f, 1e-45f, -1e-40f, 3e38f, std::nanf(""), -std::numeric_limits<float>::infinity(), 50.0f};
  for (std::size_t i = 0; i < n; ++i)
    if (rng.below(40) == 0) x[i] = bad[rng.below(8)];
  for (std::size_t b = 0; b + 16 <= n; b += 16)
    if (rng.below(5) == 0)
      for (std::size_t i = 0; i < 16; ++i) x[b + i] = rng.below(2) == 0 ? 0.0f : std::round(2.0f * x[b + i]);
  return x;
}

/// Blocks whose codes by registers are not those one by one.
template <class Q>
std::size_t wrong_lanes() {
  using Code = typename Q::code_type;
  constexpr std::size_t D = Q::format_type::dim;
  std::size_t wrong = 0;
  for (const std::size_t n : {std::size_t{1}, D - 1, D, 2 * D, 2 * D + 1, 3 * D, 15 * D + 3, 16 * D, 16 * D + 1, 67 * D}) {
    if (n == 0) continue;
    for (const std::uint64_t seed : {1, 2, 3}) {
      const std::vector<float> x = seed == 1 ? normals(n, n) : awkward(n, seed + n);
      Q q;
      std::array<float, Q::format_type::gain_count> gains{};
      for (std::size_t j = 0; j < gains.size(); ++j) gains[j] = 1.0f + 0.5f * static_cast<float>(j);
      if (seed == 2) q.gains = gains.data();
      for (const float scale : {1.0f, 0.3f, 0.0f}) {
        const typename Q::params_type p{scale};
        std::vector<Code> codes(ceil_div(n, D));
        q.quantize_group(x, p, std::span<Code>(codes));
        for (std::size_t b = 0; b < codes.size(); ++b) {
          float block[D] = {};
          std::copy_n(x.data() + b * D, std::min(D, n - b * D), block);
          wrong += q.quantize(block, p) != codes[b] || codes[b] >= Q::format_type::cardinality ? 1 : 0;
        }
      }
    }
  }
  return wrong;
}

template <class Q>
std::vector<float> round_trip(const Q& q, std::span<const float> w, std::size_t rows, std::size_t cols) {
  const auto m = quantize_nearest(q, w, rows, cols).value();
  std::vector<float> back(w.size());
  dequantize(m.view(), 0, rows, back);
  return back;
}

/// The same without a matrix: fitted lengths, row by row.
template <class Q>
std::vector<float> by_rows(const Q& q, std::span<const float> w, std::size_t rows, std::size_t cols) {
  constexpr std::size_t D = Q::format_type::dim;
  const Groups groups(rows, cols, per_row);
  std::vector<float> shared(Q::shared_count(groups)), back(w.size());
  q.fit_shared({.values = w, .rows = rows, .cols = cols, .groups = groups}, shared);
  std::vector<typename Q::code_type> codes(cols / D);
  for (std::size_t r = 0; r < rows; ++r) {
    const Q here = q.with_shared(shared, groups, r, 0);
    const auto p = here.fit(w.subspan(r * cols, cols));
    here.quantize_group(w.subspan(r * cols, cols), p, std::span(codes));
    for (std::size_t b = 0; b < codes.size(); ++b)
      here.dequantize(codes[b], p, std::span<float, D>(back.data() + r * cols + b * D, D));
  }
  return back;
}

/// 63 bits for 16 weights.
template <class Scale = f16, std::size_t GroupSize = per_row>
using Fine = PvqScaled<16, 48, 9, Scale, GroupSize>;

double relative_error(std::span<const float> a, std::span<const float> b) {
  double error = 0.0, square = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    error += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    square += static_cast<double>(a[i]) * static_cast<double>(a[i]);
  }
  return error / square;
}

}  // namespace

TEMPLATE_TEST_CASE("PvqScaled: registers of blocks give the codes that one block after the other gives",
                   "[quantizer][pvq]", Pvq2, Pvq3, Pvq4, (PvqScaled<8, 16, 4>), (PvqScaled<32, 21, 6>),
                   (PvqScaled<5, 100, 3>), (PvqScaled<1, 1, 7>)) {
  CHECK(wrong_lanes<TestType>() == 0);
}

TEST_CASE("PvqScaled: N(0, 1) loses what the docstring of the presets says", "[quantizer][pvq]") {
  const std::size_t rows = 24, cols = 1024;
  const std::vector<float> w = normals(rows * cols, 11);
  // Unverified elsewhere: measured on 64 × 4096, with 2 % for the draw.
  CHECK(relative_error(w, round_trip(Pvq2{}, w, rows, cols)) < 1.02 * 0.0999);
  CHECK(relative_error(w, round_trip(Pvq2_5{}, w, rows, cols)) < 1.02 * 0.0504);
  CHECK(relative_error(w, round_trip(Pvq3{}, w, rows, cols)) < 1.02 * 0.0250);
  CHECK(relative_error(w, round_trip(Pvq3_25{}, w, rows, cols)) < 1.02 * 0.0178);
  CHECK(relative_error(w, by_rows(Pvq4{}, w, rows, cols)) < 1.02 * 0.00629);
  CHECK(by_rows(Pvq3{}, w, rows, cols) == round_trip(Pvq3{}, w, rows, cols));
  CHECK(by_rows(Pvq4{}, w, rows, cols) == round_trip(Pvq4{}, w, rows, cols));
}

TEST_CASE("PvqScaled: bits per weight are those of the code, the scale and the shared lengths", "[quantizer][pvq]") {
  const std::size_t rows = 8, cols = 512;
  const auto bits = [&](const auto& q, std::size_t code_bits, std::size_t gains) {
    const auto m = quantize_nearest(q, normals(rows * cols, 3), rows, cols).value();
    return m.bits_per_weight() == static_cast<double>(code_bits) / 16.0 + 16.0 / static_cast<double>(cols) +
                                      32.0 * static_cast<double>(gains) / static_cast<double>(rows * cols);
  };
  CHECK(bits(Pvq2{}, 32, 3));
  CHECK(bits(Pvq2_5{}, 40, 3));
  CHECK(bits(Pvq3{}, 48, 7));
  CHECK(bits(Pvq3_25{}, 52, 7));
  CHECK(bits(Fine<>{}, 63, 9));
  STATIC_REQUIRE(std::is_same_v<Pvq4::layout_type, pack::DenseWords<64, std::uint64_t>>);
}

TEST_CASE("PvqScaled: a matrix already on its grid comes back unchanged, by the same codes", "[quantizer][pvq]") {
  const std::size_t rows = 5, cols = 16 * 9 + 7;
  const std::vector<float> w = normals(rows * cols, 4);
  const auto m = quantize_nearest(Pvq3{}, w, rows, cols).value();
  std::size_t wrong = 0;
  for (std::size_t r = 0; r < rows; ++r) {
    std::vector<std::uint64_t> codes(10);
    m.row_codes(r, codes);
    const Pvq3 q = m.view().group_quantizer(r, 0);
    const auto p = m.group_params(r, 0);
    CHECK(q.load(q.store(p), 0) == p);
    for (const std::uint64_t code : codes) {
      float x[16];
      q.dequantize(code, p, x);
      wrong += q.quantize(x, p) == code ? 0 : 1;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("PvqScaled: zero blocks, zero rows and rows below the smallest scale are exact zeros", "[quantizer][pvq]") {
  const std::size_t rows = 4, cols = 70;
  std::vector<float> w = normals(rows * cols, 5);
  for (std::size_t c = 0; c < cols; ++c) {
    w[1 * cols + c] = 0.0f;
    w[2 * cols + c] *= 1e-42f;
  }
  for (std::size_t c = 16; c < 48; ++c) w[c] = -0.0f;
  const std::vector<float> back = round_trip(Pvq2{}, w, rows, cols);
  for (std::size_t c = 0; c < cols; ++c) {
    CHECK(back[1 * cols + c] == 0.0f);
    CHECK(back[2 * cols + c] == 0.0f);
    if (c >= 16 && c < 48) CHECK(back[c] == 0.0f);
  }
  CHECK(relative_error(std::span(w).first(cols), std::span(back).first(cols)) < 0.3);
  CHECK(relative_error(std::span(w).subspan(3 * cols, cols), std::span(back).subspan(3 * cols, cols)) < 0.3);
}

TEST_CASE("PvqScaled: odd shapes hold together, and every kind of group", "[quantizer][pvq]") {
  const auto check = [](const auto& q, std::size_t rows, std::size_t cols, double error) {
    INFO(rows << " x " << cols);
    const std::vector<float> w = normals(rows * cols, rows + cols);
    const auto m = quantize_nearest(q, w, rows, cols).value();
    CHECK(m.view().consistent());
    std::vector<float> back(w.size());
    dequantize(m.view(), 0, rows, back);
    if (!w.empty()) CHECK(relative_error(w, back) < error);
  };
  for (const auto& [rows, cols] : {std::pair<std::size_t, std::size_t>{1, 1}, {1, 15}, {3, 16}, {2, 17}, {7, 129}, {0, 4},
                                   {4, 0}, {0, 0}}) {
    check(Fine<>{}, rows, cols, 0.06);
    check(Fine<f16, per_tensor>{}, rows, cols, 0.06);
    check(Fine<bf16, 32>{}, rows, cols, 0.06);
    Fine<float, dynamic_group> q;
    q.group_size = 64;
    check(q, rows, cols, 0.06);
  }
}

TEST_CASE("PvqScaled: products are those of the dequantized matrix", "[quantizer][pvq]") {
  const std::size_t rows = 6, cols = 200;
  const std::vector<float> w = normals(rows * cols, 6), x = normals(cols, 7);
  const auto m = quantize_nearest(Pvq3_25{}, w, rows, cols).value();
  std::vector<float> back(w.size()), y(rows);
  dequantize(m.view(), 0, rows, back);
  gemv(m.view(), x, y);
  for (std::size_t r = 0; r < rows; ++r) {
    double want = 0.0, magnitude = 0.0;
    for (std::size_t c = 0; c < cols; ++c) {
      const double product = static_cast<double>(back[r * cols + c]) * static_cast<double>(x[c]);
      want += product;
      magnitude += std::fabs(product);
    }
    CHECK(std::fabs(static_cast<double>(y[r]) - want) <= static_cast<double>(cols + 3) * 0x1p-23 * magnitude);
  }
}

TEST_CASE("PvqScaled: lengths learned from heavy tails err less than those of the law", "[quantizer][pvq]") {
  const std::size_t rows = 16, cols = 1024;
  Rng rng(8);
  std::vector<float> w(rows * cols);
  for (float& v : w) v = static_cast<float>(-std::log(1.0 - rng.uniform()) * (rng.below(2) == 0 ? 1.0 : -1.0));
  Pvq4 q;
  const double law = relative_error(w, by_rows(q, w, rows, cols));
  q.learn_gains = true;
  CHECK(relative_error(w, by_rows(q, w, rows, cols)) < 0.9 * law);
  const std::vector<float> gaussian = normals(rows * cols, 9);
  q.learn_gains = false;
  const double of_law = relative_error(gaussian, by_rows(q, gaussian, rows, cols));
  q.learn_gains = true;
  CHECK(relative_error(gaussian, by_rows(q, gaussian, rows, cols)) == test::Approx(of_law).epsilon(0.02));
}

TEST_CASE("PvqScaled: lengths that are shared follow the length of the rows", "[quantizer][pvq]") {
  const auto gains = [](std::size_t rows, std::size_t cols) {
    const auto m = quantize_nearest(Pvq3{}, normals(rows * cols, 10), rows, cols).value();
    return std::vector<float>(m.shared().begin(), m.shared().end());
  };
  const std::vector<float> of_short = gains(4, 48), of_long = gains(1, 8192);
  REQUIRE(of_short.size() == 7);
  CHECK(of_short.front() > of_long.front());  // blocks of a short row differ less
  CHECK(of_short.back() < of_long.back());
  const auto law = Pvq3::format_type::long_row_gains();
  for (std::size_t j = 0; j < 7; ++j) CHECK(of_long[j] == test::Approx(static_cast<double>(law[j])).epsilon(2e-3));
}

TEST_CASE("PvqScaled: what is not finite is an error, and so is a scale past its storage", "[quantizer][pvq]") {
  std::vector<float> w = normals(3 * 40, 12);
  w[40 + 17] = std::nanf("");
  const auto bad = quantize_nearest(Pvq2{}, w, 3, 40);
  REQUIRE_FALSE(bad.has_value());
  CHECK((bad.error().row == 1u && bad.error().column == 17u));
  const std::vector<float> huge(32, 1e9f);
  CHECK_FALSE(quantize_nearest(Pvq2{}, huge, 1, 32).has_value());
  CHECK(quantize_nearest(PvqScaled<16, 11, 3, float>{}, huge, 1, 32).has_value());
}

}  // namespace lowbit::test::pvq_tests
