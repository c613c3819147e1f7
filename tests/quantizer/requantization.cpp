// SPDX-License-Identifier: MIT
#include <cmath>
#include <vector>

#include "catch.hpp"
#include "support/rate_presets.hpp"
#include "support/rate_table.hpp"

namespace lowbit::test::requantization_tests {

namespace {

double squared(float a, float b) { return std::pow(static_cast<double>(a) - static_cast<double>(b), 2); }

/// Σ(x − x̂)² of whole groups with codes from code(x, p), the parameters as stored, over that with q's own codes.
template <class Q, class Code>
double ratio_to_own(const Q& q, std::span<const float> w, std::size_t size, const Code& code) {
  double others = 0.0, own = 0.0;
  for (std::size_t begin = 0; begin < w.size(); begin += size) {
    const auto group = w.subspan(begin, size);
    const auto p = q.fit(group);
    for (std::size_t i = 0; i < size; ++i) {
      const auto point = point_params(q, p, i);
      others += squared(group[i], q.dequantize(code(group, i, point), point));
      own += squared(group[i], q.dequantize(q.quantize(group[i], point), point));
    }
  }
  return others / own;
}

/// Codes by the scale max|x| / largest from before it was stored.
template <class F>
auto by_exact_scale = [](std::span<const float> group, std::size_t i, const auto&) {
  return F{}.encode(group[i] / (lowbit::detail::extremes(group).magnitude() / F::largest));
};

}  // namespace

TEST_CASE("stored scales: codes chosen again for what is read back never err more than the first ones",
          "[quantizer][published]") {
  auto all = test::gaussian_weights();
  const std::span<const float> w(all.data(), 1 << 16);
  // One byte per scale: the dynamic map, E4M3, E5M3 and E8M0.
  DoubleQuantized<NF4> twice;
  std::vector<float> maxima;
  for (std::size_t begin = 0; begin < w.size(); begin += 64) maxima.push_back(lowbit::detail::extremes(w.subspan(begin, 64)).magnitude());
  const Groups groups(1, w.size(), 64);
  std::vector<float> shared(DoubleQuantized<NF4>::shared_count(groups));
  twice.fit_shared({.values = w, .rows = 1, .cols = w.size(), .groups = groups, .maxima = maxima}, shared);
  twice = twice.with_shared(std::span<const float>(shared), groups, 0, 0);
  const auto first_block = w.first(64 * 256);  // the groups of one second-level scale
  CHECK(ratio_to_own(twice, first_block, 64, by_exact_scale<NF4>) > 1.0);
  CHECK(ratio_to_own(Scaled<E2M1, UE4M3, 16>{}, w, 16, by_exact_scale<E2M1>) > 1.0);
  CHECK(ratio_to_own(Scaled<E2M1, UE5M3, 16>{}, w, 16, by_exact_scale<E2M1>) > 1.0);
  CHECK(ratio_to_own(Mxfp4{}, w, 32, by_exact_scale<E2M1>) > 1.0);
  // Whole numbers times a scale of the super-block.
  const auto searched = [](std::span<const float> group, std::size_t i, const auto& point) {
    auto from_search = point;
    from_search.scale = 0.0f;  // then codes are those of the search
    return GgufQ4K::code_of(group[i], from_search);
  };
  CHECK(ratio_to_own(GgufQ4K{}, w, 256, searched) > 1.0);
  const auto searched6 = [](std::span<const float> group, std::size_t i, const auto& point) {
    auto from_search = point;
    from_search.scale = 0.0f;
    return GgufQ6K::code_of(group[i], from_search);
  };
  CHECK(ratio_to_own(GgufQ6K{}, w, 256, searched6) > 1.0);
}

namespace {

template <class Q>
void check_bits(const Q& q, double per_weight, double per_matrix = 0.0) {
  const std::vector<float> w(64 * 4096, 0.5f);
  const auto m = quantize_nearest(q, w, 64, 4096).value();
  INFO(Q::storage_name());
  CHECK(m.bits_per_weight() == 8.0 * static_cast<double>(m.stored_bytes()) / static_cast<double>(w.size()));
  CHECK(m.bits_per_weight() == test::Approx(per_weight + per_matrix / static_cast<double>(w.size())).epsilon(1e-12));
}

}  // namespace

TEST_CASE("bits per weight: bytes times eight over weights, and the published number, for every container",
          "[quantizer][published]") {
  check_bits(test::uniform<Int2>(), 2.125);
  check_bits(test::uniform<Int2, ZeroPoint::integer>(), 2.0 + 18.0 / 128);
  check_bits(test::uniform<Int3>(), 3.125);
  check_bits(test::uniform<Int3, ZeroPoint::integer>(), 3.0 + 19.0 / 128);
  check_bits(test::uniform<Int4>(), 4.125);
  check_bits(test::uniform<Int4, ZeroPoint::integer>(), 4.0 + 20.0 / 128);
  check_bits(test::uniform<Int4, ZeroPoint::real>(), 4.0 + 32.0 / 128);
  check_bits(test::uniform<Int5>(), 5.125);
  check_bits(test::uniform<Int6>(), 6.125);
  check_bits(test::uniform<Int7>(), 7.125);
  check_bits(test::uniform<Int8>(), 8.125);
  check_bits(Mxfp4{}, 4.25);
  check_bits(Mxfp6E2M3{}, 6.25);
  check_bits(Mxfp6E3M2{}, 6.25);
  check_bits(Mxfp8E4M3{}, 8.25);
  check_bits(Mxint8{}, 8.25);
  check_bits(Nvfp4{}, 4.5, 32.0);
  check_bits(Scaled<E2M1, UE5M3, 16>{}, 4.5);
  check_bits(Scaled<NF4, float, 64>{}, 4.5);
  check_bits(Scaled<NF4, float, 32>{}, 5.0);
  check_bits(DoubleQuantized<NF4>{}, 4.0 + 8.0 / 64 + 32.0 / (64 * 256), 32.0);
  check_bits(Scaled<Dynamic8, float, 256>{}, 8.125);
  check_bits(Scaled<Dynamic8, float, 2048>{}, 8.0 + 32.0 / 2048);
  check_bits(BinaryScaled<1>{}, 1.125);
  check_bits(PhaseScaled<1>{}, 1.25);
  check_bits(PhaseScaled<2>{}, 2.5);
  check_bits(GgufQ4_0{}, 4.5);
  check_bits(GgufQ4_1{}, 5.0);
  check_bits(GgufQ5_0{}, 5.5);
  check_bits(GgufQ8_0{}, 8.5);
  check_bits(GgufQ2K{}, 2.625);
  check_bits(GgufQ3K{}, 3.4375);
  check_bits(GgufQ4K{}, 4.5);
  check_bits(GgufQ5K{}, 5.5);
  check_bits(GgufQ6K{}, 6.5625);
  check_bits(GgufIq4Nl{}, 4.5);
  check_bits(GgufIq4Xs{}, 4.25);
  check_bits(GgufTq1_0{}, 1.6875);
  check_bits(GgufTq2_0{}, 2.0625);
  check_bits(GgufMxfp4{}, 4.25);
}

TEST_CASE("GGUF's MXFP4 and NVFP4: points of Gaussian weights are those of MX and of one-level E2M1, but for ties",
          "[quantizer][gguf][published]") {
  const auto w = test::gaussian_weights();
  std::size_t ties = 0, wrong = 0, scales = 0;
  const auto compare = [&](float x, float a, float b) {
    if (a == b) return;
    // Two neighbours at the same distance.
    const double da = std::fabs(static_cast<double>(a) - static_cast<double>(x)), db = std::fabs(static_cast<double>(b) - static_cast<double>(x));
    (std::fabs(da - db) <= 1e-6 * std::fmax(da, db) ? ties : wrong) += 1;
  };
  for (std::size_t begin = 0; begin < w.size(); begin += 32) {
    const auto block = std::span(w).subspan(begin, 32);
    const Mxfp4 ocp;
    const GgufMxfp4 ggml;
    const auto p = ocp.fit(block);
    const auto g = ggml.fit(block);
    wrong += ggml.store(g).bits == ocp.store(p).bits ? 0 : 1;
    const auto point = point_params(ggml, g, 0);
    for (const float x : block) compare(x, ocp.dequantize(ocp.quantize(x, p), p), ggml.dequantize(ggml.quantize(x, point), point));
  }
  for (std::size_t begin = 0; begin < w.size(); begin += 64) {
    const auto block = std::span(w).subspan(begin, 64);
    const Scaled<E2M1, UE4M3, 16> ocp;
    const GgufNvfp4 ggml;
    const auto g = ggml.fit(block);
    for (std::size_t s = 0; s < 4; ++s) {
      const auto part = block.subspan(16 * s, 16);
      const auto p = ocp.fit(part);
      const auto point = point_params(ggml, g, 16 * s);
      if (point.scale != p.scale && 2.0f * point.scale != p.scale) {
        ++scales;
        continue;
      }
      for (const float x : part) compare(x, ocp.dequantize(ocp.quantize(x, p), p), ggml.dequantize(ggml.quantize(x, point), point));
    }
  }
  CHECK(wrong == 0);
  CHECK(scales == 0);
  CHECK(ties <= 16);
}

}  // namespace lowbit::test::requantization_tests
