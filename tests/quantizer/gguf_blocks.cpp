// SPDX-License-Identifier: MIT

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "catch.hpp"
#include "lowbit/core/rng.hpp"
#include "lowbit/quantizer.hpp"

namespace lowbit::test::gguf_blocks_tests {
namespace {

std::vector<std::uint8_t> from_hex(const std::string& hex) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2)
    bytes.push_back(static_cast<std::uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

/// A ramp that float holds exactly.
std::vector<float> ramp(std::size_t n) {
  std::vector<float> x(n);
  for (std::size_t j = 0; j < n; ++j) x[j] = static_cast<float>(static_cast<int>((37 * j + 11) % 101) - 50) / 16.0f;
  return x;
}

std::vector<float> gauss(std::size_t n, std::uint64_t seed = 1) {
  Rng rng(seed);
  std::vector<float> x(n);
  for (float& v : x) v = static_cast<float>(rng.normal());
  return x;
}

std::vector<float> laplace(std::size_t n) {
  Rng rng(2);
  std::vector<float> x(n);
  for (float& v : x) {
    const double magnitude = -std::log(1.0 - rng.uniform());
    v = static_cast<float>(rng.next_u32() % 2 == 0 ? magnitude : -magnitude);
  }
  return x;
}

/// A second decoder, from the description of the file format alone.
std::vector<float> decode_file(bool q8, const std::vector<std::uint8_t>& bytes) {
  std::vector<float> out;
  const std::size_t size = q8 ? 34 : 18;
  for (std::size_t b = 0; b + size <= bytes.size(); b += size) {
    const unsigned half = bytes[b] + 256u * bytes[b + 1];
    const double sign = half >= 0x8000u ? -1.0 : 1.0;
    const int exponent = static_cast<int>(half >> 10 & 31u), fraction = static_cast<int>(half & 1023u);
    const double d = sign * (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25));
    for (std::size_t j = 0; j < 32; ++j) {
      int q = 0;
      if (q8) {
        q = bytes[b + 2 + j];
        if (q > 127) q -= 256;
      } else {
        q = (j < 16 ? bytes[b + 2 + j] % 16 : bytes[b + 2 + j - 16] / 16) - 8;
      }
      out.push_back(static_cast<float>(d * q));
    }
  }
  return out;
}

template <class Q>
std::vector<float> decode(const QuantizedMatrix<Q>& matrix) {
  std::vector<float> out;
  std::vector<std::uint8_t> codes(matrix.cols());
  for (std::size_t r = 0; r < matrix.rows(); ++r) {
    matrix.row_codes(r, codes);
    for (std::size_t c = 0; c < codes.size(); ++c)
      out.push_back(Q{}.dequantize(codes[c], matrix.group_params(r, c / 32)));
  }
  return out;
}

template <class Q>
std::vector<std::uint8_t> blocks_of(const std::vector<float>& x, std::size_t rows = 1) {
  return to_gguf_blocks(quantize_nearest(Q{}, x, rows, x.size() / rows).value()).value();
}

template <class Q>
inline constexpr bool is_q8 = std::same_as<Q, GgufQ8_0>;

TEST_CASE("gguf blocks: a ramp gives the reference's bytes", "[quantizer][gguf]") {
  CHECK(blocks_of<GgufQ4_0>(ramp(32)) == from_hex("4036f258be1379df359bf147ac0268ce248a"));
  CHECK(blocks_of<GgufQ8_0>(ramp(32)) ==
        from_hex("4d269dfb59b61472d02e8be947a50361be1c7ad73593f14fac0a68c62481df3d9af8"));
}

TEST_CASE("gguf q4_0: codes follow the reference's steps, with the reciprocal of the scale before it is rounded",
          "[quantizer][gguf]") {
  const std::vector<float> x = gauss(std::size_t{1} << 16, 9);
  const auto matrix = quantize_nearest(GgufQ4_0{}, x, 64, x.size() / 64).value();
  std::size_t differs_with_rounded_scale = 0;
  std::vector<std::uint8_t> codes(matrix.cols());
  for (std::size_t r = 0; r < 64; ++r) {
    matrix.row_codes(r, codes);
    for (std::size_t g = 0; g < matrix.cols() / 32; ++g) {
      const float* block = x.data() + r * matrix.cols() + g * 32;
      float extreme = 0.0f;
      for (int j = 0; j < 32; ++j)
        if (std::fabs(block[j]) > std::fabs(extreme)) extreme = block[j];
      const float d = extreme / -8.0f;
      REQUIRE(matrix.params()[matrix.groups().index(r, g)] == f16(d));
      const float inverse = 1.0f / d, rounded_inverse = 1.0f / static_cast<float>(f16(d));
      for (std::size_t j = 0; j < 32; ++j) {
        const volatile float product = block[j] * inverse, other = block[j] * rounded_inverse;  // no fused multiply-add
        REQUIRE(codes[g * 32 + j] == std::min(15, static_cast<int>(product + 8.5f)));
        differs_with_rounded_scale += codes[g * 32 + j] != std::clamp(static_cast<int>(other + 8.5f), 0, 15) ? 1 : 0;
      }
    }
  }
  CHECK(differs_with_rounded_scale > 0);
}

TEST_CASE("gguf q4_0: of two elements of one magnitude the first sets the sign of the scale", "[quantizer][gguf]") {
  std::vector<float> x(32, 0.5f);
  x[3] = -4.0f;
  x[9] = 4.0f;
  const GgufQ4_0 q;
  CHECK(q.fit(x).scale == 0.5f);
  CHECK(q.quantize(-4.0f, q.fit(x)) == 0);
  CHECK(q.quantize(4.0f, q.fit(x)) == 15);
  std::swap(x[3], x[9]);
  CHECK(q.fit(x).scale == -0.5f);
  CHECK(q.quantize(4.0f, q.fit(x)) == 0);
  CHECK(q.quantize(0.25f, GgufQ4_0::params_type{1.0f, 1.0f}) == 8);
  CHECK(q.quantize(0.5f, GgufQ4_0::params_type{1.0f, 1.0f}) == 9);   // ties go up
  CHECK(q.quantize(-0.5f, GgufQ4_0::params_type{1.0f, 1.0f}) == 8);  // both of them
  CHECK(q.quantize(100.0f, GgufQ4_0::params_type{1.0f, 1.0f}) == 15);
  CHECK(q.quantize(-100.0f, GgufQ4_0::params_type{1.0f, 1.0f}) == 0);
}

TEST_CASE("gguf q8_0: ties go away from zero, and −128 never comes out", "[quantizer][gguf]") {
  const GgufQ8_0 q;
  const GgufQ8_0::params_type one{1.0f, 1.0f};
  CHECK(q.quantize(2.5f, one) == 128 + 3);
  CHECK(q.quantize(-2.5f, one) == 128 - 3);
  CHECK(q.quantize(-1000.0f, one) == 1);
  CHECK(q.quantize(1000.0f, one) == 255);
  CHECK(q.quantize(std::numeric_limits<float>::max(), {1e-3f, 1e3f}) == 255);
  CHECK(q.dequantize(0, one) == -128.0f);
  CHECK(q.dequantize(128, one) == 0.0f);
}

TEMPLATE_TEST_CASE("gguf blocks: to the file and back is exact for every pattern of bytes with a finite scale",
                   "[quantizer][gguf]", GgufQ4_0, GgufQ8_0) {
  constexpr std::size_t rows = 7, cols = 96, size = TestType::block_bytes;
  std::vector<std::uint8_t> bytes(rows * cols / 32 * size);
  Rng rng(5);
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(rng.below(256));
  for (std::size_t b = 0; b < bytes.size(); b += size)
    if ((bytes[b + 1] & 0x7c) == 0x7c) bytes[b + 1] ^= 0x40;
  bytes[2] = 0x80;                             // −128 for q8_0
  bytes[size] = 0x00, bytes[size + 1] = 0x80;  // a scale of −0
  const auto matrix = from_gguf_blocks<TestType>(bytes, rows, cols).value();
  CHECK(to_gguf_blocks(matrix).value() == bytes);
  CHECK(decode(matrix) == decode_file(is_q8<TestType>, bytes));
  if (is_q8<TestType>) CHECK(decode(matrix)[0] == -128.0f * matrix.group_params(0, 0).scale);
  CHECK(matrix.bits_per_weight() == 8.0 * size / 32.0);
}

TEMPLATE_TEST_CASE("gguf blocks: a matrix goes to the file and back with every code and scale", "[quantizer][gguf]",
                   GgufQ4_0, GgufQ8_0) {
  const std::vector<float> x = gauss(5 * 128, 3);
  const auto matrix = quantize_nearest(TestType{}, x, 5, 128).value();
  const auto bytes = to_gguf_blocks(matrix).value();
  REQUIRE(bytes.size() == 5 * 4 * TestType::block_bytes);
  const auto back = from_gguf_blocks<TestType>(bytes, 5, 128).value();
  CHECK(std::ranges::equal(back.codes(), matrix.codes()));
  CHECK(std::ranges::equal(back.params(), matrix.params()));
  CHECK(decode_file(is_q8<TestType>, bytes) == decode(matrix));
}

TEMPLATE_TEST_CASE("gguf blocks: values already on the grid come back unchanged, and give the same bytes",
                   "[quantizer][gguf]", GgufQ4_0, GgufQ8_0) {
  for (const float magnitude : {1.0f, 1e-3f, 1e-6f, 1e4f}) {
    std::vector<float> x = gauss(4096, 6);
    for (float& v : x) v *= magnitude;
    const auto once = quantize_nearest(TestType{}, x, 2, 2048).value();
    const std::vector<float> grid = decode(once);
    const auto twice = quantize_nearest(TestType{}, grid, 2, 2048).value();
    CHECK(decode(twice) == grid);
    if (magnitude > 1e-5f) CHECK(to_gguf_blocks(twice).value() == to_gguf_blocks(once).value());
  }
}

TEMPLATE_TEST_CASE("gguf blocks: parameters survive storage, for every scale", "[quantizer][gguf]", GgufQ4_0,
                   GgufQ8_0) {
  const TestType q;
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const f16 stored = f16::from_bits(static_cast<std::uint16_t>(bits));
    if (!std::isfinite(static_cast<float>(stored))) continue;
    const auto p = q.load(stored, 0);
    REQUIRE(q.store(p) == stored);
    REQUIRE(q.load(q.store(p), 0) == p);
    REQUIRE(std::isfinite(p.inverse));
  }
  const std::vector<float> x = gauss(3200, 8);
  for (std::size_t i = 0; i < x.size(); i += 32) {
    const auto p = q.fit(std::span(x).subspan(i, 32));
    CHECK(q.load(q.store(p), 0) == p);
    CHECK(p.inverse == test::Approx(1.0 / static_cast<double>(p.scale)).epsilon(1e-3));
  }
}

