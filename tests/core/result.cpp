// SPDX-License-Identifier: MIT
#include "lowbit/core/result.hpp"

#include <memory>

#include "catch.hpp"

namespace lowbit::test::result_tests {

namespace {

Result<int> half(int x) {
  if (x % 2 != 0) return Error{.code = Errc::invalid_argument, .message = "odd", .value = static_cast<double>(x)};
  return x / 2;
}
Result<int> quarter(int x) {
  LOWBIT_TRY(h, half(x));
  return half(h);
}
Result<> even(int x) {
  LOWBIT_CHECK(half(x));
  return {};
}

}  // namespace

TEST_CASE("Result: LOWBIT_TRY passes values on and returns errors", "[core][result]") {
  CHECK(*quarter(12) == 3);
  CHECK(quarter(6).error().value == 3.0);
  CHECK(quarter(5).error().value == 5.0);
  CHECK(even(4).has_value());
  CHECK(even(3).error().code == Errc::invalid_argument);
}

TEST_CASE("Result: value() throws the error; looking at the wrong side breaks the contract", "[core][result]") {
  const Result<int> bad = half(1), good = half(2);
  CHECK_THROWS_AS(bad.value(), BadResult);
  CHECK_THROWS_AS(*bad, ContractViolation);
  CHECK_THROWS_AS(good.error(), ContractViolation);
  CHECK_THROWS_AS(Result<>().error(), ContractViolation);
  CHECK_THROWS_AS(even(1).value(), BadResult);
  CHECK_NOTHROW(even(2).value());
}

TEST_CASE("Result: holds types that only move", "[core][result]") {
  Result<std::unique_ptr<int>> r = std::make_unique<int>(5);
  const std::unique_ptr<int> p = *std::move(r);
  CHECK(*p == 5);
}

TEST_CASE("Error: its line names every known place and no control characters", "[core][result]") {
  Error e{.code = Errc::truncated, .message = "ends early", .tensor = "a\nb", .offset = 12, .row = 3, .column = 4,
          .value = 0.5};
  const std::string line = to_string(std::move(e).in_file("x.safetensors").in_file("ignored"));
  CHECK(line == "truncated: ends early [tensor a?b] [row 3] [column 4] [value 0.5] [byte 12] [x.safetensors]");
}

TEST_CASE("Errc: every code has words", "[core][result]") {
  for (int i = 0; i <= static_cast<int>(Errc::out_of_range_token); ++i)
    CHECK(to_string(static_cast<Errc>(i)) != "unknown error");
}

}  // namespace lowbit::test::result_tests
