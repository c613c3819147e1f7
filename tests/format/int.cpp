// SPDX-License-Identifier: MIT
#include "lowbit/format/int.hpp"

#include <limits>
#include <string>
#include <tuple>

#include "catch.hpp"

namespace lowbit::test::int_tests {

using ints = std::tuple<Int2, Int3, Int4, Int5, Int6, Int7, Int8>;

TEMPLATE_LIST_TEST_CASE("Int: codes are offset binary, ties go to even integers, the ends clamp", "[format][int]",
                        ints) {
  using F = TestType;
  const F f;
  for (int v = F::min; v <= F::max; ++v) {
    CHECK(f.encode(static_cast<float>(v)) == v + F::offset);
    CHECK(f.decode(static_cast<std::uint8_t>(v + F::offset)) == static_cast<float>(v));
    if (v < F::max) {
      const int even = v % 2 == 0 ? v : v + 1;
      CHECK(f.encode(static_cast<float>(v) + 0.5f) == even + F::offset);
    }
  }
  CHECK(f.encode(1e30f) == F::cardinality - 1);
  CHECK(f.encode(-1e30f) == 0);
  CHECK(f.encode(std::numeric_limits<float>::infinity()) == F::cardinality - 1);
  CHECK(f.encode(-std::numeric_limits<float>::infinity()) == 0);
  CHECK(f.encode(-0.0f) == F::offset);
  CHECK(F::name == "int" + std::to_string(F::bits));
}

}  // namespace lowbit::test::int_tests
