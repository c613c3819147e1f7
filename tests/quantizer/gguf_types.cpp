// SPDX-License-Identifier: MIT

#include <algorithm>
#include <cmath>
#include <concepts>
#include <span>
#include <string>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/kernel/dequantize.hpp"
#include "support/gguf_oracle.hpp"
#include "support/layers.hpp"
#include "support/types.hpp"

namespace lowbit::test::gguf_types_tests {
namespace {

std::string hex(const std::vector<std::uint8_t>& bytes) {
  std::string text;
  for (const std::uint8_t b : bytes) {
    text += "0123456789abcdef"[b / 16];
    text += "0123456789abcdef"[b % 16];
  }
  return text;
}

std::vector<float> ramp(std::size_t n) {
  std::vector<float> x(n);
  for (std::size_t j = 0; j < n; ++j) x[j] = static_cast<float>(static_cast<int>((37 * j + 11) % 101) - 50) / 16.0f;
  return x;
}

std::vector<float> trits() {
  std::vector<float> x(256);
  for (std::size_t j = 0; j < 256; ++j) x[j] = 0.5f * static_cast<float>(static_cast<int>((37 * j + 11) % 101 % 3) - 1);
  return x;
}

std::vector<float> laplace(std::size_t n) {
  Rng rng(4321);
  std::vector<float> v(n);
  for (float& x : v) {
    const double magnitude = -std::log(1.0 - rng.uniform());
    x = static_cast<float>(rng.below(2) == 0 ? magnitude : -magnitude);
  }
  return v;
}

template <class Q>
std::vector<float> decode(const QuantizedMatrix<Q>& matrix) {
  std::vector<float> out(matrix.rows() * matrix.cols());
  dequantize<isa::scalar>(matrix.view(), 0, matrix.rows(), out);
  return out;
}

template <class Q>
std::string block_hex(const std::vector<float>& x) {
  return hex(to_gguf_blocks(quantize_nearest(Q{}, x, 1, x.size()).value()).value());
}

double nmse(const std::vector<float>& x, const std::vector<float>& y) {
  double error = 0.0, energy = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double w = static_cast<double>(x[i]), e = static_cast<double>(y[i]) - w;
    error += e * e;
    energy += w * w;
  }
  return error / energy;
}

/// Any bytes, but with finite scales.
template <class Q>
std::vector<std::uint8_t> random_blocks(std::size_t count, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<std::uint8_t> bytes(count * Q::block_bytes);
  for (std::uint8_t& b : bytes) b = static_cast<std::uint8_t>(rng.below(256));
  const io::GgmlTypeInfo& info = *io::find_ggml_type(static_cast<std::uint32_t>(gguf_type<Q>()));
  for (std::size_t b = 0; b < bytes.size(); b += Q::block_bytes) {
    for (const std::int32_t half : {info.first_half, info.second_half})
      if (half >= 0 && (bytes[b + static_cast<std::size_t>(half) + 1] & 0x7c) == 0x7c)
        bytes[b + static_cast<std::size_t>(half) + 1] ^= 0x40;
    if (std::same_as<Q, GgufMxfp4> && bytes[b] == 255) bytes[b] = 254;
  }
  return bytes;
}

TEST_CASE("gguf types: the ramp gives the reference's bytes", "[quantizer][gguf]") {
  CHECK(block_hex<GgufQ4_0>(ramp(32)) == "4036f258be1379df359bf147ac0268ce248a");
  CHECK(block_hex<GgufQ4_1>(ramp(32)) == "893640c2f257bd1379cf358ae146ac0268bd2479");
  CHECK(block_hex<GgufQ8_0>(ramp(32)) == "4d269dfb59b61472d02e8be947a50361be1c7ad73593f14fac0a68c62481df3d9af8");
  CHECK(block_hex<GgufIq4Nl>(ramp(32)) == "5426f157ce137adf249cf036bd0258ce137a");
  CHECK(block_hex<GgufMxfp4>(ramp(32)) == "7e7ec056fe9267ec147fda35feb056ed93");
  CHECK(block_hex<GgufNvfp4>(ramp(64)) == "2f303030ffa966ee0277dd3477dc35ffb956ee9156ee0267dc247fca347fba56fe9166ed");
  CHECK(block_hex<GgufQ4K>(ramp(256)) ==
        "de1e802afffffffafff8fafaceafbfbcc2278dd3499e055ab1167cc2388de449af056bb1277cd3389ee45aa0166bc22748ad0469c0157b"
        "d137"
        "9cf358ae046ac0268be2379df359be157ad1268ce248ada0156bc1278cd3489e045ab0167bc2378de349ae056ab1267cd2389de459af15"
        "268c"
        "e248ad0459b0157bd1379ce348ae046ac0267bd2379df359be156ac1268c");
  CHECK(block_hex<GgufQ6K>(ramp(256)) ==
        "45df28bc069f137cf08ad367f14ade285ed67df57c038b02aa22b931b85fd75e26ac058d037bf179d258d048ce27af2583fc741d960eb6"
        "2fd8"
        "40b961da53fb74d158bf37be25ad048b047bf37ad159d0c941ea63eb74fb741d951ea72fc841c9bf35ad169b048df26be069d147cf38bd"
        "1a92"
        "2c840d85ed77ff57d038b04aa22b6cb11b6cc61b71c61cb1cb6cb21b6cc6e74d3ad04d37904ae7913ae44d3a904d18b1c66cb11b6c861b"
        "71c6"
        "1cb1c76cb22453f9248ef9138ef4538d2452f9248e8d81877c897a8677807f897a867a84877592");
}

TEST_CASE("gguf types: ternary weights give the reference's bytes, and come back", "[quantizer][gguf]") {
  CHECK(block_hex<GgufTq1_0>(trits()) ==
        "c1416e246bce61cb99de4ac1416e246bce61cb99de4ac1416e246b2361cb99de941093bba3bb31ba31e936941093bba3465cf15c0038");
  CHECK(block_hex<GgufTq2_0>(trits()) ==
        "62886184218611461966986288618421861146196698628861842184114619668411461966186298618821841146196618629861882184"
        "1146"
        "196618629861880038");
  CHECK(decode(quantize_nearest(GgufTq1_0{}, trits(), 1, 256).value()) == trits());
  CHECK(decode(quantize_nearest(GgufTq2_0{}, trits(), 1, 256).value()) == trits());
  CHECK(decode(quantize_nearest(GgufQ2_0{}, trits(), 1, 256).value()) == trits());
}

TEST_CASE("iq4_nl: the searched ramp gives the reference's bytes", "[quantizer][gguf]") {
  const std::vector<float> x = ramp(32);
  const GgufIq4Nl q;
  const auto p = q.fit_searched(x);
  CHECK(q.store(p).bits == 0x2698);
  std::vector<std::uint8_t> qs(16);
  for (std::size_t j = 0; j < 16; ++j)
    qs[j] = static_cast<std::uint8_t>(q.quantize(x[j], p) + 16 * q.quantize(x[j + 16], p));
  CHECK(hex(qs) == "f157ce137adf249be146bd0258ce137a");
}

TEMPLATE_LIST_TEST_CASE("gguf types: name, block and bytes are those of the format's table", "[quantizer][gguf]",
                        gguf_quantizers) {
  const io::GgmlTypeInfo* info = io::find_ggml_type(static_cast<std::uint32_t>(gguf_type<TestType>()));
  REQUIRE(gguf_type<TestType>() != io::GgmlType::F32);
  REQUIRE(info != nullptr);
  CHECK(info->block_length == TestType::group_size);
  CHECK(info->block_bytes == TestType::block_bytes);
  CHECK(random_layer<TestType>(3, 2 * TestType::group_size).weights.stored_bytes() >= 6 * TestType::block_bytes);
}

TEMPLATE_LIST_TEST_CASE("gguf types: any bytes with finite scales decode as the format says, and go back unchanged",
                        "[quantizer][gguf]", gguf_quantizers) {
  constexpr std::size_t rows = 5, blocks = 3, cols = blocks * TestType::group_size;
  for (const std::uint64_t seed : {1, 2, 3, 4}) {
    const std::vector<std::uint8_t> bytes = random_blocks<TestType>(rows * blocks, seed);
    const auto matrix = from_gguf_blocks<TestType>(bytes, rows, cols).value();
    CHECK(to_gguf_blocks(matrix).value() == bytes);
    const std::vector<float> want = gguf_decode<TestType>(bytes);
    CHECK(decode(matrix) == want);
    std::vector<float> native(rows * cols);
    dequantize(matrix.view(), 0, rows, native);
    CHECK(native == want);
    for (std::size_t r = 0; r < rows; ++r)  // parameters survive storage
      for (std::size_t g = 0; g < blocks; ++g) {
        const auto p = matrix.group_params(r, g);
        CHECK(matrix.quantizer().load(matrix.quantizer().store(p), 0) == p);
        if (!std::same_as<TestType, GgufNvfp4>) CHECK(matrix.quantizer().store(p) == matrix.params()[r * blocks + g]);
      }
  }
}

TEMPLATE_LIST_TEST_CASE("gguf types: a quantized matrix goes to the file and back", "[quantizer][gguf]",
                        gguf_quantizers) {
  const std::vector<float> x = normals(4 * 512, 3);
  const auto matrix = quantize_nearest(TestType{}, x, 4, 512).value();
  const auto bytes = to_gguf_blocks(matrix).value();
  const auto back = from_gguf_blocks<TestType>(bytes, 4, 512).value();
  CHECK(std::ranges::equal(back.codes(), matrix.codes()));
  CHECK(std::ranges::equal(back.params(), matrix.params()));
  CHECK(gguf_decode<TestType>(bytes) == decode(matrix));
  CHECK(quantize_nearest(TestType{}, normals(2 * 300, 4), 2, 300).has_value());
}

TEMPLATE_LIST_TEST_CASE("gguf types: fit keeps what load(store(p)) keeps; short groups are groups of what is there",
                        "[quantizer][gguf]", gguf_quantizers) {
  const TestType q;
  const std::vector<float> x = normals(256, 12);
  for (std::size_t n = 1; n <= TestType::group_size; n += n < 40 ? 1 : 13) {
    const auto group = std::span(x).first(n);
    const auto p = q.fit(group);
    CHECK(q.load(q.store(p), 0) == p);
    double error = 0.0, energy = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
      const auto point = point_params(q, p, i);
      const double y = static_cast<double>(q.dequantize(q.quantize(group[i], point), point));
      error += std::pow(y - static_cast<double>(group[i]), 2);
      energy += std::pow(static_cast<double>(group[i]), 2);
    }
    INFO(n << " elements");
    CHECK(error <= energy);
    if (TestType::levels.size() >= 16 && n <= 2) CHECK(error <= 0.07 * energy);  // 8 on a grid that ends at 6
  }
}