TEMPLATE_TEST_CASE("gguf blocks: zero blocks and vanishing blocks decode to zeros", "[quantizer][gguf]", GgufQ4_0,
                   GgufQ8_0) {
  for (const float tiny : {0.0f, -0.0f, 1e-45f, 1e-39f, 1e-30f, 1e-10f}) {
    std::vector<float> x(64, tiny);
    x[5] = -tiny;
    const auto matrix = quantize_nearest(TestType{}, x, 1, 64).value();
    for (const float v : decode(matrix)) CHECK(v == 0.0f);
  }
  const std::vector<std::uint8_t> bytes = blocks_of<TestType>(std::vector<float>(32, 0.0f));
  for (std::size_t i = 2; i < bytes.size(); ++i) CHECK(bytes[i] == (is_q8<TestType> ? 0x00 : 0x88));
  CHECK(bytes[0] == 0x00);
  CHECK((bytes[1] & 0x7f) == 0x00);
}

TEMPLATE_TEST_CASE("gguf blocks: noise on Gaussian and Laplacian weights is the published", "[quantizer][gguf]",
                   GgufQ4_0, GgufQ8_0) {
  const auto noise = [](const std::vector<float>& x) {
    const std::vector<float> y = decode(quantize_nearest(TestType{}, x, 256, x.size() / 256).value());
    double error = 0.0, energy = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double w = static_cast<double>(x[i]), e = static_cast<double>(y[i]) - w;
      error += e * e;
      energy += w * w;
    }
    return error / energy;
  };
  constexpr std::size_t n = std::size_t{1} << 18;
  CHECK(noise(gauss(n)) == test::Approx(is_q8<TestType> ? 2.86e-5 : 0.00740).epsilon(0.02));
  CHECK(noise(laplace(n)) == test::Approx(is_q8<TestType> ? 4.55e-5 : 0.01143).epsilon(0.02));
}

