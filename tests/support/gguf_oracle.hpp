// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "lowbit/io/gguf_types.hpp"
#include "lowbit/quantizer/gguf_blocks.hpp"

/// A second decoder of GGUF's block types, one element at a time and in double, from the description of the file format
/// alone: it shares no layout, no format and no arithmetic with the library. All of these products are exact in double,
/// and but for the subtraction of a minimum in float too, so one rounding at the end gives the library's floats.

namespace lowbit::test {

inline double half_value(unsigned low, unsigned high) {
  const unsigned bits = low + 256u * high;
  const double sign = bits >= 0x8000u ? -1.0 : 1.0;
  const int exponent = static_cast<int>(bits >> 10 & 31u), fraction = static_cast<int>(bits & 1023u);
  if (exponent == 31)
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  return sign * (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25));
}

/// Element i of a block; byte(k) is the block's byte k.
template <class Byte>
double gguf_element(io::GgmlType type, const Byte& byte, unsigned i) {
  using T = io::GgmlType;
  constexpr double iq4[] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
  constexpr double fp4[] = {0, .5, 1, 1.5, 2, 3, 4, 6, -0., -.5, -1, -1.5, -2, -3, -4, -6};
  const auto at = [&](unsigned k) { return static_cast<unsigned>(byte(k)); };
  const auto half = [&](unsigned k) { return half_value(at(k), at(k + 1)); };
  const auto signed_byte = [&](unsigned k) {
    return at(k) < 128 ? static_cast<int>(at(k)) : static_cast<int>(at(k)) - 256;
  };
  // Nibble i of 32 whose bytes start at k: byte j holds elements j and j + 16.
  const auto nibble32 = [&](unsigned k, unsigned n) { return n < 16 ? at(k + n) % 16 : at(k + n - 16) / 16; };
  const auto bit = [&](unsigned k, unsigned n) { return at(k) >> n & 1u; };
  const unsigned h = i / 128, in_half = i % 128, j = in_half / 32, l = i % 32;
  // Six-bit scale and min of sub-block s, twelve bytes from 4 on.
  const auto scale6 = [&](unsigned s) { return s < 4 ? at(4 + s) & 63u : (at(8 + s) & 15u) + (at(s) >> 6) * 16; };
  const auto min6 = [&](unsigned s) { return s < 4 ? at(8 + s) & 63u : (at(8 + s) >> 4) + (at(4 + s) >> 6) * 16; };
  switch (type) {
    case T::Q4_0: return half(0) * (static_cast<int>(nibble32(2, i)) - 8);
    case T::Q4_1: return half(0) * nibble32(4, i) + half(2);
    case T::Q5_0: return half(0) * (static_cast<int>(nibble32(6, i) + 16 * bit(2 + i / 8, i % 8)) - 16);
    case T::Q5_1: return half(0) * (nibble32(8, i) + 16 * bit(4 + i / 8, i % 8)) + half(2);
    case T::Q8_0: return half(0) * signed_byte(2 + i);
    case T::IQ4_NL: return half(0) * iq4[nibble32(2, i)];
    case T::MXFP4:
      return at(0) == 255 ? std::numeric_limits<double>::quiet_NaN()
                          : std::ldexp(fp4[nibble32(1, i)], static_cast<int>(at(0)) - 127);
    case T::NVFP4: {
      const unsigned d = at(i / 16), q = at(4 + i / 16 * 8 + i % 8), exponent = d >> 3 & 15u, mantissa = d & 7u;
      const double scale = d == 0x7f       ? 0.0
                           : exponent == 0 ? std::ldexp(mantissa, -9)
                                           : std::ldexp(8 + mantissa, static_cast<int>(exponent) - 10);
      return scale * fp4[i % 16 < 8 ? q % 16 : q / 16];
    }
    case T::Q1_0: return bit(2 + i / 8, i % 8) == 1 ? half(0) : -half(0);
    case T::Q2_0: return half(0) * (static_cast<int>(at(2 + i / 4) >> 2 * (i % 4) & 3u) - 1);
    case T::TQ2_0: return half(64) * (static_cast<int>(at(32 * h + l) >> 2 * j & 3u) - 1);
    case T::TQ1_0: {
      const unsigned where = i < 160 ? i % 32 : i < 240 ? 32 + (i - 160) % 16 : 48 + (i - 240) % 4;
      const unsigned trit = i < 160 ? i / 32 : i < 240 ? (i - 160) / 16 : (i - 240) / 4;
      unsigned v = at(where);
      for (unsigned n = 0; n < trit; ++n) v = v * 3 % 256;
      return half(52) * (static_cast<int>(v * 3 >> 8) - 1);
    }
    case T::Q2_K: {
      const unsigned q = at(16 + 32 * h + l) >> 2 * j & 3u, s = at(8 * h + 2 * j + l / 16);
      return half(80) * (s % 16) * q - half(82) * (s / 16);
    }
    case T::Q3_K: {
      const unsigned t = 8 * h + 2 * j + l / 16;
      const int q = static_cast<int>(at(32 + 32 * h + l) >> 2 * j & 3u) - (bit(l, 4 * h + j) == 1 ? 0 : 4);
      const unsigned low = t < 8 ? at(96 + t) & 15u : at(96 + t - 8) >> 4,
                     high = at(96 + 8 + t % 4) >> 2 * (t / 4) & 3u;
      return half(108) * (static_cast<int>(low + 16 * high) - 32) * q;
    }
    case T::Q4_K:
    case T::Q5_K: {
      const unsigned s = i / 32, chunk = i / 64, qs = type == T::Q4_K ? 16 : 48;
      unsigned q = s % 2 == 0 ? at(qs + 32 * chunk + l) % 16 : at(qs + 32 * chunk + l) / 16;
      if (type == T::Q5_K) q += 16 * bit(16 + l, s);
      return half(0) * scale6(s) * q - half(2) * min6(s);
    }
    case T::Q6_K: {
      const unsigned ql = at(64 * h + l + (j % 2 == 1 ? 32 : 0)), low = j < 2 ? ql % 16 : ql / 16;
      const unsigned high = at(128 + 32 * h + l) >> 2 * j & 3u;
      return half(208) * signed_byte(192 + 8 * h + l / 16 + 2 * j) * (static_cast<int>(low + 16 * high) - 32);
    }
    case T::IQ4_XS: {
      const unsigned s = i / 32;
      const unsigned scale = (at(4 + s / 2) >> 4 * (s % 2) & 15u) + ((at(2) + 256 * at(3)) >> 2 * s & 3u) * 16;
      return half(0) * (static_cast<int>(scale) - 32) * iq4[nibble32(8 + 16 * s, l)];
    }
    default: return std::numeric_limits<double>::quiet_NaN();
  }
}