TEMPLATE_LIST_TEST_CASE("gguf types: zero blocks, tiny blocks and the largest floats give no NaN", "[quantizer][gguf]",
                        gguf_quantizers) {
  constexpr std::size_t n = 512;
  for (const float tiny : {0.0f, -0.0f, 1e-45f, 1e-39f, 1e-36f, 1e-31f, 1e-29f, 1e-20f, 1e-15f, 1e-12f}) {
    std::vector<float> x(n, tiny);
    x[5] = -tiny;
    x[77] = 3.0f * tiny;
    const std::vector<float> y = decode(quantize_nearest(TestType{}, x, 1, n).value());
    INFO(tiny);
    for (const float v : y)
      CHECK(std::fabs(v) <= 4.0f * std::fabs(tiny) + (std::same_as<TestType, GgufMxfp4> ? 1e-37f : 0.0f));
  }
  for (const float huge : {1e4f, 6e4f, 1e6f, 1e9f, 1e19f, 1e25f, 3.4e38f}) {
    std::vector<float> x = normals(n, 6);
    for (float& v : x) v *= huge / 5.0f;
    x[3] = huge;
    x[300] = -huge;
    const auto result = quantize_nearest(TestType{}, x, 1, n);
    INFO(huge);
    if (!result) {
      CHECK(result.error().code == Errc::not_finite);
      continue;
    }
    for (const float v : decode(*result)) CHECK(std::isfinite(v));
  }
}

