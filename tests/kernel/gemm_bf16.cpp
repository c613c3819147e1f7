// SPDX-License-Identifier: MIT
#include "lowbit/kernel/gemm_bf16.hpp"

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/type_list.hpp"
#include "lowbit/format/e8p.hpp"
#include "lowbit/quantizer/nearest.hpp"
#include "lowbit/quantizer/vector_scaled.hpp"
#include "support/guarded.hpp"
#include "support/oracle.hpp"

namespace lowbit::test::gemm_bf16_tests {

namespace {

/// One of each way to dequantize: uniform grids, levels, super-blocks, tables that a group computes, and codes of vectors.
using quantizers = TypeList<Uniform<Int4>, Uniform<Int<3>, UniformOptions{.group_size = 20}>, Scaled<NF4, float, 64>, GgufQ6K, Mxfp8E4M3,
                             VectorScaled<E8P>>;
using isas = TypeList<isa::scalar
#if LOWBIT_HAS_AVX2
                       , isa::avx2
#endif
#if LOWBIT_HAS_AVX512
                       , isa::avx512
#endif
#if LOWBIT_HAS_AVX512_BF16
                       , isa::avx512_bf16
#endif
#if LOWBIT_HAS_NEON
                       , isa::neon
#endif
                       >;

template <class Isa, Quantizer Q>
std::vector<float> product(const PackedView<Q>& w, std::span<const float> x, std::size_t tokens, RowRange rows) {
  Bf16Activations activations(tokens, w.cols);
  round_activations(x, activations.view());
  const Bf16View from = activations.view();
  const test::Guarded<std::uint16_t> bits(from.bits, test::Guarded<std::uint16_t>::Edge::end);
  const std::vector<float> before(tokens * w.rows, -7.0f);
  const test::Guarded<float> y(before, test::Guarded<float>::Edge::end);
  CHECK((std::is_same_v<gemm_bf16_isa<Isa, Q>, Isa> || std::is_same_v<Isa, isa::native>));  // a set with its own overload
  gemm<Isa>(w, rows, Bf16View{bits.span(), tokens, w.cols}, y.span());
  return {y.span().begin(), y.span().end()};
}

template <class F>
void for_each_isa(const F& f) {
  [&]<class... Isa>(TypeList<Isa...>) { (f(Isa{}), ...); }(isas{});
}

/// The largest error of y against the double product, as a share of what the docstring states.
template <Quantizer Q>
double worst_share(const PackedView<Q>& w, std::span<const float> x, std::size_t tokens, std::span<const float> y) {
  const double b = 0x1p-8, nu = static_cast<double>(w.cols) * 0x1p-24, gamma = nu / (1.0 - nu);
  const double factor = (1.0 + b) * (1.0 + b) * (1.0 + gamma) - 1.0;
  std::vector<float> row(w.cols);
  double worst = 0.0;
  for (std::size_t r = 0; r < w.rows; ++r) {
    dequantize<isa::scalar>(w, r, r + 1, row);
    for (std::size_t t = 0; t < tokens; ++t) {
      double exact = 0.0, magnitude = 0.0, tiny = 0.0;
      for (std::size_t c = 0; c < w.cols; ++c) {
        const double weight = static_cast<double>(row[c]), a = static_cast<double>(x[t * w.cols + c]);
        exact += weight * a;
        magnitude += std::fabs(weight * a);
        tiny += std::fabs(weight) + std::fabs(a) + 1.0;
      }
      const double error = std::fabs(static_cast<double>(y[t * w.rows + r]) - exact);
      const double bound = factor * magnitude + 0x1p-125 * tiny;
      if (error != 0.0) worst = std::max(worst, error / bound);
    }
  }
  return worst;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("gemm bf16: within its bound of the double oracle, on every instruction set", "[kernel][bf16]",
                        quantizers) {
  using Q = TestType;
  for (const auto [rows, cols] : {test::Shape{1, 1}, test::Shape{3, 7}, test::Shape{16, 64}, test::Shape{17, 129}, test::Shape{37, 777},
                                  test::Shape{70, 1301}, test::Shape{0, 5}, test::Shape{5, 0}}) {
    constexpr std::size_t most = 15;
    const auto layer = test::random_layer<Q>(rows, cols, most);
    const PackedView<Q> w = layer.weights;
    for_each_isa([&, rows = rows, cols = cols](auto isa) {
      using Isa = decltype(isa);
      const auto all = product<Isa>(w, layer.x, most, {0, rows});
      INFO(Q::storage_name() << ", " << rows << " x " << cols << ", " << Isa::name);
      CHECK(worst_share(w, layer.x, most, all) <= 1.0);
      CHECK(all == product<isa::scalar>(w, layer.x, most, {0, rows}));
      for (const std::size_t tokens : {1, 2, 3, 5, 6}) {
        const auto some = product<Isa>(w, std::span(layer.x).first(tokens * cols), tokens, {0, rows});
        CHECK(std::equal(some.begin(), some.end(), all.begin()));
      }
      const RowRange cut{rows / 3, rows - rows / 4};
      const auto piece = product<Isa>(w, layer.x, most, cut);
      std::size_t wrong = 0;
      for (std::size_t t = 0; t < most; ++t)
        for (std::size_t r = 0; r < rows; ++r)
          wrong += piece[t * rows + r] != (r >= cut.begin && r < cut.end ? all[t * rows + r] : -7.0f) ? 1 : 0;
      CHECK(wrong == 0);
    });
  }
}

TEST_CASE("gemm bf16: the bound is tight enough to see one wrong weight", "[kernel][bf16]") {
  const auto layer = test::random_layer<Uniform<Int4>>(5, 200, 3);
  const PackedView<Uniform<Int4>> w = layer.weights;
  auto y = product<isa::native>(w, layer.x, 3, {0, 5});
  CHECK(worst_share(w, layer.x, 3, y) <= 1.0);
  auto nudged = layer.weights;
  nudged.codes()[3] ^= 0x77;
  CHECK(worst_share(nudged.view(), layer.x, 3, y) > 1.0);
}

TEST_CASE("gemm bf16: more tokens than a block of them", "[kernel][bf16]") {
  const auto layer = test::random_layer<Uniform<Int4>>(33, 70, 1030);
  const PackedView<Uniform<Int4>> w = layer.weights;
  const auto y = product<isa::native>(w, layer.x, 1030, {0, 33});
  CHECK(worst_share(w, layer.x, 1030, y) <= 1.0);
  for (const std::size_t t : {0, 511, 512, 1023, 1029}) {
    const auto one = product<isa::native>(w, std::span(layer.x).subspan(t * 70, 70), 1, {0, 33});
    CHECK(std::equal(one.begin(), one.end(), y.begin() + static_cast<std::ptrdiff_t>(t * 33)));
  }
}

TEST_CASE("gemm bf16: zeros, subnormal, huge and undefined numbers", "[kernel][bf16]") {
  using Q = Uniform<Int8, UniformOptions{.group_size = per_row, .scale = ScaleStorage::f32}>;
  const std::size_t cols = 66;
  for_each_isa([&](auto isa) {
    using Isa = decltype(isa);
    for (const float scale : {0.0f, 1e-38f, 0x1p-140f, 1e30f})
      for (const float input : {0.0f, 0x1p-130f, 1e-20f, 1e6f}) {
        std::vector<float> weights = test::normals(3 * cols, 5), x = test::normals(2 * cols, 6);
        for (float& v : weights) v *= scale;
        for (float& v : x) v *= input;
        const auto packed = quantize_nearest(Q{}, weights, 3, cols).value();
        const auto y = product<Isa>(packed.view(), x, 2, {0, 3});
        INFO(Isa::name << ", scale " << scale << ", input " << input);
        CHECK(worst_share(packed.view(), x, 2, y) <= 1.0);
      }
    const auto layer = test::random_layer<Q>(3, cols, 2);
    std::vector<float> x = layer.x;
    x[cols + 1] = std::numeric_limits<float>::quiet_NaN();
    const auto y = product<Isa>(layer.weights.view(), x, 2, {0, 3});
    for (std::size_t r = 0; r < 3; ++r) {
      CHECK(std::isfinite(y[r]));
      CHECK(std::isnan(y[3 + r]));
    }
    auto odd = test::random_layer<Q>(3, 65);  // rows end in half a pair
    odd.weights.params()[1] = std::numeric_limits<float>::quiet_NaN();
    const auto z = product<Isa>(odd.weights.view(), odd.x, 1, {0, 3});
    CHECK((std::isfinite(z[0]) && std::isnan(z[1]) && std::isfinite(z[2])));
  });
}

TEST_CASE("gemm bf16: rounding is that of bf16 for every upper half", "[kernel][bf16]") {
  std::vector<float> x;
  for (std::uint32_t high = 0; high < 0x10000; ++high)
    for (const std::uint32_t low : {0x0u, 0x7fffu, 0x8000u, 0x8001u}) x.push_back(std::bit_cast<float>(high << 16 | low));
  Bf16Activations rounded(1, x.size());
  round_activations(x, rounded.view());
  std::size_t wrong = 0;
  for (std::size_t c = 0; c < x.size(); ++c) wrong += rounded.view().bits[c] != bf16(x[c]).bits ? 1 : 0;
  CHECK(wrong == 0);
#if LOWBIT_HAS_AVX2 || LOWBIT_HAS_NEON
#if LOWBIT_HAS_AVX2
  using V = kernel::PairsAvx2;
#else
  using V = kernel::PairsNeon;
#endif
  constexpr std::size_t pairs = V::pairs_at_once, block = 32 * pairs;
  for (std::size_t c = 0; c + block <= x.size(); c += block) {
    std::uint32_t words[16 * pairs];
    V::interleave(x.data() + c, 2 * pairs, words);
    for (std::size_t r = 0; r < 16; ++r)
      for (std::size_t p = 0; p < pairs; ++p) {
        const float* const two = x.data() + c + 2 * (pairs * r + p);
        const std::uint32_t want = bf16(two[0]).bits | static_cast<std::uint32_t>(bf16(two[1]).bits) << 16;
        wrong += words[p * 16 + r] != want ? 1 : 0;
      }
  }
  CHECK(wrong == 0);
#endif
}

TEST_CASE("gemm bf16: each breach of its contract reaches the handler", "[kernel][bf16]") {
  const auto layer = test::random_layer<Uniform<Int4>>(3, 200, 2);
  Bf16Activations two(2, 200), other(2, 199);
  std::vector<float> y(6);
  CHECK_NOTHROW(gemm(layer.weights.view(), two.view(), y));
  CHECK_THROWS_AS(gemm(layer.weights.view(), other.view(), y), ContractViolation);
  CHECK_THROWS_AS(gemm(layer.weights.view(), RowRange{2, 4}, two.view(), y), ContractViolation);
  CHECK_THROWS_AS(gemm(layer.weights.view(), two.view(), std::span(y).first(5)), ContractViolation);
  CHECK_THROWS_AS(round_activations(layer.x, other.view()), ContractViolation);
}

}  // namespace lowbit::test::gemm_bf16_tests
