// SPDX-License-Identifier: MIT
#include "lowbit/kernel/dequantize.hpp"

#include "catch.hpp"
#include "support/oracle.hpp"

namespace lowbit::test::dequantize_tests {

TEMPLATE_LIST_TEST_CASE("dequantize: every weight is the quantizer's, rounded to float once or twice",
                        "[kernel][dequantize]", test::quantizers) {
  for (const auto [rows, cols] : test::awkward_shapes) {
    const auto layer = test::random_bits<TestType>(rows, cols);
    std::vector<float> out(rows * cols);
    dequantize<isa::scalar>(layer.view(), 0, rows, out);
    std::size_t wrong = 0;
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t c = 0; c < cols; ++c) {
        const double exact = test::exact_weight(layer.view(), r, c);
        wrong += std::fabs(static_cast<double>(out[r * cols + c]) - exact) > 0x1.01p-23 * std::fabs(exact) ? 1 : 0;
      }
    INFO(rows << " x " << cols);
    CHECK(wrong == 0);
  }
}

TEMPLATE_LIST_TEST_CASE("dequantize: every ISA gives the bits of the definition", "[kernel][dequantize]",
                        test::quantizers_x_isas) {
  using Q = typename TestType::quantizer;
  for (const auto [rows, cols] : test::awkward_shapes) {
    const auto layer = test::random_bits<Q>(rows, cols);
    const std::size_t first = rows / 3;
    std::vector<float> got((rows - first) * cols, 1e30f), want((rows - first) * cols);
    dequantize<typename TestType::isa>(layer.view(), first, rows, got);
    dequantize<isa::scalar>(layer.view(), first, rows, want);
    INFO(rows << " x " << cols);
    CHECK(got == want);
  }
}

TEMPLATE_LIST_TEST_CASE("dequantize: a range of columns is a piece of the rows", "[kernel][dequantize]",
                        test::quantizers_x_isas) {
  using Q = typename TestType::quantizer;
  constexpr std::size_t step = dequantize_columns<Q>;
  const std::size_t rows = 3, cols = 2 * step + 37;
  const auto layer = test::random_bits<Q>(rows, cols);
  std::vector<float> whole(rows * cols);
  dequantize<typename TestType::isa>(layer.view(), 0, rows, whole);
  for (const ColumnRange columns : {ColumnRange{0, cols}, ColumnRange{0, 1}, ColumnRange{step, cols}, ColumnRange{step, step + 19},
                                    ColumnRange{2 * step, cols}, ColumnRange{step, step}}) {
    const std::size_t n = columns.size();
    std::vector<float> got(2 * n, 1e30f), want(2 * n);
    for (std::size_t r = 0; r < 2; ++r)
      std::copy_n(whole.data() + (r + 1) * cols + columns.begin, n, want.data() + r * n);
    dequantize<typename TestType::isa>(layer.view(), RowRange{1, 3}, columns, got);
    INFO(columns.begin << " … " << columns.end);
    CHECK(got == want);
  }
}

TEST_CASE("dequantize: each breach of its contract reaches the handler", "[kernel][dequantize]") {
  const auto layer = test::random_layer<Uniform<Int4>>(3, 200);
  std::vector<float> out(600);
  CHECK_THROWS_AS(dequantize(layer.view(), 0, 2, out), ContractViolation);
  CHECK_THROWS_AS(dequantize(layer.view(), 1, 4, out), ContractViolation);
  CHECK_THROWS_AS(dequantize(layer.view(), 2, 1, out), ContractViolation);
  CHECK_NOTHROW(dequantize(layer.view(), 0, 3, out));
  CHECK_THROWS_AS(dequantize(layer.view(), RowRange{0, 3}, ColumnRange{0, 201}, out), ContractViolation);
  CHECK_THROWS_AS(dequantize(layer.view(), RowRange{0, 3}, ColumnRange{8, 200}, std::span(out).first(576)), ContractViolation);
}

}  // namespace lowbit::test::dequantize_tests