TEMPLATE_LIST_TEST_CASE("gguf types: blocks whose sub-blocks are zeros, constants and outliers", "[quantizer][gguf]",
                        gguf_quantizers) {
  std::vector<float> x = normals(1024, 8);
  for (std::size_t i = 0; i < 256; ++i) x[i] = i / 16 == 3 ? 0.0f : i / 32 == 4 ? 0.5f : x[i];
  for (std::size_t i = 256; i < 512; ++i) x[i] = i == 300 ? 1000.0f : x[i] * 1e-3f;
  for (std::size_t i = 512; i < 768; ++i) x[i] = 5.0f + x[i];
  for (std::size_t i = 768; i < 1024; ++i) x[i] = -3.0f;
  const auto matrix = quantize_nearest(TestType{}, x, 1, 1024).value();
  const std::vector<float> y = decode(matrix);
  CHECK(nmse(x, y) < 1.0);
  CHECK(gguf_decode<TestType>(to_gguf_blocks(matrix).value()) == y);
}

/// Published for N(0, 1) and sign·Exp(1); 0 where nothing is.
struct Noise {
  double gauss = 0.0, laplace = 0.0;
};
template <class Q>
inline constexpr Noise published{};
template <>
inline constexpr Noise published<GgufQ4_0>{0.00740, 0.01143};
template <>
inline constexpr Noise published<GgufQ4_1>{0.00613, 0.00850};
template <>
inline constexpr Noise published<GgufQ5_0>{0.00182, 0.00288};
template <>
inline constexpr Noise published<GgufQ8_0>{2.86e-5, 4.55e-5};
template <>
inline constexpr Noise published<GgufQ2K>{0.0877, 0.1196};
template <>
inline constexpr Noise published<GgufQ3K>{0.0228, 0.0311};
template <>
inline constexpr Noise published<GgufQ4K>{0.00510, 0.00721};
template <>
inline constexpr Noise published<GgufQ5K>{0.00131, 0.00185};
template <>
inline constexpr Noise published<GgufQ6K>{3.15e-4, 4.69e-4};
template <>
inline constexpr Noise published<GgufIq4Nl>{0.00621, 0.00802};
template <>
inline constexpr Noise published<GgufIq4Xs>{0.00591, 0.00788};
template <>
inline constexpr Noise published<GgufMxfp4>{0.01322, 0.01592};
template <>
inline constexpr Noise published<GgufNvfp4>{0.00907, 0.0};
template <>
inline constexpr Noise published<GgufQ2_0>{0.51, 0.0};

