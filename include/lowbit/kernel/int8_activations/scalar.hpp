// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "lowbit/core/isa.hpp"
#include "lowbit/core/round.hpp"
#include "lowbit/kernel/int8_activations/shape.hpp"

/// The definition of a token in int8.

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// Scale and its inverse for activations whose largest magnitude has these bits (so that NaN counts as largest).
struct Int8Scale {
  float scale, inverse;
};
LOWBIT_ALWAYS_INLINE Int8Scale int8_scale(std::uint32_t most_bits) noexcept {
  if (most_bits >= 0x7f800000u) return {std::numeric_limits<float>::quiet_NaN(), 0.0f};
  const float most = std::bit_cast<float>(most_bits);
  if (most < 0x1p-100f) return {0.0f, 0.0f};
  return {most / 127.0f, 127.0f / most};
}

/// x [shape.cols] to codes [shape.pitch()], of which the padding is set to 0, and sums [shape.runs()]; gives the scale.
inline float quantize_token(isa::scalar, const Int8Shape& shape, const float* x, std::int8_t* codes,
                            std::int32_t* sums) noexcept {
  std::uint32_t most = 0;
  for (std::size_t c = 0; c < shape.cols; ++c) most = std::max(most, std::bit_cast<std::uint32_t>(x[c]) & 0x7fffffffu);
  const Int8Scale s = int8_scale(most);
  std::fill_n(codes, shape.pitch(), std::int8_t{0});
  for (std::size_t i = 0; i < shape.runs(); ++i) {
    std::int32_t sum = 0;
    for (std::size_t c = i * shape.run; c < std::min((i + 1) * shape.run, shape.cols); ++c) {
      const auto code = s.inverse == 0.0f ? 0 : static_cast<std::int32_t>(round_half_even(x[c] * s.inverse));
      codes[i * shape.run_stride + c - i * shape.run] = static_cast<std::int8_t>(code);
      sum += code;
    }
    sums[i] = shape.kept(sum);
  }
  return s.scale;
}

/// Moves codes in natural order to where shape.place puts them.
inline void interleave_vectors(const Int8Shape& shape, std::int8_t* codes) noexcept {
  const std::size_t d = shape.vector, block = 4 * d, all = shape.runs() * shape.run_stride;
  std::int8_t natural[4 * Int8Shape::most_vector];
  for (std::size_t at = 0; at < all; at += block) {
    std::copy_n(codes + at, block, natural);
    for (std::size_t c = 0; c < d; ++c)
      for (std::size_t k = 0; k < 4; ++k) codes[at + 4 * c + k] = natural[k * d + c];
  }
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
