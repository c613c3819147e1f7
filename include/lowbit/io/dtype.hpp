// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

/// The element types that a safetensors file may name. The order of the enumerators is the order in which the reference
/// writer lays tensors out: widest first, so that most tensors end up aligned.
///
/// F8_E4M3 is the finite-only variant (no infinity, NaN is S.1111.111, largest 448); C64 is a pair of 32-bit floats; F4
/// is E2M1. Types below eight bits are packed, and a tensor of them fills whole bytes.

namespace lowbit::io {

enum class Dtype : std::uint8_t {
  U64,
  I64,
  F64,
  C64,
  F32,
  U32,
  I32,
  BF16,
  F16,
  U16,
  I16,
  F8_E5M2FNUZ,
  F8_E4M3FNUZ,
  F8_E8M0,
  F8_E4M3,
  F8_E5M2,
  I8,
  U8,
  F6_E3M2,
  F6_E2M3,
  F4,
  BOOL,
};

namespace detail {

struct DtypeInfo {
  Dtype dtype;
  std::string_view name;
  std::uint8_t bits;
};

inline constexpr std::array<DtypeInfo, 22> dtype_table{{
    {Dtype::U64, "U64", 64},
    {Dtype::I64, "I64", 64},
    {Dtype::F64, "F64", 64},
    {Dtype::C64, "C64", 64},
    {Dtype::F32, "F32", 32},
    {Dtype::U32, "U32", 32},
    {Dtype::I32, "I32", 32},
    {Dtype::BF16, "BF16", 16},
    {Dtype::F16, "F16", 16},
    {Dtype::U16, "U16", 16},
    {Dtype::I16, "I16", 16},
    {Dtype::F8_E5M2FNUZ, "F8_E5M2FNUZ", 8},
    {Dtype::F8_E4M3FNUZ, "F8_E4M3FNUZ", 8},
    {Dtype::F8_E8M0, "F8_E8M0", 8},
    {Dtype::F8_E4M3, "F8_E4M3", 8},
    {Dtype::F8_E5M2, "F8_E5M2", 8},
    {Dtype::I8, "I8", 8},
    {Dtype::U8, "U8", 8},
    {Dtype::F6_E3M2, "F6_E3M2", 6},
    {Dtype::F6_E2M3, "F6_E2M3", 6},
    {Dtype::F4, "F4", 4},
    {Dtype::BOOL, "BOOL", 8},
}};

constexpr bool dtype_table_is_in_order() {
  for (std::size_t i = 0; i < dtype_table.size(); ++i)
    if (static_cast<std::size_t>(dtype_table[i].dtype) != i) return false;
  return true;
}
static_assert(dtype_table_is_in_order(), "dtype_table is indexed by Dtype");

}  // namespace detail

/// How many there are; the values are 0 .. dtype_count - 1.
inline constexpr std::size_t dtype_count = detail::dtype_table.size();

/// The string of the format.
constexpr std::string_view name(Dtype dtype) noexcept {
  return detail::dtype_table[static_cast<std::size_t>(dtype)].name;
}

/// Bits per element: 4, 6, 8, 16, 32 or 64.
constexpr unsigned bits(Dtype dtype) noexcept { return detail::dtype_table[static_cast<std::size_t>(dtype)].bits; }

/// Position in the canonical write order; lower is written first.
constexpr unsigned write_order(Dtype dtype) noexcept { return static_cast<unsigned>(dtype); }

/// Nothing for a string that names no known type: the set grows, and the size of an unknown type cannot be checked.
constexpr std::optional<Dtype> parse_dtype(std::string_view text) noexcept {
  for (const detail::DtypeInfo& info : detail::dtype_table)
    if (info.name == text) return info.dtype;
  return std::nullopt;
}

}  // namespace lowbit::io