TEMPLATE_LIST_TEST_CASE("gguf types: noise on Gaussian and Laplacian weights is the published",
                        "[quantizer][gguf][published]", gguf_quantizers) {
  constexpr std::size_t n = std::size_t{1} << 18;
  const auto noise = [](const std::vector<float>& x) {
    return nmse(x, decode(quantize_nearest(TestType{}, x, n / 4096, 4096).value()));
  };
  constexpr Noise want = published<TestType>;
  if (want.gauss > 0.0) CHECK(noise(normals(n, 1234)) == Approx(want.gauss).epsilon(0.02));
  if (want.laplace > 0.0) CHECK(noise(laplace(n)) == Approx(want.laplace).epsilon(0.02));
}

TEST_CASE("gguf types: Q4_K beats Q4_1 by 0.85 and Q4_0 by 0.70", "[quantizer][gguf][published]") {
  const std::vector<float> x = normals(std::size_t{1} << 16, 77);
  const auto noise = [&](const auto& q) { return nmse(x, decode(quantize_nearest(q, x, 16, 4096).value())); };
  CHECK(noise(GgufQ4K{}) <= 0.85 * noise(GgufQ4_1{}));
  CHECK(noise(GgufQ4K{}) <= 0.70 * noise(GgufQ4_0{}));
}

