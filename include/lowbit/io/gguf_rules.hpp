// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "lowbit/core/checked.hpp"
#include "lowbit/core/result.hpp"
#include "lowbit/io/bytes.hpp"
#include "lowbit/io/gguf_types.hpp"

/// Rules of GGUF that the reader checks and the writer keeps. Internal.

namespace lowbit::io::detail {

inline constexpr std::string_view alignment_key = "general.alignment";
inline constexpr std::uint64_t default_alignment = 32;

constexpr bool is_gguf_alignment(std::uint64_t alignment) noexcept {
  return std::has_single_bit(alignment) && alignment >= 8 && alignment <= 65'536;
}

/// Printable ASCII without spaces, at least one character.
inline bool is_gguf_key(std::string_view key) noexcept {
  return !key.empty() && std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

inline bool is_gguf_tensor_name(std::string_view name) noexcept {
  return !name.empty() && is_utf8(name) && name.find('\0') == std::string_view::npos;
}

/// Bytes of a tensor of whole blocks.
inline Result<std::uint64_t> gguf_tensor_bytes(const GgmlTypeInfo& type, std::span<const std::uint64_t> dims) {
  if (dims.empty() || dims.size() > 4)
    return Error{.code = Errc::out_of_bounds, .message = "n_dims is " + std::to_string(dims.size()) + ", not 1 to 4"};
  std::uint64_t count = 1;
  for (const std::uint64_t extent : dims) {
    if (extent == 0 || extent > std::uint64_t{1} << 40)
      return Error{.code = Errc::out_of_bounds,
                   .message = "a dimension of " + std::to_string(extent) + ", not 1 to 2^40"};
    const auto wider = checked_mul(count, extent);
    if (!wider) return Error{.code = Errc::out_of_bounds, .message = "the product of the dimensions passes 2^64"};
    count = *wider;
  }
  if (dims[0] % type.block_length != 0)
    return Error{.code = Errc::malformed,
                 .message = "a row of " + std::to_string(dims[0]) + " elements is no whole number of " +
                            std::string(type.name) + " blocks of " + std::to_string(type.block_length)};
  const auto bytes = checked_mul(count / type.block_length, type.block_bytes);
  if (!bytes) return Error{.code = Errc::out_of_bounds, .message = "the tensor's bytes pass 2^64"};
  return *bytes;
}

}  // namespace lowbit::io::detail
