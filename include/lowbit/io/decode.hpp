// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "lowbit/core/checked.hpp"
#include "lowbit/core/contract.hpp"
#include "lowbit/core/float16.hpp"
#include "lowbit/core/result.hpp"
#include "lowbit/io/bytes.hpp"
#include "lowbit/io/dtype.hpp"
#include "lowbit/io/tensor_view.hpp"

/// Stored floats to floats in memory, from bytes at any address.

namespace lowbit::io {

namespace detail {

/// f16::decode without branches, so that loops over it become vector code. Same result for every pattern, in every
/// rounding mode and with subnormals flushed: the one subtraction is exact and its operands are normal.
LOWBIT_ALWAYS_INLINE float decode_f16_branch_free(std::uint16_t half) noexcept {
  const std::uint32_t magnitude = static_cast<std::uint32_t>(half & 0x7fffu) << 13;
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  const std::uint32_t normal = magnitude + 0x38000000u;
  const std::uint32_t special = magnitude | 0x7f800000u | (magnitude > 0x0f800000u ? 0x400000u : 0u);
  const float shifted = std::bit_cast<float>(0x38800000u + magnitude) - std::bit_cast<float>(0x38800000u);
  const std::uint32_t subnormal = std::bit_cast<std::uint32_t>(shifted) & 0x7fffffffu;
  const std::uint32_t finite = magnitude < 0x00800000u ? subnormal : normal;
  return std::bit_cast<float>(sign | (magnitude >= 0x0f800000u ? special : finite));
}

/// double to float, nearest with ties to even, by integer arithmetic: the ambient rounding mode plays no part.
constexpr float round_to_float(double value) noexcept {
  const auto u = std::bit_cast<std::uint64_t>(value);
  const auto sign = static_cast<std::uint32_t>(u >> 32) & 0x80000000u;
  const std::uint64_t magnitude = u & 0x7fffffffffffffffull;
  if (magnitude >= 0x7ff0000000000000ull) {  // infinity, NaN
    const bool nan = magnitude > 0x7ff0000000000000ull;
    const auto payload = static_cast<std::uint32_t>(magnitude >> 29) & 0x7fffffu;
    return std::bit_cast<float>(sign | 0x7f800000u | (nan ? payload | 0x400000u : 0u));
  }
  const auto exponent = static_cast<int>(magnitude >> 52) - 1023;
  if (exponent > 127) return std::bit_cast<float>(sign | 0x7f800000u);
  if (exponent < -150) return std::bit_cast<float>(sign);
  const std::uint64_t significand = (magnitude & 0xfffffffffffffull) | 0x10000000000000ull;
  const int shift = exponent >= -126 ? 29 : 29 + (-126 - exponent);  // 29 .. 53
  const std::uint64_t kept = significand >> shift;
  const std::uint64_t rest = significand & ((std::uint64_t{1} << shift) - 1);
  const std::uint64_t half = std::uint64_t{1} << (shift - 1);
  const std::uint64_t rounded = kept + (rest > half || (rest == half && (kept & 1) != 0) ? 1 : 0);
  const std::uint32_t rebased = exponent >= -126 ? static_cast<std::uint32_t>(exponent + 126) << 23 : 0u;
  return std::bit_cast<float>(sign | (rebased + static_cast<std::uint32_t>(rounded)));  // a carry is the next binade
}

/// Whole blocks are copied to an aligned buffer, then decoded by a loop of fixed length.
template <class Stored, class Decode>
void decode_all(const std::uint8_t* bytes, std::span<float> out, Decode decode) noexcept {
  constexpr std::size_t block = 256;
  alignas(64) Stored stored[block];
  for (std::size_t begin = 0; begin < out.size(); begin += block) {
    const std::size_t count = std::min(block, out.size() - begin);
    if constexpr (std::endian::native == std::endian::little) {
      std::memcpy(stored, bytes + begin * sizeof(Stored), count * sizeof(Stored));
    } else {
      for (std::size_t i = 0; i < count; ++i) stored[i] = load_le<Stored>(bytes + (begin + i) * sizeof(Stored));
    }
    for (std::size_t i = 0; i < count; ++i) out[begin + i] = decode(stored[i]);
  }
}

}  // namespace detail

/// Decodes `out.size()` elements of F32, F16, BF16 or F64. F32, F16 and BF16 are exact; F64 rounds to nearest, ties to
/// even, and overflows to infinity. NaN stays NaN.
/// Errors   unsupported (any other dtype), shape_mismatch (bytes.size() is not that of out.size() elements).
inline Result<> to_floats(Dtype dtype, std::span<const std::uint8_t> bytes, std::span<float> out) {
  if (dtype != Dtype::F32 && dtype != Dtype::F16 && dtype != Dtype::BF16 && dtype != Dtype::F64)
    return Error{.code = Errc::unsupported, .message = "not a tensor of floats: " + std::string(name(dtype))};
  const auto needed = checked_mul(out.size(), bits(dtype) / 8);
  if (!needed || *needed != bytes.size())
    return Error{.code = Errc::shape_mismatch,
                 .message = std::to_string(bytes.size()) + " bytes do not hold " + std::to_string(out.size()) +
                            " elements of " + std::string(name(dtype))};
  if (out.empty()) return {};
  const std::uint8_t* const from = bytes.data();
  if (dtype == Dtype::F32 && std::endian::native == std::endian::little)
    std::memcpy(out.data(), from, bytes.size());
  else if (dtype == Dtype::F32)
    detail::decode_all<std::uint32_t>(from, out, [](std::uint32_t u) { return std::bit_cast<float>(u); });
  else if (dtype == Dtype::BF16)
    detail::decode_all<std::uint16_t>(from, out, [](std::uint16_t u) { return bf16::decode(u); });
  else if (dtype == Dtype::F16)
    detail::decode_all<std::uint16_t>(from, out, [](std::uint16_t u) { return detail::decode_f16_branch_free(u); });
  else
    detail::decode_all<double>(from, out, [](double d) { return detail::round_to_float(d); });
  return {};
}

inline Result<> to_floats(const TensorView& tensor, std::span<float> out) {
  auto decoded = to_floats(tensor.dtype, tensor.bytes, out);
  if (!decoded) return std::move(decoded).error().in_tensor(tensor.name);
  return {};
}

}  // namespace lowbit::io