/// Σ h(x̂ − x)² over the groups of x with parameters from fit(group, g).
template <class Q, class Fit>
double weighted_error(const Q& q, const std::vector<float>& x, const std::vector<float>& h, const Fit& fit) {
  double sum = 0.0;
  for (std::size_t g = 0; g < x.size(); g += Q::group_size) {
    const auto p = fit(g);
    for (std::size_t i = 0; i < Q::group_size; ++i) {
      const auto point = point_params(q, p, i);
      const double e = static_cast<double>(q.dequantize(q.quantize(x[g + i], point), point) - x[g + i]);
      sum += static_cast<double>(h[g + i]) * e * e;
    }
  }
  return sum;
}

TEMPLATE_TEST_CASE("gguf types: importance lowers the weighted error", "[quantizer][gguf]", GgufQ4_0, GgufQ4_1,
                   GgufQ5_0, GgufQ5_1, GgufQ2K, GgufQ3K, GgufQ4K, GgufQ5K, GgufQ6K, GgufIq4Nl, GgufIq4Xs) {
  static_assert(WeightedFitting<TestType>);
  const TestType q;
  constexpr std::size_t size = TestType::group_size, n = 64 * size;
  const std::vector<float> x = normals(n, 31);
  std::vector<float> h = normals(n, 32);
  for (float& v : h) v = std::exp(2.0f * v);
  const std::span<const float> all(x), weights(h);
  const double plain = weighted_error(q, x, h, [&](std::size_t g) { return q.fit(all.subspan(g, size)); });
  const double weighted = weighted_error(q, x, h, [&](std::size_t g) {
    return q.fit(all.subspan(g, size), {.importance = weights.subspan(g, size), .row_mean_square = 1.0f});
  });
  CHECK(weighted < 0.95 * plain);
  for (std::size_t g = 0; g < n; g += size) {  // an empty context changes nothing; stored parameters come back
    CHECK(q.fit(all.subspan(g, size), {}) == q.fit(all.subspan(g, size)));
    const auto p = q.fit(all.subspan(g, size), {.importance = weights.subspan(g, size)});
    CHECK(q.load(q.store(p), 0) == p);
  }
  // Importance that is zero, everywhere or for half a group, and short groups.
  const std::vector<float> none(size, 0.0f);
  std::vector<float> half(h.begin(), h.begin() + size);
  std::fill(half.begin(), half.begin() + size / 2, 0.0f);
  for (const std::vector<float>& w : {none, half})
    for (const std::size_t count : {size, size - 3, std::size_t{1}}) {
      const auto p = q.fit(all.first(count), {.importance = std::span(w).first(count)});
      CHECK(params_finite<TestType>(p));
      CHECK(q.load(q.store(p), 0) == p);
    }
}

