// SPDX-License-Identifier: MIT
#include "lowbit/kernel/gemm.hpp"

#include "catch.hpp"
#include "lowbit/kernel/gemv.hpp"
#include "support/oracle.hpp"

namespace lowbit::test::gemm_tests {

TEMPLATE_LIST_TEST_CASE("gemm: every token has the bits of its gemv, for any number of tokens", "[kernel][gemm]",
                        test::quantizers_x_isas) {
  using Q = typename TestType::quantizer;
  using Isa = typename TestType::isa;
  for (const auto [rows, cols] : {test::Shape{1, 1}, {5, 0}, {0, 3}, {4, 65}, {7, 333}, {5, 1100}, {9, 2048}})
    for (const std::size_t tokens : {0, 1, 2, 3, 5, 6, 7, 25, 50}) {
      INFO(rows << " x " << cols << ", " << tokens << " tokens");
      const auto layer = test::random_layer<Q>(rows, cols, tokens);
      std::vector<float> y(tokens * rows, 1e30f), one(rows);
      gemm<Isa>(layer.view(), layer.x, y, tokens);
      std::size_t wrong = 0;
      for (std::size_t t = 0; t < tokens; ++t) {
        gemv<Isa>(layer.view(), std::span<const float>(layer.x).subspan(t * cols, cols), one);
        for (std::size_t r = 0; r < rows; ++r) wrong += y[t * rows + r] != one[r] ? 1 : 0;
      }
      CHECK(wrong == 0);
    }
}

TEMPLATE_LIST_TEST_CASE("gemm: every enabled ISA agrees with the double oracle", "[kernel][gemm]",
                        test::quantizers_x_isas) {
  using Q = typename TestType::quantizer;
  const std::size_t rows = 6, cols = 1161, tokens = 8;
  const auto layer = test::random_layer<Q>(rows, cols, tokens);
  std::vector<float> y(tokens * rows);
  gemm<typename TestType::isa>(layer.view(), layer.x, y, tokens);
  for (std::size_t t = 0; t < tokens; ++t) {
    const auto want = test::gemv_in_double(layer.view(), std::span<const float>(layer.x).subspan(t * cols, cols));
    CHECK(test::worst_share(std::span<const float>(y).subspan(t * rows, rows), want) <= 1.0);
  }
}

TEMPLATE_LIST_TEST_CASE("gemm: any cut of the rows gives the same bits", "[kernel][gemm]", test::quantizers_x_isas) {
  using Q = typename TestType::quantizer;
  using Isa = typename TestType::isa;
  const std::size_t rows = 11, cols = 333, tokens = 7;
  const auto layer = test::random_layer<Q>(rows, cols, tokens);
  std::vector<float> whole(tokens * rows);
  gemm<Isa>(layer.view(), layer.x, whole, tokens);
  for (std::size_t cut = 0; cut <= rows; ++cut) {
    std::vector<float> y(tokens * rows, 1e30f);
    gemm<Isa>(layer.view(), RowRange{cut, rows}, layer.x, y, tokens);
    gemm<Isa>(layer.view(), RowRange{0, cut}, layer.x, y, tokens);
    CHECK(y == whole);
  }
}

TEST_CASE("gemm: each breach of its contract reaches the handler", "[kernel][gemm]") {
  const auto layer = test::random_layer<Uniform<Int4>>(3, 200, 2);
  std::vector<float> y(6), shorter(5);
  CHECK_THROWS_AS(gemm(layer.view(), layer.x, shorter, 2), ContractViolation);
  CHECK_THROWS_AS(gemm(layer.view(), layer.x, y, 3), ContractViolation);
  CHECK_THROWS_AS(gemm(layer.view(), RowRange{1, 4}, layer.x, y, 2), ContractViolation);
  CHECK_NOTHROW(gemm(layer.view(), layer.x, y, 2));
}

}  // namespace lowbit::test::gemm_tests
