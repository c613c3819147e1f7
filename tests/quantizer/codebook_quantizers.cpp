// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/kernel/dequantize.hpp"
#include "lowbit/kernel/gemv.hpp"
#include "lowbit/quantizer/codebook/row_codebook.hpp"
#include "lowbit/quantizer/codebook/vector_codebook.hpp"
#include "lowbit/quantizer/nearest.hpp"

namespace lowbit::test::codebook_quantizers_tests {

namespace {

using quantizers =
    std::tuple<RowCodebook<1>, RowCodebook<2>, RowCodebook<3, 24>, RowCodebook<4, per_tensor>,
               RowCodebook<8, dynamic_group>, VectorCodebook<2, 4>, VectorCodebook<4, 6, CodebookTables::per_group, bf16, 32>,
               VectorCodebook<8, 5, CodebookTables::one, float, dynamic_group>, VectorCodebook<3, 9>>;

template <class Q>
Q make() {
  Q q;
  if constexpr (requires { q.group_size = 24; }) q.group_size = 24;
  return q;
}

std::vector<float> normals(std::size_t count, double sigma, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<float> x(count);
  for (float& v : x) v = static_cast<float>(sigma * rng.normal());
  return x;
}

template <class Q>
std::vector<float> back(const QuantizedMatrix<Q>& m) {
  std::vector<float> w(m.rows() * m.cols());
  dequantize(m.view(), 0, m.rows(), w);
  return w;
}

template <class Q>
double nmse(const Q& q, std::span<const float> w, std::size_t rows, std::size_t cols) {
  const auto there = back(quantize_nearest(q, w, rows, cols).value());
  double lost = 0.0, power = 0.0;
  for (std::size_t i = 0; i < w.size(); ++i) {
    lost += std::pow(static_cast<double>(w[i]) - static_cast<double>(there[i]), 2);
    power += std::pow(static_cast<double>(w[i]), 2);
  }
  return lost / power;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("learned codebooks: the stored parameters are those that were fitted",
                        "[quantizer][codebook]", quantizers) {
  using Q = TestType;
  static_assert(Quantizer<Q> && !SuperBlocks<Q>);
  const Q q = make<Q>();
  for (const std::size_t size : {1, 3, 24, 130})
    for (const double sigma : {1e-30, 1e-6, 0.02, 1.0, 1e3}) {
      const auto p = q.fit(normals(size, sigma, size));
      CHECK(params_finite<Q>(p));
      CHECK(q.load(q.store(p), q.store_zero(p)) == p);
    }
}

TEMPLATE_LIST_TEST_CASE("learned codebooks: zeros come back as zeros", "[quantizer][codebook]", quantizers) {
  for (const std::size_t cols : {1, 8, 13, 100}) {
    std::vector<float> w(3 * cols, 0.0f);
    CHECK(back(quantize_nearest(make<TestType>(), w, 3, cols).value()) == w);
    for (std::size_t c = 0; c < cols; ++c) w[cols + c] = static_cast<float>(c % 5) - 2.0f;
    const auto there = back(quantize_nearest(make<TestType>(), w, 3, cols).value());
    if (make<TestType>().group_size != per_tensor)
      CHECK(std::all_of(there.begin(), there.begin() + static_cast<std::ptrdiff_t>(cols), [](float v) { return v == 0.0f; }));
  }
}

TEMPLATE_LIST_TEST_CASE("learned codebooks: every shape holds together, and loses less than all",
                        "[quantizer][codebook]", quantizers) {
  for (const auto [rows, cols] :
       {std::array<std::size_t, 2>{1, 1}, {1, 7}, {3, 8}, {2, 31}, {3, 129}, {5, 77}, {2, 264}, {0, 4}, {4, 0}}) {
    const auto w = normals(rows * cols, 0.02, rows + cols);
    const auto m = quantize_nearest(make<TestType>(), w, rows, cols).value();
    CHECK(m.view().consistent());
    CHECK((w.empty() || nmse(make<TestType>(), w, rows, cols) < 0.95));
    // Same bytes again.
    const auto again = quantize_nearest(make<TestType>(), w, rows, cols).value();
    CHECK(std::equal(m.codes().begin(), m.codes().end(), again.codes().begin()));
    CHECK(std::equal(m.shared().begin(), m.shared().end(), again.shared().begin()));
  }
}

TEMPLATE_LIST_TEST_CASE("learned codebooks: every code names its point, and values on the grid come back",
                        "[quantizer][codebook]", quantizers) {
  using Q = TestType;
  constexpr std::size_t dim = Q::format_type::dim;
  const auto w = normals(6 * 96, 0.02, 5);
  const auto m = quantize_nearest(make<Q>(), w, 6, 96).value();
  const Q q = m.view().group_quantizer(2, 0);
  const auto p = m.group_params(2, 0);
  for (std::size_t c = 0; c < Q::count; ++c) {
    std::array<float, dim> x, y;
    q.dequantize(static_cast<typename Q::format_type::code_type>(c), p, x);
    q.dequantize(q.quantize(x, p), p, y);
    for (std::size_t i = 0; i < dim; ++i) CHECK(y[i] == test::Approx(x[i]).epsilon(1e-5).margin(1e-9));
  }
  // Encoding what was decoded changes nothing.
  auto there = back(m);
  std::vector<typename Q::format_type::code_type> codes(ceil_div(96, dim));
  m.row_codes(2, codes);
  const std::size_t columns = std::min<std::size_t>(m.groups().size(), 96);
  for (std::size_t c = 0; c < columns; c += dim) {
    std::array<float, dim> y;
    const auto code = q.quantize(std::span<const float, dim>(there.data() + 2 * 96 + c, dim), p);
    q.dequantize(code, p, y);
    for (std::size_t i = 0; i < dim; ++i) CHECK(y[i] == test::Approx(there[2 * 96 + c + i]).epsilon(1e-5).margin(1e-9));
  }
}

TEMPLATE_TEST_CASE("learned codebooks: the product of a packed matrix is that of the weights it stands for",
                   "[quantizer][codebook]", RowCodebook<3>, (VectorCodebook<4, 8>), (VectorCodebook<8, 10>)) {
  for (const auto [rows, cols] : {std::array<std::size_t, 2>{1, 1}, {3, 129}, {5, 264}}) {
    const auto m = quantize_nearest(TestType{}, normals(rows * cols, 0.02, 3), rows, cols).value();
    const auto there = back(m), x = normals(cols, 1.0, 9);
    std::vector<float> y(rows);
    gemv(m.view(), x, y);
    for (std::size_t r = 0; r < rows; ++r) {
      double sum = 0.0, bound = 0.0;
      for (std::size_t c = 0; c < cols; ++c) {
        const double term = static_cast<double>(there[r * cols + c]) * static_cast<double>(x[c]);
        sum += term;
        bound += std::fabs(term);
      }
      CHECK(std::fabs(static_cast<double>(y[r]) - sum) <= 1e-5 * bound);
    }
  }
}

TEST_CASE("RowCodebook: rows of few f16 values come back unchanged, NaN is code 0", "[quantizer][codebook]") {
  std::vector<float> w(2 * 50);
  const float values[] = {-1.5f, 0.0f, 0.25f, 7.0f};
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = values[i * 7 % 4];
  CHECK(back(quantize_nearest(RowCodebook<2>{}, w, 2, 50).value()) == w);
  CHECK(back(quantize_nearest(RowCodebook<4>{}, w, 2, 50).value()) == w);
  CHECK(RowCodebook<2>{}.quantize(NAN, RowCodebook<2>{}.fit(w)) == 0);
  CHECK(VectorCodebook<2, 4>{}.quantize(std::span<const float, 2>(w.data(), 2), {1.0f}) == 0);
  const std::vector<float> huge(8, 1e9f);
  CHECK(quantize_nearest(RowCodebook<2>{}, huge, 1, 8).error().code == Errc::not_finite);
}

TEST_CASE("RowCodebook: rows of N(0, 1) err as Lloyd and Max say, or a little less", "[quantizer][codebook]") {
  const auto w = normals(8 * 4096, 1.0, 2);
  const double limit[] = {0.3634, 0.1175, 0.03455, 0.009501};
  const auto check = [&](double measured, double of) {
    CHECK(measured <= of * 1.01);
    CHECK(measured >= of * 0.93);
  };
  check(nmse(RowCodebook<1>{}, w, 8, 4096), limit[0]);
  check(nmse(RowCodebook<2>{}, w, 8, 4096), limit[1]);
  check(nmse(RowCodebook<3>{}, w, 8, 4096), limit[2]);
  check(nmse(RowCodebook<4>{}, w, 8, 4096), limit[3]);
  CHECK(quantize_nearest(RowCodebook<4>{}, w, 8, 4096).value().bits_per_weight() == 4.0 + 16.0 * 16 / 4096);
}

TEST_CASE("RowCodebook: importance moves the levels to where it lies", "[quantizer][codebook]") {
  const auto w = normals(256, 1.0, 4);
  std::vector<float> h(256);
  for (std::size_t i = 0; i < 256; ++i) h[i] = w[i] > 1.0f ? 100.0f : 1.0f;
  const RowCodebook<2> q;
  const auto error = [&](const auto& p) {
    double sum = 0.0;
    for (std::size_t i = 0; i < 256; ++i)
      sum += static_cast<double>(h[i]) *
             std::pow(static_cast<double>(q.dequantize(q.quantize(w[i], p), p)) - static_cast<double>(w[i]), 2);
    return sum;
  };
  CHECK(error(q.fit(w, {.importance = h})) < 0.6 * error(q.fit(w)));
}

TEST_CASE("VectorCodebook: quantize_group gives the codes of quantize", "[quantizer][codebook]") {
  using Q = VectorCodebook<8, 7>;
  const auto w = normals(4 * 100, 0.5, 6);
  const auto m = quantize_nearest(Q{}, w, 4, 100).value();
  const Q q = m.view().group_quantizer(1, 0);
  for (const auto& p : {m.group_params(1, 0), Q::params_type{}}) {
    std::vector<std::uint8_t> codes(13);
    const auto row = std::span(w).subspan(100, 100);
    q.quantize_group(row, p, codes);
    std::vector<float> padded(row.begin(), row.end());
    padded.resize(104, 0.0f);
    for (std::size_t c = 0; c < 13; ++c)
      CHECK(codes[c] == q.quantize(std::span<const float, 8>(padded.data() + c * 8, 8), p));
  }
}

TEST_CASE("VectorCodebook: correlated weights are where vectors pay, and a table per group where groups differ",
          "[quantizer][codebook]") {
  const std::size_t rows = 64, cols = 256;
  Rng rng(7);
  std::vector<float> w(rows * cols);
  for (std::size_t r = 0; r < rows; ++r) {
    double v = 0.0;
    for (std::size_t c = 0; c < cols; ++c) {
      const double rho = c < 128 ? 0.9 : -0.9;
      v = rho * v + std::sqrt(1.0 - rho * rho) * rng.normal();
      w[r * cols + c] = static_cast<float>(v);
    }
  }
  const double scalar = nmse(RowCodebook<2>{}, w, rows, cols);
  const double vectors = nmse(VectorCodebook<4, 8>{}, w, rows, cols);
  const double grouped = nmse(VectorCodebook<4, 8, CodebookTables::per_group, f16, 128>{}, w, rows, cols);
  CHECK(vectors < 0.7 * scalar);
  CHECK(grouped < 0.8 * vectors);
  const auto m = quantize_nearest(VectorCodebook<4, 8>{}, w, rows, cols).value();
  CHECK(m.stored_bytes() == rows * cols / 4 + 2 * rows + 4 * 256 * 4);
}

TEST_CASE("VectorCodebook: importance is heeded, rows of any magnitude too", "[quantizer][codebook]") {
  const std::size_t rows = 32, cols = 64;
  auto w = normals(rows * cols, 1.0, 8);
  std::vector<float> h(cols);
  for (std::size_t c = 0; c < cols; ++c) h[c] = c < 32 ? 30.0f : 1.0f;
  for (std::size_t i = 0; i < w.size(); i += 2)  // pairs lie near one diagonal where they matter, near the other elsewhere
    w[i + 1] = (i % cols < 32 ? w[i] : -w[i]) + 0.3f * w[i + 1];
  const VectorCodebook<2, 4> q;
  const auto error = [&](const auto& m) {
    const auto there = back(m);
    double sum = 0.0;
    for (std::size_t i = 0; i < w.size(); ++i)
      sum += static_cast<double>(h[i % cols]) * std::pow(static_cast<double>(there[i]) - static_cast<double>(w[i]), 2);
    return sum;
  };
  CHECK(error(quantize_nearest(q, w, rows, cols, AbsMax{}, h).value()) <
        0.9 * error(quantize_nearest(q, w, rows, cols).value()));
  using Wide = VectorCodebook<2, 6, CodebookTables::one, float>;
  const double before = nmse(Wide{}, w, rows, cols);
  for (std::size_t i = 0; i < cols; ++i) w[i] *= 1e30f;
  for (std::size_t i = cols; i < w.size(); ++i) w[i] *= 1e25f;
  CHECK(nmse(Wide{}, w, rows, cols) < 2.0 * before);
}

}  // namespace lowbit::test::codebook_quantizers_tests
