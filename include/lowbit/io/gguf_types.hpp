// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

/// The tensor types of GGUF, as data: how many elements share a block and how many bytes a block takes. What the bytes
/// mean is the business of `format/`, `pack/` and `quantizer/`.
///
/// Ids 4, 5, 31 to 33 and 36 to 38 are retired; forks define further ids. Both are unknown here, and their size is
/// never guessed.

namespace lowbit::io {

enum class GgmlType : std::uint32_t {
  F32 = 0,
  F16 = 1,
  Q4_0 = 2,
  Q4_1 = 3,
  Q5_0 = 6,
  Q5_1 = 7,
  Q8_0 = 8,
  Q8_1 = 9,
  Q2_K = 10,
  Q3_K = 11,
  Q4_K = 12,
  Q5_K = 13,
  Q6_K = 14,
  Q8_K = 15,
  IQ2_XXS = 16,
  IQ2_XS = 17,
  IQ3_XXS = 18,
  IQ1_S = 19,
  IQ4_NL = 20,
  IQ3_S = 21,
  IQ2_S = 22,
  IQ4_XS = 23,
  I8 = 24,
  I16 = 25,
  I32 = 26,
  I64 = 27,
  F64 = 28,
  IQ1_M = 29,
  BF16 = 30,
  TQ1_0 = 34,
  TQ2_0 = 35,
  MXFP4 = 39,
  NVFP4 = 40,
  Q1_0 = 41,
  Q2_0 = 42,
};

struct GgmlTypeInfo {
  GgmlType type;
  std::string_view name;
  std::uint32_t block_length;  ///< elements per block; divides the row length
  std::uint32_t block_bytes;
  std::int32_t first_half = -1;   ///< byte of the block where an IEEE half scale lies, or -1
  std::int32_t second_half = -1;  ///< and of a second one
};

inline constexpr std::array<GgmlTypeInfo, 35> ggml_types{{
    {GgmlType::F32, "F32", 1, 4},
    {GgmlType::F16, "F16", 1, 2, 0},
    {GgmlType::Q4_0, "Q4_0", 32, 18, 0},
    {GgmlType::Q4_1, "Q4_1", 32, 20, 0, 2},
    {GgmlType::Q5_0, "Q5_0", 32, 22, 0},
    {GgmlType::Q5_1, "Q5_1", 32, 24, 0, 2},
    {GgmlType::Q8_0, "Q8_0", 32, 34, 0},
    {GgmlType::Q8_1, "Q8_1", 32, 36, 0, 2},
    {GgmlType::Q2_K, "Q2_K", 256, 84, 80, 82},
    {GgmlType::Q3_K, "Q3_K", 256, 110, 108},
    {GgmlType::Q4_K, "Q4_K", 256, 144, 0, 2},
    {GgmlType::Q5_K, "Q5_K", 256, 176, 0, 2},
    {GgmlType::Q6_K, "Q6_K", 256, 210, 208},
    {GgmlType::Q8_K, "Q8_K", 256, 292},
    {GgmlType::IQ2_XXS, "IQ2_XXS", 256, 66, 0},
    {GgmlType::IQ2_XS, "IQ2_XS", 256, 74, 0},
    {GgmlType::IQ3_XXS, "IQ3_XXS", 256, 98, 0},
    {GgmlType::IQ1_S, "IQ1_S", 256, 50, 0},
    {GgmlType::IQ4_NL, "IQ4_NL", 32, 18, 0},
    {GgmlType::IQ3_S, "IQ3_S", 256, 110, 0},
    {GgmlType::IQ2_S, "IQ2_S", 256, 82, 0},
    {GgmlType::IQ4_XS, "IQ4_XS", 256, 136, 0},
    {GgmlType::I8, "I8", 1, 1},
    {GgmlType::I16, "I16", 1, 2},
    {GgmlType::I32, "I32", 1, 4},
    {GgmlType::I64, "I64", 1, 8},
    {GgmlType::F64, "F64", 1, 8},
    {GgmlType::IQ1_M, "IQ1_M", 256, 56},
    {GgmlType::BF16, "BF16", 1, 2},
    {GgmlType::TQ1_0, "TQ1_0", 256, 54, 52},
    {GgmlType::TQ2_0, "TQ2_0", 256, 66, 64},
    {GgmlType::MXFP4, "MXFP4", 32, 17},
    {GgmlType::NVFP4, "NVFP4", 64, 36},
    {GgmlType::Q1_0, "Q1_0", 128, 18, 0},
    {GgmlType::Q2_0, "Q2_0", 64, 18, 0},
}};

/// The row of the table for an id, or nullptr for a retired or unknown one.
constexpr const GgmlTypeInfo* find_ggml_type(std::uint32_t id) noexcept {
  for (const GgmlTypeInfo& info : ggml_types)
    if (static_cast<std::uint32_t>(info.type) == id) return &info;
  return nullptr;
}
constexpr const GgmlTypeInfo* find_ggml_type(std::string_view wanted) noexcept {
  for (const GgmlTypeInfo& info : ggml_types)
    if (info.name == wanted) return &info;
  return nullptr;
}
constexpr std::string_view name(GgmlType type) noexcept {
  const GgmlTypeInfo* info = find_ggml_type(static_cast<std::uint32_t>(type));
  return info == nullptr ? "unknown" : info->name;
}

}  // namespace lowbit::io