/// "gguf_q4_k" → Q4_K, and so on.
template <GgufBlock Q>
io::GgmlType gguf_type() {
  std::string name = Q::storage_name().substr(5);
  for (char& c : name) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  const io::GgmlTypeInfo* info = io::find_ggml_type(name);
  return info == nullptr ? io::GgmlType::F32 : info->type;
}

template <GgufBlock Q>
std::vector<float> gguf_decode(const std::vector<std::uint8_t>& bytes) {
  const io::GgmlType type = gguf_type<Q>();
  std::vector<float> out;
  for (std::size_t b = 0; b + Q::block_bytes <= bytes.size(); b += Q::block_bytes)
    for (unsigned i = 0; i < Q::group_size; ++i)
      out.push_back(static_cast<float>(gguf_element(
          type, [&](unsigned k) { return bytes[b + k]; }, i)));
  return out;
}

/// The weight that a view's own bytes stand for.
template <GgufBlock Q>
double exact_weight(const PackedView<Q>& w, std::size_t r, std::size_t c) {
  static const io::GgmlType type = gguf_type<Q>();
  const std::size_t g = c / Q::group_size, code_bytes = pack::row_bytes<typename Q::layout_type>(Q::group_size);
  const auto* stored = reinterpret_cast<const std::uint8_t*>(&w.params[w.groups().index(r, g)]);
  const std::span<const std::uint8_t> codes = w.row_codes(r).subspan(g * code_bytes);
  const auto byte = [&](std::size_t k) -> unsigned {
    if (k < Q::header_bytes) return stored[k];
    if (k < Q::header_bytes + code_bytes) return codes[k - Q::header_bytes];
    return stored[k - code_bytes];
  };
  const double x = gguf_element(type, byte, static_cast<unsigned>(c % Q::group_size));
  return w.shared.empty() ? x : x * static_cast<double>(w.shared[0]);
}

}  // namespace lowbit::test
