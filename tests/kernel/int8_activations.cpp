// SPDX-License-Identifier: MIT
#include "lowbit/kernel/int8_activations.hpp"

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "support/guarded.hpp"
#include "support/layers.hpp"

namespace lowbit::test::int8_activations_tests {

namespace {

struct Tokens {
  std::vector<std::int8_t> codes;
  std::vector<float> scales;
  std::vector<std::int32_t> sums;
};

template <class Isa>
Tokens quantized(std::span<const float> x, std::size_t tokens, Int8Shape shape) {
  Tokens out{std::vector<std::int8_t>(tokens * shape.pitch(), 99), std::vector<float>(tokens),
             std::vector<std::int32_t>(tokens * shape.runs(), 77)};
  const test::Guarded<std::int8_t> codes(out.codes, test::Guarded<std::int8_t>::Edge::end);
  const test::Guarded<float> from(x, test::Guarded<float>::Edge::end);
  quantize_activations<Isa>(from.span(), Int8View{codes.span(), out.scales, out.sums, tokens, shape});
  out.codes.assign(codes.span().begin(), codes.span().end());
  return out;
}

constexpr Int8Shape shapes[] = {{1, 1, 16},      {7, 5, 16, 127},     {16, 16, 16},   {33, 16, 16},     {130, 128, 128},
                                {300, 100, 112, 8}, {509, 32, 32, 1, true}, {1024, 1024, 1024}, {2051, 2051, 2064}, {0, 1, 16},
                                {100, 40, 64, 16, false, 8}, {37, 37, 48, 1, false, 3}};

}  // namespace

TEST_CASE("int8 activations: every instruction set gives the bytes of the definition", "[kernel][int8]") {
  for (const Int8Shape& shape : shapes) {
    std::vector<float> x = test::normals(3 * shape.cols, shape.cols + shape.run);
    for (std::size_t i = 0; i < shape.cols; ++i) x[shape.cols + i] = static_cast<float>(i % 255) - 127.0f;  // ties at 127
    for (std::size_t i = 0; i < shape.cols; ++i) x[2 * shape.cols + i] *= 3e38f / 8.0f;
    const Tokens want = quantized<isa::scalar>(x, 3, shape), got = quantized<isa::native>(x, 3, shape);
    INFO(shape.cols << " columns in runs of " << shape.run);
    CHECK(want.codes == got.codes);
    CHECK(want.sums == got.sums);
    CHECK(want.scales == got.scales);
#if LOWBIT_HAS_AVX2
    const Tokens narrow = quantized<isa::avx2>(x, 3, shape);
    CHECK(want.codes == narrow.codes);
    CHECK(want.sums == narrow.sums);
    CHECK(want.scales == narrow.scales);
#endif
  }
}

TEST_CASE("int8 activations: within half a step, sums are of the codes, padding is zero", "[kernel][int8]") {
  for (const Int8Shape& shape : shapes) {
    const std::vector<float> x = test::normals(shape.cols, 5 + shape.cols);
    const Tokens t = quantized<isa::native>(x, 1, shape);
    double worst = 0.0;
    std::vector<bool> used(shape.pitch(), false);
    std::vector<std::int32_t> sums(shape.runs(), 0);
    for (std::size_t c = 0; c < shape.cols; ++c) {
      const std::size_t at = c / shape.run * shape.run_stride + shape.place(c % shape.run);
      used[at] = true;
      sums[c / shape.run] += t.codes[at];
      worst = std::max(worst, std::fabs(static_cast<double>(x[c]) - static_cast<double>(t.scales[0]) * t.codes[at]));
    }
    std::size_t dirty = 0;
    for (std::size_t i = 0; i < used.size(); ++i) dirty += !used[i] && t.codes[i] != 0 ? 1 : 0;
    INFO(shape.cols << " columns in runs of " << shape.run);
    CHECK(worst <= 0.5 * (1.0 + 0x1p-15) * static_cast<double>(t.scales[0]));
    CHECK(dirty == 0);
    for (std::int32_t& sum : sums) sum = shape.kept(sum);
    CHECK(sums == t.sums);
  }
}

TEST_CASE("int8 activations: what is kept of a sum", "[kernel][int8]") {
  CHECK(Int8Shape{.cols = 1}.kept(5) == -5);
  CHECK(Int8Shape{.cols = 1, .offset = 8}.kept(-3) == 24);
  CHECK(std::bit_cast<float>(Int8Shape{.cols = 1, .real = true}.kept(7)) == -7.0f);
}

TEMPLATE_TEST_CASE("int8 activations: zeros, tiny and huge tokens, NaN and infinity", "[kernel][int8]", isa::scalar,
                   isa::native) {
  const Int8Shape shape{40, 32, 32};
  const auto scale_of = [&](float value) {
    std::vector<float> x(40, 0.0f);
    x[37] = value;
    return quantized<TestType>(x, 1, shape);
  };
  CHECK(scale_of(0.0f).scales[0] == 0.0f);
  CHECK(scale_of(1e-40f).scales[0] == 0.0f);
  CHECK(scale_of(1e-31f).scales[0] == 0.0f);
  CHECK(scale_of(1e-29f).codes[37] == 127);
  CHECK(scale_of(-3.4e38f).codes[37] == -127);
  CHECK(std::isfinite(scale_of(3.4e38f).scales[0]));
  for (const float bad : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
                          std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::quiet_NaN()}) {
    const Tokens t = scale_of(bad);
    CHECK(std::isnan(t.scales[0]));
    CHECK(t.codes == std::vector<std::int8_t>(shape.pitch(), 0));
    CHECK(t.sums == std::vector<std::int32_t>(2, 0));
  }
}

TEST_CASE("int8 activations: each breach of the contract reaches the handler", "[kernel][int8]") {
  Int8Activations owned(2, Int8Shape{40, 32, 32});
  const std::vector<float> x(80), shorter(79);
  CHECK_THROWS_AS(quantize_activations(shorter, owned.view()), ContractViolation);
  CHECK_THROWS_AS(quantize_activations(x, 1, 3, owned.view()), ContractViolation);
  Int8View torn = owned.view();
  torn.codes = torn.codes.first(torn.codes.size() - 1);
  CHECK_THROWS_AS(quantize_activations(x, torn), ContractViolation);
  CHECK_NOTHROW(quantize_activations(x, owned.view()));
}

}  // namespace lowbit::test::int8_activations_tests