TEMPLATE_TEST_CASE("gguf blocks: what a file cannot hold is a named error", "[quantizer][gguf]", GgufQ4_0, GgufQ8_0) {
  const auto code = [](auto&& result) { return result.has_value() ? std::optional<Errc>() : result.error().code; };
  const auto odd = quantize_nearest(TestType{}, gauss(2 * 40), 2, 40).value();
  CHECK(code(to_gguf_blocks(odd)) == Errc::shape_mismatch);
  CHECK(to_gguf_blocks(odd).error().value == 40.0);
  auto ordered = quantize_nearest(TestType{}, gauss(64), 1, 64).value();
  std::vector<std::uint32_t> order(64);
  std::iota(order.rbegin(), order.rend(), 0u);
  ordered.set_column_order(order);
  CHECK(code(to_gguf_blocks(ordered)) == Errc::unsupported);

  constexpr std::size_t size = TestType::block_bytes;
  std::vector<std::uint8_t> bytes(4 * size);
  CHECK(code(from_gguf_blocks<TestType>(bytes, 2, 64)) == std::nullopt);
  CHECK(code(from_gguf_blocks<TestType>(bytes, 2, 40)) == Errc::shape_mismatch);
  CHECK(code(from_gguf_blocks<TestType>(std::span(bytes).first(4 * size - 1), 2, 64)) == Errc::truncated);
  CHECK(code(from_gguf_blocks<TestType>(bytes, 1, 64)) == Errc::malformed);
  CHECK(code(from_gguf_blocks<TestType>(bytes, 0, 0)) == Errc::malformed);
  CHECK(code(from_gguf_blocks<TestType>({}, 0, 64)) == std::nullopt);
  constexpr std::size_t huge = std::size_t{1} << 63;
  CHECK(code(from_gguf_blocks<TestType>(bytes, huge, 64)) == Errc::out_of_bounds);
  CHECK(code(from_gguf_blocks<TestType>({}, std::size_t{1} << 58, 32)) == Errc::truncated);

  bytes[3 * size + 1] = 0x7c;  // infinity
  const auto infinite = from_gguf_blocks<TestType>(bytes, 2, 64);
  REQUIRE(code(infinite) == Errc::not_finite);
  CHECK(infinite.error().row == 1u);
  CHECK(infinite.error().column == 32u);
  CHECK(infinite.error().offset == 3 * size);
  std::vector<float> large(64, 0.0f);
  large[40] = 1e8f;
  const auto overflow = quantize_nearest(TestType{}, large, 1, 64);
  REQUIRE(code(overflow) == Errc::not_finite);
  CHECK(overflow.error().column == 32u);
}

TEST_CASE("split nibbles: byte j of a block holds code j low and code j + half high", "[pack]") {
  std::array<std::uint8_t, 64> codes{};
  for (std::size_t i = 0; i < 64; ++i) codes[i] = static_cast<std::uint8_t>((i * 7 + i / 16) % 16);
  std::array<std::uint8_t, 32> bytes{};
  pack::SplitNibbles<32>::pack(codes, bytes);
  for (std::size_t b = 0; b < 2; ++b)
    for (std::size_t j = 0; j < 16; ++j) {
      CHECK(bytes[b * 16 + j] % 16 == codes[b * 32 + j]);
      CHECK(bytes[b * 16 + j] / 16 == codes[b * 32 + j + 16]);
    }
  std::array<std::uint8_t, 64> back{};
  pack::SplitNibbles<32>::unpack(bytes, back);
  CHECK(back == codes);
  for (std::size_t n = 1; n <= 64; ++n) {  // short last blocks
    std::vector<std::uint8_t> row(pack::row_bytes<pack::SplitNibbles<32>>(n)), again(n);
    pack::pack_row<pack::SplitNibbles<32>>(std::span<const std::uint8_t>(codes.data(), n), row);
    pack::unpack_row<pack::SplitNibbles<32>>(row, std::span<std::uint8_t>(again));
    CHECK(std::equal(again.begin(), again.end(), codes.begin()));
    for (std::size_t first = 0; first < n; first += 5) {
      std::vector<std::uint8_t> part(n - first);
      pack::unpack_range<pack::SplitNibbles<32>>(row, first, std::span<std::uint8_t>(part));
      CHECK(std::equal(part.begin(), part.end(), codes.begin() + static_cast<std::ptrdiff_t>(first)));
    }
  }
}

}  // namespace
}  // namespace lowbit::test::gguf_blocks_tests