TEST_CASE("q4_0: a weighted fit's codes are those of its search, ties to even", "[quantizer][gguf]") {
  const std::vector<float> x = normals(32, 5), h(32, 1.0f);
  const GgufQ4_0 q;
  const auto p = q.fit(x, {.importance = h});
  CHECK(p.searched);
  for (const float v : x)
    CHECK(static_cast<float>(q.quantize(v, p)) == std::clamp(std::nearbyint(v * p.inverse), -8.0f, 7.0f) + 8.0f);
  CHECK(q.quantize(0.5f, {1.0f, 1.0f, true}) == 8);
  CHECK(q.quantize(1.5f, {1.0f, 1.0f, true}) == 10);
  CHECK(q.quantize(0.5f, {1.0f, 1.0f, false}) == 9);
  const std::vector<float> zeros(32, 0.0f);
  CHECK(q.quantize(0.0f, q.fit(zeros, {.importance = h})) == 0);  // as the reference has it
  CHECK(q.quantize(0.0f, q.fit(zeros)) == 8);
  // The mean square of the row enters the weights.
  CHECK(q.fit(x, {.importance = h, .row_mean_square = 1e-6f}).inverse != p.inverse);
}

TEST_CASE("iq4_nl: the search is no worse than the reference's first guess, in the error it weighs",
          "[quantizer][gguf]") {
  const GgufIq4Nl q;
  const std::vector<float> x = normals(32 * 500, 44);
  std::size_t worse = 0, better = 0;
  for (std::size_t g = 0; g < x.size(); g += 32) {
    const auto group = std::span(x).subspan(g, 32);
    std::vector<float> h(32);
    for (std::size_t i = 0; i < 32; ++i) h[i] = group[i] * group[i];
    const std::vector<float> values(group.begin(), group.end());
    const double first = weighted_error(q, values, h, [&](std::size_t) { return q.fit(group); });
    const double searched = weighted_error(q, values, h, [&](std::size_t) { return q.fit_searched(group); });
    worse += searched > first * (1.0 + 1e-3) ? 1 : 0;  // the scale is rounded to f16 after the search
    better += searched < first ? 1 : 0;
  }
  CHECK(worse == 0);
  CHECK(better > 300);
}

TEST_CASE("iq4: levels, nearest levels, ties up", "[format][gguf]") {
  const Iq4Nl f;
  for (std::uint8_t c = 0; c < 16; ++c) CHECK(f.encode(f.decode(c)) == c);
  for (int k = -1300; k <= 1300; ++k) {
    const float x = static_cast<float>(k) * 0.125f;
    std::uint8_t best = 0;
    for (std::uint8_t c = 1; c < 16; ++c)
      if (std::fabs(f.decode(c) - x) <= std::fabs(f.decode(best) - x)) best = c;
    CHECK(f.encode(x) == best);
  }
  CHECK(f.encode(0.0f) == 8);
  CHECK(f.encode(-4.5f) == 8);
}

TEST_CASE("mxfp4: ties go to the smaller magnitude, and nothing becomes −0", "[quantizer][gguf]") {
  const GgufMxfp4 q;
  const GgufMxfp4::params_type one{1.0f};
  for (const float x : {0.25f, -0.25f, 0.0f, -0.0f, -0.1f, 1e-30f, -1e-30f}) CHECK(q.quantize(x, one) == 0);
  CHECK(q.quantize(0.75f, one) == 1);
  CHECK(q.quantize(-0.75f, one) == 9);
  CHECK(q.quantize(2.5f, one) == 4);
  CHECK(q.quantize(5.0f, one) == 6);
  CHECK(q.quantize(-5.0f, one) == 14);
  CHECK(q.quantize(5.1f, one) == 7);
  CHECK(q.quantize(1e9f, one) == 7);
  CHECK(q.quantize(-1e30f, one) == 15);
  CHECK(q.quantize(1.0f, {0.0f}) == 0);
  // Away from ties it is E2M1's rounding.
  for (int k = -800; k <= 800; ++k) {
    const float x = static_cast<float>(k) * 0.01f + 0.003f;
    const std::uint8_t c = E2M1::encode(x);
    CHECK(q.quantize(x, one) == (c == 8 ? 0 : c));
  }
  CHECK(q.store(q.fit(std::vector<float>{1.0f})).bits == 125);
  CHECK(q.store(q.fit(std::vector<float>{-7.9f, 1.0f})).bits == 127);
  CHECK(q.store(q.fit(std::vector<float>{1e-40f})).bits == 0);
  CHECK(q.store(q.fit(std::vector<float>{3.4e38f})).bits == 252);
  CHECK(std::isnan(q.load(E8M0::from_bits(255), 0).scale));
}

