// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "lowbit/core/buffer.hpp"
#include "lowbit/core/checked.hpp"
#include "lowbit/core/contract.hpp"
#include "lowbit/core/float16.hpp"
#include "lowbit/core/isa.hpp"

namespace lowbit {

/// Tokens in bf16, borrowed: the bits of `cols` values and zeros up to pitch(), token after token.
struct Bf16View {
  std::span<std::uint16_t> bits{};
  std::size_t tokens = 0;
  std::size_t cols = 0;

  /// Values from one token to the next: whole cache lines and one more, so that the same column of several tokens does not
  /// fall into the same set of the first cache.
  static constexpr std::size_t pitch(std::size_t cols) noexcept { return ceil_div(cols, 32) * 32 + 32; }
  constexpr std::size_t pitch() const noexcept { return pitch(cols); }
  bool consistent() const noexcept { return bits.size() == tokens * pitch(); }
};

/// Tokens in bf16, owned.
class Bf16Activations {
 public:
  Bf16Activations() = default;
  Bf16Activations(std::size_t tokens, std::size_t cols)
      : bits_(tokens * Bf16View::pitch(cols)), tokens_(tokens), cols_(cols) {}
  Bf16View view() noexcept { return {.bits = bits_, .tokens = tokens_, .cols = cols_}; }

 private:
  AlignedBuffer<std::uint16_t> bits_;
  std::size_t tokens_ = 0, cols_ = 0;
};

inline namespace LOWBIT_ISA_NAMESPACE {

/// Writes tokens [begin, end) of x in bf16, to nearest with ties to even; NaN stays NaN.
///
///   x    out.tokens · cols floats, each token's vector contiguous
///   out  consistent() holds
///
/// The error of an element is at most 2^-8 of it, or 2^-134. Cost: one pass; no allocation.
inline void round_activations(std::span<const float> x, std::size_t begin, std::size_t end, const Bf16View& out) {
  LOWBIT_EXPECTS(out.consistent(), "round_activations: the span of the view fits its shape");
  LOWBIT_EXPECTS(begin <= end && end <= out.tokens, "round_activations: the tokens are there");
  LOWBIT_EXPECTS(x.size() == out.tokens * out.cols, "round_activations: x holds one float per column and token");
  for (std::size_t t = begin; t < end; ++t) {
    const float* const from = x.data() + t * out.cols;
    std::uint16_t* const to = out.bits.data() + t * out.pitch();
    for (std::size_t c = 0; c < out.cols; ++c) to[c] = bf16::encode(from[c]);
    std::fill(to + out.cols, to + out.pitch(), std::uint16_t{0});
  }
}

inline void round_activations(std::span<const float> x, const Bf16View& out) {
  round_activations(x, 0, out.tokens, out);
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit
