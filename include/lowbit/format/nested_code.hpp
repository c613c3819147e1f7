// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace lowbit {

/// The `kept`-bit code nested in an unsigned code of `bits` bits: its highest bits, rounded half up and clamped, so
/// that nested_code << (bits − kept) is the nearest code that they can name. 1 ≤ kept ≤ bits ≤ 16.
/// Source: Nair et al., "Matryoshka Quantization", arXiv:2502.06786.
constexpr std::uint32_t nested_code(std::uint32_t code, int bits, int kept) noexcept {
  if (kept == bits) return code;
  const std::uint32_t rounded = ((code >> (bits - kept - 1)) + 1u) >> 1;
  const std::uint32_t top = (1u << kept) - 1u;
  return rounded < top ? rounded : top;
}

}  // namespace lowbit
