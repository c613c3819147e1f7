// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "lowbit/core/float16.hpp"
#include "lowbit/core/result.hpp"
#include "lowbit/io/bytes.hpp"
#include "lowbit/io/gguf.hpp"

namespace lowbit::io {

namespace detail {

template <class Bits>
bool all_ones(Bits value, Bits mask) noexcept {
  return (value & mask) == mask;
}

/// Whether every scale (or element, for plain floats) of one block is finite.
inline bool block_is_finite(const GgmlTypeInfo& type, const std::uint8_t* block) noexcept {
  const auto half_is_finite = [&](std::int32_t at) {
    return at < 0 || !all_ones<std::uint32_t>(load_le<std::uint16_t>(block + at), 0x7c00);
  };
  switch (type.type) {
    case GgmlType::F32:
    case GgmlType::Q8_K: return !all_ones<std::uint32_t>(load_le<std::uint32_t>(block), 0x7f800000);
    case GgmlType::F64: return !all_ones<std::uint64_t>(load_le<std::uint64_t>(block), 0x7ff0000000000000);
    case GgmlType::BF16: return !all_ones<std::uint32_t>(load_le<std::uint16_t>(block), 0x7f80);
    case GgmlType::MXFP4: return block[0] != 255;
    case GgmlType::IQ1_M: {  // the half is spread over the top nibbles of four u16
      std::uint32_t half = 0;
      for (unsigned i = 0; i < 4; ++i) {
        const std::uint32_t word = load_le<std::uint16_t>(block + 48 + 2 * i);
        half |= (word >> 12) << (4 * i);
      }
      return !all_ones<std::uint32_t>(half, 0x7c00);
    }
    default: return half_is_finite(type.first_half) && half_is_finite(type.second_half);
  }
}

}  // namespace detail

/// Reads all data once and refuses what would decode to NaN or infinity: half-precision scales that are not finite, an
/// E8M0 scale of 255 and, in F32, F16, BF16 and F64 tensors, the elements themselves. NVFP4's scale bytes have no such
/// pattern.
/// Errors   not_finite, with the tensor and the block's number in `column`. Cost O(bytes).
inline Result<> validate_data(const GgufTensor& tensor) {
  const GgmlTypeInfo* const type = find_ggml_type(static_cast<std::uint32_t>(tensor.type));
  if (type == nullptr) return Error{.code = Errc::unsupported, .message = "unknown type", .tensor = tensor.name};
  const std::size_t blocks = tensor.bytes.size() / type->block_bytes;
  for (std::size_t i = 0; i < blocks; ++i)
    if (!detail::block_is_finite(*type, tensor.bytes.data() + i * type->block_bytes))
      return Error{.code = Errc::not_finite,
                   .message = "a block of " + std::string(type->name) + " whose scale is NaN or infinite",
                   .tensor = tensor.name,
                   .column = i};
  return {};
}
inline Result<> validate_data(const GgufFile& file) {
  for (const GgufTensor& tensor : file.tensors()) LOWBIT_CHECK(validate_data(tensor));
  return {};
}

}  // namespace lowbit::io
