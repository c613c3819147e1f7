// SPDX-License-Identifier: MIT
#include <cmath>
#include <cstring>
#include <limits>
#include <tuple>

#include "catch.hpp"
#include "lowbit/format.hpp"
#include "lowbit/kernel/dequantize.hpp"
#include "lowbit/quantizer.hpp"
#include "support/layers.hpp"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace lowbit::test::bad_input_tests {

namespace {

/// One of each family.
using families =
    std::tuple<Uniform<Int4>, Uniform<Int3, UniformOptions{.group_size = 7, .zero_point = ZeroPoint::integer}>,
               Scaled<NF4, float, 64>, Scaled<E4M3FN>, Scaled<Dynamic8, float>, DoubleQuantized<NF4>, Mxfp4, Mxfp8E5M2, Mxint8,
               Nvfp4, TernaryScaled<>, BinaryScaled<2>, PhaseScaled<2>, TwinLog<4>, DIntScaled<4>, PowerScaled<4>, Scaled<Log2<4>>, GgufQ4_0, GgufQ8_0, GgufQ4K, GgufQ6K,
               GgufIq4Xs, GgufTq1_0, GgufMxfp4, GgufNvfp4>;

template <class Q>
std::vector<float> round_trip(std::span<const float> w, std::size_t rows, std::size_t cols) {
  const auto m = quantize_nearest(Q{}, w, rows, cols).value();
  std::vector<float> back(rows * cols, 1e30f);
  dequantize(m.view(), 0, rows, back);
  return back;
}

#if defined(__SSE2__)
/// Subnormals are zeros, in and out, as an engine may have set for its thread.
class FlushDenormals {
 public:
  FlushDenormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040u); }
  ~FlushDenormals() { _mm_setcsr(before_); }

 private:
  unsigned before_;
};
#endif

}  // namespace

TEMPLATE_LIST_TEST_CASE("bad input: NaN and infinity are errors that name the place, whatever the format",
                        "[quantizer][bad_input]", families) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    std::vector<float> w(3 * 256, 0.5f);
    w[256 + 77] = bad;
    const auto m = quantize_nearest(TestType{}, w, 3, 256);
    REQUIRE_FALSE(m);
    CHECK(m.error().code == Errc::not_finite);
    CHECK(m.error().row == 1u);
    CHECK(m.error().column == 77u);
  }
}

TEMPLATE_LIST_TEST_CASE("bad input: no weights, one weight, and zeros", "[quantizer][bad_input]", families) {
  CHECK(round_trip<TestType>({}, 0, 0).empty());
  CHECK(round_trip<TestType>({}, 0, 300).empty());
  CHECK(round_trip<TestType>({}, 5, 0).empty());
  const float one = 0.75f, zero = 0.0f;
  const float back = round_trip<TestType>({&one, 1}, 1, 1)[0];
  CHECK(std::fabs(back - one) <= 0.5f * one);
  CHECK(round_trip<TestType>({&zero, 1}, 1, 1)[0] == 0.0f);
  const std::vector<float> zeros(2 * 257, 0.0f);
  for (const float x : round_trip<TestType>(zeros, 2, 257)) CHECK(x == 0.0f);
}

TEMPLATE_LIST_TEST_CASE("bad input: subnormal weights come back finite and no larger than a few steps of float",
                        "[quantizer][bad_input]", families) {
  std::vector<float> w(257);
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = (i % 2 == 0 ? 1.0f : -1.0f) * static_cast<float>(i) * 1e-42f;
  for (const float x : round_trip<TestType>(w, 1, 257)) CHECK(std::fabs(x) <= 1e-37f);
}

#if defined(__SSE2__)
TEMPLATE_LIST_TEST_CASE("bad input: with denormals flushed by the caller ordinary weights come back the same",
                        "[quantizer][bad_input]", families) {
  const auto w = test::normals(2 * 256, 5);
  const auto want = round_trip<TestType>(w, 2, 256);
  std::vector<float> tiny(512);
  for (std::size_t i = 0; i < tiny.size(); ++i) tiny[i] = (i % 2 == 0 ? 1.0f : -1.0f) * static_cast<float>(i) * 1e-41f;
  std::vector<float> got, small;
  {
    const FlushDenormals flush;
    got = round_trip<TestType>(w, 2, 256);
    small = round_trip<TestType>(tiny, 2, 256);
  }
  CHECK(got == want);
  std::size_t wrong = 0;
  for (const float x : small) wrong += std::fabs(x) <= 1e-37f ? 0 : 1;
  CHECK(wrong == 0);
}
#endif

TEMPLATE_LIST_TEST_CASE("bad input: buffers at odd addresses give the same weights", "[quantizer][bad_input]", families) {
  const auto w = test::normals(3 * 512, 6);
  const auto m = quantize_nearest(TestType{}, w, 3, 512).value();
  std::vector<float> want(w.size());
  dequantize(m.view(), 0, 3, want);
  for (const std::size_t shift : {1, 3, 7}) {
    std::vector<std::uint8_t> codes(m.codes().size() + shift), zeros(m.zeros().size() + shift);
    std::memcpy(codes.data() + shift, m.codes().data(), m.codes().size());
    if (!m.zeros().empty()) std::memcpy(zeros.data() + shift, m.zeros().data(), m.zeros().size());
    auto view = m.view();
    view.codes = std::span<const std::uint8_t>(codes).subspan(shift);
    if (!m.zeros().empty()) view.zeros = std::span<const std::uint8_t>(zeros).subspan(shift);
    std::vector<float> got(w.size() + 1);
    dequantize(view, 0, 3, std::span(got).subspan(1));
    CHECK(std::equal(want.begin(), want.end(), got.begin() + 1));
  }
}

}  // namespace lowbit::test::bad_input_tests
