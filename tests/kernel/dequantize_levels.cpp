// SPDX-License-Identifier: MIT
#include <bit>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <vector>

#include "catch.hpp"
#include "lowbit/kernel.hpp"
#include "support/guarded.hpp"
#include "support/layers.hpp"

#if LOWBIT_HAS_AVX2
#include <immintrin.h>
#endif

namespace lowbit::test::dequantize_levels_tests {

namespace {

/// How many floats differ in a bit.
std::size_t differing(std::span<const float> a, std::span<const float> b) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    count += std::bit_cast<std::uint32_t>(a[i]) != std::bit_cast<std::uint32_t>(b[i]) ? 1 : 0;
  return count;
}

template <class Q>
constexpr bool all_codes_are_points = (Q::format_type::cardinality & (Q::format_type::cardinality - 1)) == 0;

/// Codes and output lie against guard pages.
template <class Isa, class Q>
void agrees_with_the_definition() {
  if constexpr (std::is_same_v<dequantize_isa<Isa, Q>, Isa>) {
    for (const auto [rows, cols] : test::awkward_shapes) {
      const auto layer = all_codes_are_points<Q> ? test::random_bits<Q>(rows, cols) : test::random_layer<Q>(rows, cols);
      PackedView<Q> w = layer.view();
      const std::size_t first = rows / 3, count = (rows - first) * cols;
      std::vector<float> want(count);
      dequantize<isa::scalar>(w, first, rows, want);
      const test::Guarded<std::uint8_t> codes(w.codes, test::Guarded<std::uint8_t>::Edge::end);
      const test::Guarded<float> out(std::vector<float>(count), test::Guarded<float>::Edge::end);
      w.codes = codes.span();
      dequantize<Isa>(w, first, rows, out.span());
      INFO(Q::storage_name() << " on " << Isa::name << ", " << rows << " x " << cols);
      CHECK(differing(out.span(), want) == 0);
    }
  }
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("dequantize: tables, Minifloats and computed points give the bits of the definition",
                        "[kernel][dequantize]", test::level_quantizers) {
#if LOWBIT_HAS_AVX2
  agrees_with_the_definition<isa::avx2, TestType>();
#endif
#if LOWBIT_HAS_AVX512
  agrees_with_the_definition<isa::avx512, TestType>();
#endif
#if LOWBIT_HAS_NEON
  agrees_with_the_definition<isa::neon, TestType>();
#endif
  SUCCEED();
}

#if LOWBIT_HAS_AVX2
TEST_CASE("dequantize: subnormal points survive a caller that flushes subnormal floats", "[kernel][dequantize]") {
  constexpr unsigned flush_and_zero = 0x8040;
  const auto layer = test::random_bits<test::Tabled<E5M2>>(5, 257);
  std::vector<float> want(5 * 257), got(want.size());
  dequantize<isa::scalar>(layer.view(), 0, 5, want);
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | flush_and_zero);
  dequantize(layer.view(), 0, 5, got);
  _mm_setcsr(before);
  CHECK(differing(got, want) == 0);
}
#endif

}  // namespace lowbit::test::dequantize_levels_tests