TEST_CASE("mxfp4: a scale of 255 is an error with its place", "[quantizer][gguf]") {
  std::vector<std::uint8_t> bytes(4 * 17, 0x11);
  bytes[3 * 17] = 255;
  const auto result = from_gguf_blocks<GgufMxfp4>(bytes, 2, 64);
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == Errc::not_finite);
  CHECK(result.error().row == 1u);
  CHECK(result.error().column == 32u);
}

TEST_CASE("nvfp4: scale bytes, their rounding and its quirks", "[quantizer][gguf]") {
  for (unsigned c = 0; c < 256; ++c) {
    const auto byte = static_cast<std::uint8_t>(c);
    const float value = GgufNvfp4::decode_scale(byte);
    if (c < 0x78) CHECK(GgufNvfp4::encode_scale(value) == c);
    if (c < 0x7f) CHECK(value == static_cast<float>(UE4M3::from_bits(byte)));
  }
  CHECK(GgufNvfp4::decode_scale(0x7f) == 0.0f);
  CHECK(GgufNvfp4::encode_scale(256.0f) == 0x7e);
  CHECK(GgufNvfp4::encode_scale(248.0f) == 0x7e);  // carries into the binade that is not used
  CHECK(GgufNvfp4::encode_scale(247.9f) == 0x77);
  CHECK(GgufNvfp4::encode_scale(1e30f) == 0x7e);
  CHECK(GgufNvfp4::encode_scale(-1.0f) == 0);
  CHECK(GgufNvfp4::encode_scale(1.0625f) == 0x39);  // a tie goes up, where UE4M3 takes the even 0x38
  CHECK(static_cast<int>(UE4M3(1.0625f).bits) == 0x38);
  CHECK(GgufNvfp4::encode_scale(7.9f * 0x1p-9f) == 7);  // where rounding would give 8·2^-9
  CHECK(GgufNvfp4::encode_scale(0.49f * 0x1p-9f) == 0);
}

TEST_CASE("nvfp4: the tensor scale beside the blocks multiplies every weight", "[quantizer][gguf]") {
  const std::vector<std::uint8_t> bytes = random_blocks<GgufNvfp4>(6, 9);
  auto matrix = from_gguf_blocks<GgufNvfp4>(bytes, 2, 192).value();
  REQUIRE(matrix.shared().size() == 1);
  CHECK(matrix.shared()[0] == 1.0f);
  const std::vector<float> plain = decode(matrix);
  matrix.shared()[0] = 0.25f;
  std::vector<float> quarter = plain;
  for (float& v : quarter) v *= 0.25f;
  CHECK(decode(matrix) == quarter);
  CHECK(to_gguf_blocks(matrix).value() == bytes);
  CHECK(quantize_nearest(GgufNvfp4{}, normals(128, 3), 1, 128).value().shared()[0] == 1.0f);
}

TEST_CASE("gguf types: a second scale that is not finite is an error too", "[quantizer][gguf]") {
  const auto code = [](auto&& result) { return result.has_value() ? Errc{} : result.error().code; };
  std::vector<std::uint8_t> q4_1(20, 0), q4_k(144, 0), q2_k(84, 0);
  q4_1[3] = q4_k[3] = q2_k[83] = 0x7e;
  CHECK(code(from_gguf_blocks<GgufQ4_1>(q4_1, 1, 32)) == Errc::not_finite);
  CHECK(code(from_gguf_blocks<GgufQ4K>(q4_k, 1, 256)) == Errc::not_finite);
  CHECK(code(from_gguf_blocks<GgufQ2K>(q2_k, 1, 256)) == Errc::not_finite);
}

}  // namespace
}  // namespace lowbit::test::gguf_types_tests
