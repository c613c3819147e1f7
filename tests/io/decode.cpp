// SPDX-License-Identifier: MIT
#include "lowbit/io/decode.hpp"

#include <bit>
#include <cfenv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "catch.hpp"
#include "io/test_bytes.hpp"
#include "lowbit/core/float16.hpp"
#include "lowbit/core/rng.hpp"

namespace lowbit::test::decode_tests {
using namespace lowbit::io;
using test::Bytes;

namespace {

std::uint32_t bits_of(float x) { return std::bit_cast<std::uint32_t>(x); }

/// The bytes of `count` elements, `shift` bytes past an aligned address.
std::vector<float> decode(Dtype dtype, const Bytes& bytes, std::size_t count, std::size_t shift) {
  Bytes moved(shift, 0xAA);
  moved.insert(moved.end(), bytes.begin(), bytes.end());
  const test::Exact exact(moved);
  std::vector<float> out(count, -1.0f);
  to_floats(dtype, exact.span().subspan(shift), out).value();
  return out;
}

}  // namespace

TEST_CASE("Dtype: names parse back, are distinct, and widths are those of the format", "[io]") {
  std::set<std::string_view> names;
  for (unsigned i = 0; i < dtype_count; ++i) {
    const auto dtype = static_cast<Dtype>(i);
    CHECK(parse_dtype(name(dtype)) == dtype);
    CHECK(write_order(dtype) == i);
    names.insert(name(dtype));
    if (i > 0 && dtype != Dtype::BOOL) CHECK(bits(dtype) <= bits(static_cast<Dtype>(i - 1)));
  }
  CHECK(names.size() == dtype_count);
  CHECK(bits(Dtype::BOOL) == 8);
  CHECK(bits(Dtype::F6_E2M3) == 6);
  CHECK(bits(Dtype::F4) == 4);
  for (const char* unknown : {"", "f32", "F32 ", "F8", "F128", "C128"}) CHECK_FALSE(parse_dtype(unknown));
}

TEST_CASE("to_floats: every F16 and BF16 pattern decodes as its scalar definition, at any address", "[io]") {
  Bytes bytes;
  for (std::uint32_t u = 0; u < 65536; ++u) test::put_number(bytes, u, 2);
  for (const std::size_t shift : {0u, 1u}) {
    const auto half = decode(Dtype::F16, bytes, 65536, shift);
    const auto brain = decode(Dtype::BF16, bytes, 65536, shift);
    std::size_t wrong = 0;
    for (std::uint32_t u = 0; u < 65536; ++u) {
      wrong += bits_of(half[u]) != bits_of(f16::decode(static_cast<std::uint16_t>(u)));
      wrong += bits_of(brain[u]) != u << 16;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("to_floats: F16 does not depend on the rounding mode", "[io]") {
  Bytes bytes;
  for (std::uint32_t u = 0; u < 65536; ++u) test::put_number(bytes, u, 2);
  const int before = std::fegetround();
  for (const int mode : {FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO}) {
    std::fesetround(mode);
    const auto half = decode(Dtype::F16, bytes, 65536, 0);
    std::fesetround(before);
    std::size_t wrong = 0;
    for (std::uint32_t u = 0; u < 65536; ++u)
      wrong += bits_of(half[u]) != bits_of(f16::decode(static_cast<std::uint16_t>(u)));
    CHECK(wrong == 0);
  }
}

TEST_CASE("to_floats: F32 keeps every bit, NaN payloads included", "[io]") {
  const std::vector<std::uint32_t> patterns{0,          0x80000000, 1,          0x3f800000,
                                            0x7f800000, 0x7f800001, 0xffc12345, 0x7f7fffff};
  Bytes bytes;
  for (const std::uint32_t u : patterns) test::put_number(bytes, u, 4);
  for (std::size_t shift = 0; shift < 4; ++shift) {
    const auto out = decode(Dtype::F32, bytes, patterns.size(), shift);
    CHECK(std::memcmp(out.data(), patterns.data(), bytes.size()) == 0);
  }
}

TEST_CASE("to_floats: F64 rounds to nearest even, in every rounding mode", "[io]") {
  std::vector<double> values{0.0, -0.0, 1.0, -1.5, 0x1.000001p0, 0x1.000003p0, 0x1.0000010000001p0, 0x1p-126, 0x1p-127,
                             0x1p-149, 0x1p-150, 0x1.8p-150, 0x1.0000000000001p-150, 0x1p-151, 0x1.fffffep127,
                             0x1.fffffefffffffp127, 0x1.ffffffp127, 0x1p128, 1e300, 5e-324,
                             std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()};
  Rng rng(1);
  for (int i = 0; i < 20000; ++i) {
    const auto exponent = static_cast<int>(rng.below(300)) - 160;
    values.push_back(std::ldexp(rng.uniform() + 1.0, exponent) * (rng.below(2) != 0 ? 1 : -1));
  }
  Bytes bytes;
  for (const double value : values) test::put_number(bytes, std::bit_cast<std::uint64_t>(value), 8);
  const int before = std::fegetround();
  for (const int mode : {FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO}) {
    std::fesetround(mode);
    const auto out = decode(Dtype::F64, bytes, values.size(), 3);
    std::fesetround(before);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const volatile double value = values[i];
      wrong += bits_of(out[i]) != bits_of(static_cast<float>(value));
    }
    CHECK(wrong == 0);
  }
  Bytes nan;
  test::put_number(nan, 0x7ff0000000000001, 8);
  CHECK(std::isnan(decode(Dtype::F64, nan, 1, 0)[0]));
}

TEST_CASE("to_floats: a wrong size or dtype is an error that names the tensor", "[io]") {
  const Bytes bytes(8);
  std::vector<float> out(2);
  CHECK(to_floats(Dtype::F32, bytes, out));
  CHECK(to_floats(Dtype::F16, bytes, out).error().code == Errc::shape_mismatch);
  CHECK(to_floats(Dtype::I32, bytes, out).error().code == Errc::unsupported);
  const TensorView view{.name = "w", .dtype = Dtype::U8, .shape = {8}, .bytes = bytes};
  CHECK(to_floats(view, out).error().tensor == "w");
  CHECK(to_floats(Dtype::F32, {}, {}));
  const std::vector<float> long_one(1000, 2.0f);
  Bytes many;
  for (const float x : long_one) test::put_number(many, bits_of(x), 4);
  CHECK(decode(Dtype::F32, many, 1000, 1) == long_one);
}

TEST_CASE("is_utf8: agrees with the definition on every one- to three-byte text", "[io]") {
  const auto naive = [](const std::string& text) {
    for (std::size_t i = 0; i < text.size();) {
      const auto byte = [&](std::size_t k) {
        return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0u;
      };
      unsigned size = 0, point = 0, least = 0;
      if (byte(0) < 0x80) size = 1, point = byte(0);
      else if ((byte(0) & 0xE0) == 0xC0) size = 2, point = byte(0) & 0x1F, least = 0x80;
      else if ((byte(0) & 0xF0) == 0xE0) size = 3, point = byte(0) & 0x0F, least = 0x800;
      else if ((byte(0) & 0xF8) == 0xF0) size = 4, point = byte(0) & 0x07, least = 0x10000;
      else return false;
      for (unsigned k = 1; k < size; ++k) {
        if ((byte(k) & 0xC0) != 0x80) return false;
        point = point << 6 | (byte(k) & 0x3F);
      }
      if (point < least || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) return false;
      i += size;
    }
    return true;
  };
  std::size_t wrong = 0;
  std::string text;
  for (unsigned a = 0; a < 256; ++a)
    for (unsigned b = 0; b < 256; ++b) {
      text.assign({static_cast<char>(a), static_cast<char>(b)});
      wrong += is_utf8(text) != naive(text);
      wrong += is_utf8(text.substr(0, 1)) != naive(text.substr(0, 1));
      for (const char c : {'\x00', '\x7f', '\x80', '\x9f', '\xa0', '\xbf', '\xc0', '\xff'}) {
        text.assign({static_cast<char>(a), static_cast<char>(b), c});
        wrong += is_utf8(text) != naive(text);
        for (const char d : {'\x41', '\x80', '\xbf', '\xf0'}) {
          text.assign({static_cast<char>(a), static_cast<char>(b), c, d});
          wrong += is_utf8(text) != naive(text);
        }
      }
    }
  CHECK(wrong == 0);
}

}  // namespace lowbit::test::decode_tests
