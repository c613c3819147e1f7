// SPDX-License-Identifier: MIT
#include "lowbit/kernel/gemm_int8.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/type_list.hpp"
#include "lowbit/format/e8p.hpp"
#include "lowbit/kernel/gemm_int8.hpp"
#include "lowbit/quantizer/vector_scaled.hpp"
#include "support/guarded.hpp"
#include "support/oracle.hpp"

namespace lowbit::test::gemm_int8_packed_tests {

namespace {

using quantizers = TypeList<Uniform<Int4>, Scaled<NF4, float, 64>, VectorScaled<E8P>>;
using isas = TypeList<isa::scalar
#if LOWBIT_HAS_AVX2
                      , isa::avx2
#endif
#if LOWBIT_HAS_AVX2_VNNI
                      , isa::avx2_vnni
#endif
#if LOWBIT_HAS_AVX512
                      , isa::avx512
#endif
#if LOWBIT_HAS_AVX512_VNNI
                      , isa::avx512_vnni
#endif
#if LOWBIT_HAS_NEON
                      , isa::neon
#endif
#if LOWBIT_HAS_NEON_DOTPROD
                      , isa::neon_dotprod
#endif
#if LOWBIT_HAS_NEON_I8MM
                      , isa::neon_i8mm
#endif
                      >;

template <Quantizer Q>
Int8Activations activations(const PackedView<Q>& w, std::span<const float> x, std::size_t tokens) {
  Int8Activations out(tokens, int8_shape(w));
  quantize_activations(x, out.view());
  return out;
}

template <class Isa, Quantizer Q>
std::vector<float> product(const PackedView<Q>& w, std::span<const float> x, std::size_t tokens, RowRange rows) {
  Int8Activations quantized = activations(w, x, tokens);
  const Int8View from = quantized.view();
  const test::Guarded<std::int8_t> codes(from.codes, test::Guarded<std::int8_t>::Edge::end);
  const std::vector<float> before(tokens * w.rows, -7.0f);
  const test::Guarded<float> y(before, test::Guarded<float>::Edge::end);
  CHECK(std::is_same_v<decltype(gemm<Isa>(w, rows, from, y.span())), Isa>);
  gemm<Isa>(w, rows, Int8View{codes.span(), from.scales, from.sums, tokens, from.shape}, y.span());
  return {y.span().begin(), y.span().end()};
}

/// The largest error of y against the double product, as a share of what the docstring states.
template <Quantizer Q>
double worst_share(const PackedView<Q>& w, std::span<const float> x, std::size_t tokens, std::span<const float> y) {
  Int8Activations quantized = activations(w, x, tokens);
  const Int8View a = quantized.view();
  const double k = (static_cast<double>(a.shape.runs()) + 4.0) * 0x1p-24, gamma = k / (1.0 - k), more = 1.0 + 0x1p-15;
  std::vector<float> row(w.cols);
  double worst = 0.0;
  for (std::size_t r = 0; r < w.rows; ++r) {
    dequantize<isa::scalar>(w, r, r + 1, row);
    for (std::size_t t = 0; t < tokens; ++t) {
      const double s = static_cast<double>(a.scales[t]);
      double exact = 0.0, bound = 0.0;
      for (std::size_t begin = 0; begin < w.cols; begin += 32) {
        const std::size_t end = std::min(w.cols, begin + 32);
        double m = 0.0;
        for (std::size_t c = begin; c < end; ++c) m = std::max(m, std::fabs(static_cast<double>(row[c])));
        for (std::size_t c = begin; c < end; ++c) {
          const double weight = static_cast<double>(row[c]), v = static_cast<double>(x[t * w.cols + c]);
          const double e = m < 0x1p-100 ? m : m / 254.0 * more;
          exact += weight * v;
          bound += (std::fabs(weight) + e) * 0.5 * s * more + e * std::fabs(v) +
                   gamma * 2.0 * m * s * std::fabs(static_cast<double>(a.codes[t * a.shape.pitch() + c]));
        }
      }
      const double error = std::fabs(static_cast<double>(y[t * w.rows + r]) - exact);
      if (error != 0.0) worst = std::max(worst, error / bound);
    }
  }
  return worst;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("gemm int8 of packed weights: within its bound, the same bits on every instruction set",
                        "[kernel][int8]", quantizers) {
  using Q = TestType;
  for (const auto [rows, cols] : {test::Shape{1, 1}, test::Shape{3, 31}, test::Shape{16, 64}, test::Shape{17, 129}, test::Shape{37, 1061},
                                  test::Shape{0, 5}, test::Shape{5, 0}}) {
    constexpr std::size_t most = 15;
    const auto layer = test::random_layer<Q>(rows, cols, most);
    const PackedView<Q> w = layer.weights;
    const auto want = product<isa::scalar>(w, layer.x, most, {0, rows});
    INFO(Q::storage_name() << ", " << rows << " x " << cols);
    CHECK(worst_share(w, layer.x, most, want) <= 1.0);
    isas::for_each([&, rows = rows, cols = cols]<class Isa>(std::type_identity<Isa>) {
      INFO(Isa::name);
      CHECK(product<Isa>(w, layer.x, most, {0, rows}) == want);
      for (const std::size_t tokens : {1, 2, 3, 7}) {
        const auto some = product<Isa>(w, std::span(layer.x).first(tokens * cols), tokens, {0, rows});
        CHECK(std::equal(some.begin(), some.end(), want.begin()));
      }
      const RowRange cut{rows / 3, rows - rows / 4};
      const auto piece = product<Isa>(w, layer.x, most, cut);
      std::size_t wrong = 0;
      for (std::size_t t = 0; t < most; ++t)
        for (std::size_t r = 0; r < rows; ++r)
          wrong += piece[t * rows + r] != (r >= cut.begin && r < cut.end ? want[t * rows + r] : -7.0f) ? 1 : 0;
      CHECK(wrong == 0);
    });
  }
}

TEST_CASE("gemm int8 of packed weights: the bound can fail", "[kernel][int8]") {
  const auto layer = test::random_layer<Uniform<Int4>>(5, 200, 3);
  const PackedView<Uniform<Int4>> w = layer.weights;
  const auto y = product<isa::scalar>(w, layer.x, 3, {0, 5});
  CHECK(worst_share(w, layer.x, 3, y) <= 1.0);
  auto nudged = layer.weights;
  nudged.codes()[3] ^= 0x77;
  CHECK(worst_share(nudged.view(), layer.x, 3, y) > 1.0);
}

TEST_CASE("gemm int8 of packed weights: extreme and undefined weights", "[kernel][int8]") {
  using Q = Uniform<Int8, UniformOptions{.group_size = per_row, .scale = ScaleStorage::f32}>;
  const std::size_t cols = 70;
  for (const float scale : {0.0f, 0x1p-120f, 1e-30f, 1e30f}) {
    std::vector<float> weights = test::normals(3 * cols, 5), x = test::normals(2 * cols, 6);
    for (float& v : weights) v *= scale;
    const auto packed = quantize_nearest(Q{}, weights, 3, cols).value();
    const auto want = product<isa::scalar>(packed.view(), x, 2, {0, 3});
    INFO(scale);
    CHECK(worst_share(packed.view(), x, 2, want) <= 1.0);
    isas::for_each([&]<class Isa>(std::type_identity<Isa>) { CHECK(product<Isa>(packed.view(), x, 2, {0, 3}) == want); });
  }
  auto layer = test::random_layer<Q>(3, cols, 2);
  layer.weights.params()[1] = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> x = layer.x;
  x[cols] = std::numeric_limits<float>::infinity();
  isas::for_each([&]<class Isa>(std::type_identity<Isa>) {
    const auto y = product<Isa>(layer.weights.view(), x, 2, {0, 3});
    CHECK((std::isfinite(y[0]) && std::isnan(y[1]) && std::isfinite(y[2])));
    CHECK((std::isnan(y[3]) && std::isnan(y[4]) && std::isnan(y[5])));
  });
}

TEST_CASE("gemm int8 of packed weights: each breach of its contract reaches the handler", "[kernel][int8]") {
  const auto layer = test::random_layer<Uniform<Int4>>(3, 200, 2);
  const PackedView<Uniform<Int4>> w = layer.weights;
  Int8Activations right(2, int8_shape(w)), wrong(2, Int8Shape{.cols = 200, .run = 128, .run_stride = 128, .offset = 128});
  std::vector<float> y(6);
  CHECK_NOTHROW(gemm(w, right.view(), y));
  CHECK_THROWS_AS(gemm(w, wrong.view(), y), ContractViolation);
  CHECK_THROWS_AS(gemm(w, RowRange{2, 4}, right.view(), y), ContractViolation);
  CHECK_THROWS_AS(gemm(w, right.view(), std::span(y).first(5)), ContractViolation);
}

}  // namespace lowbit::test::gemm_int8_packed_tests
