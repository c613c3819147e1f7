// SPDX-License-Identifier: MIT
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <tuple>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/format/trellis/hyb.hpp"
#include "lowbit/format/trellis/look_up.hpp"
#include "lowbit/format/trellis/one_mad.hpp"
#include "lowbit/format/trellis/three_inst.hpp"
#include "lowbit/format/trellis/trellis_format.hpp"

namespace lowbit::test::trellis_tests {

namespace {

using trellis_codes =
    std::tuple<trellis::OneMad, trellis::ThreeInst, trellis::Hyb<>, trellis::LookUp<1>, trellis::LookUp<2>>;

template <class C>
std::array<float, C::dim> point_of(std::uint32_t state) {
  std::array<float, C::dim> y;
  C::value(state, y);
  return y;
}

constexpr std::uint32_t all_states = 1u << 16;

/// FNV-1a of the bits of every value.
template <class C>
std::uint64_t checksum() {
  std::uint64_t h = 0xcbf29ce484222325u;
  for (std::uint32_t s = 0; s < all_states; ++s)
    for (const float v : point_of<C>(s)) h = (h ^ std::bit_cast<std::uint32_t>(v)) * 0x100000001b3u;
  return h;
}

template <class C, class Isa, std::size_t Width>
[[maybe_unused]] std::size_t states_that_differ() {
  std::size_t wrong = 0;
  for (std::uint32_t s = 0; s < all_states; s += Width) {
    alignas(64) std::array<std::uint32_t, Width> states;
    for (std::uint32_t i = 0; i < Width; ++i) states[i] = (s + i) * 40503u % all_states;  // 40503 is odd: all of them
    alignas(64) std::array<std::array<float, Width>, C::dim> y{};
#if LOWBIT_HAS_AVX512
    if constexpr (Width == 16) {
      __m512 v[C::dim];
      C::values(Isa{}, _mm512_load_si512(states.data()), v);
      for (std::size_t d = 0; d < C::dim; ++d) _mm512_store_ps(y[d].data(), v[d]);
    }
#endif
#if LOWBIT_HAS_AVX2
    if constexpr (Width == 8) {
      __m256 v[C::dim];
      C::values(Isa{}, _mm256_load_si256(reinterpret_cast<const __m256i*>(states.data())), v);
      for (std::size_t d = 0; d < C::dim; ++d) _mm256_store_ps(y[d].data(), v[d]);
    }
#endif
    for (std::size_t i = 0; i < Width; ++i)
      for (std::size_t d = 0; d < C::dim; ++d)
        wrong +=
            std::bit_cast<std::uint32_t>(y[d][i]) == std::bit_cast<std::uint32_t>(point_of<C>(states[i])[d]) ? 0 : 1;
  }
  return wrong;
}

template <std::size_t Dim>
double apart(const std::array<float, Dim>& a, const std::array<float, Dim>& b) {
  double sum = 0.0;
  for (std::size_t v = 0; v < Dim; ++v) {
    const double d = static_cast<double>(a[v]) - static_cast<double>(b[v]);
    sum += d * d;
  }
  return sum;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("trellis codes: registers of states give what single states give, bit for bit",
                        "[format][trellis]", trellis_codes) {
#if LOWBIT_HAS_AVX2
  CHECK(states_that_differ<TestType, isa::avx2, 8>() == 0);
#endif
#if LOWBIT_HAS_AVX512
  CHECK(states_that_differ<TestType, isa::avx512, 16>() == 0);
#endif
  SUCCEED();
}

TEMPLATE_LIST_TEST_CASE("trellis codes: all states together have mean 0 and the root mean square they say",
                        "[format][trellis]", trellis_codes) {
  double sum = 0.0, squares = 0.0;
  for (std::uint32_t s = 0; s < all_states; ++s)
    for (const float v : point_of<TestType>(s)) {
      sum += static_cast<double>(v);
      squares += static_cast<double>(v) * static_cast<double>(v);
    }
  const double n = static_cast<double>(all_states) * static_cast<double>(TestType::dim);
  CHECK(std::fabs(sum / n) < 0.01);
  CHECK(std::fabs(std::sqrt(squares / n) / static_cast<double>(TestType::rms) - 1.0) < 2e-3);
}

TEST_CASE("trellis codes: the variances of the literature, 1.00 for 1MAD, 1.55 for 3INST and 1 - 2^-4 for HYB",
          "[format][trellis]") {
  CHECK(static_cast<double>(trellis::OneMad::rms * trellis::OneMad::rms) == test::Approx(1.00).margin(0.005));
  CHECK(static_cast<double>(trellis::ThreeInst::rms * trellis::ThreeInst::rms) == test::Approx(1.55).margin(0.005));
  CHECK(static_cast<double>(trellis::Hyb<>::rms * trellis::Hyb<>::rms) == test::Approx(0.9375).margin(0.001));
}

TEST_CASE("OneMad: state 0 is the bytes of 76625530", "[format][trellis]") {
  // 0x0491367a: 4 + 145 + 54 + 122 = 325.
  CHECK(trellis::OneMad::value(0) == -185.0f * trellis::OneMad::step);
  // 34038481 + 76625530 = 0x0698994b: 6 + 152 + 153 + 75 = 386.
  CHECK(trellis::OneMad::value(1) == -124.0f * trellis::OneMad::step);
}

TEST_CASE("ThreeInst: state 0 is two halves of 64248484", "[format][trellis]") {
  // 0x03d45aa4 & 0x8fff8fff = 0x03d40aa4; xor 0x3b603b60 = 0x38b431c4: 0.587890625 and 0.18017578125.
  CHECK(trellis::ThreeInst::value(0) == 0.587890625f + 0.18017578125f);
}

TEST_CASE("Hyb: bit 15 of the hash flips the first component, bits 6 to 14 choose the entry", "[format][trellis]") {
  std::size_t wrong = 0, flipped = 0;
  for (std::uint32_t s = 0; s < all_states; ++s) {
    const std::uint32_t h = s * (s + 1);
    const std::size_t entry = h / 64 % 512;
    const auto y = point_of<trellis::Hyb<>>(s);
    const float sign = h / 32768 % 2 == 1 ? -1.0f : 1.0f;
    flipped += h / 32768 % 2;
    wrong += y[0] == sign * trellis::detail::hyb_points[2 * entry] ? 0 : 1;
    wrong += y[1] == trellis::detail::hyb_points[2 * entry + 1] ? 0 : 1;
  }
  CHECK(wrong == 0);
  CHECK(flipped > all_states / 3);
}

TEST_CASE("trellis codes: the points are what files were written with", "[format][trellis]") {
  CHECK(checksum<trellis::OneMad>() == 0x00f4374270da80c2u);
  CHECK(checksum<trellis::ThreeInst>() == 0x7951c94a76a33f25u);
  CHECK(checksum<trellis::Hyb<>>() == 0xcbd2768b9a602325u);
  CHECK(checksum<trellis::LookUp<1>>() == 0xffd428a5579be325u);
  CHECK(checksum<trellis::LookUp<2>>() == 0x6796e3315daf8325u);
}

TEMPLATE_LIST_TEST_CASE(
    "TrellisFormat: every state's point encodes to a state of that point, and any point to a nearest",
    "[format][trellis]", trellis_codes) {
  using C = TestType;
  using F = TrellisFormat<C, 12>;
  STATIC_REQUIRE((Format<F> && F::cardinality == 4096 && F::dim == C::dim));
  const F format;
  std::size_t wrong = 0;
  for (std::uint32_t s = 0; s < F::cardinality; ++s) {
    const auto y = point_of<C>(s);
    const std::uint16_t again = format.encode(y);
    wrong += again <= s && point_of<C>(again) == y ? 0 : 1;
  }
  Rng rng(4);
  for (int i = 0; i < 60; ++i) {
    std::array<float, C::dim> x;
    for (float& v : x) v = static_cast<float>((i % 7 == 0 ? 9.0 : 1.2) * rng.normal());
    std::uint32_t nearest = 0;
    for (std::uint32_t s = 1; s < F::cardinality; ++s)
      if (apart(point_of<C>(s), x) < apart(point_of<C>(nearest), x)) nearest = s;
    wrong += format.encode(x) == nearest ? 0 : 1;
  }
  CHECK(wrong == 0);
}

TEMPLATE_LIST_TEST_CASE("TrellisFormat: NaN counts as zero, and any float has a nearest state", "[format][trellis]",
                        trellis_codes) {
  const TrellisFormat<TestType, 8> format;
  std::array<float, TestType::dim> x{}, nan;
  nan.fill(std::numeric_limits<float>::quiet_NaN());
  CHECK(format.encode(nan) == format.encode(x));
  for (const float v : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::max(), 1e-42f, -0.0f}) {
    x.fill(v);
    CHECK(format.encode(x) < 256);
    x.fill(-v);
    CHECK(format.encode(x) < 256);
  }
}

TEST_CASE("TrellisFormat: sixteen bits of state are all encoded and decoded", "[format][trellis]") {
  const TrellisFormat<trellis::ThreeInst, 16> format;
  STATIC_REQUIRE(TrellisFormat<trellis::ThreeInst, 16>::name == "3inst_l16");
  std::size_t wrong = 0;
  for (std::uint32_t s = 0; s < all_states; ++s) {
    std::array<float, 1> y, again;
    format.decode(static_cast<std::uint16_t>(s), y);
    format.decode(format.encode(y), again);
    wrong += y == again ? 0 : 1;
  }
  CHECK(wrong == 0);
}

}  // namespace lowbit::test::trellis_tests
