// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "lowbit/core/buffer.hpp"
#include "lowbit/core/contract.hpp"
#include "lowbit/kernel/int8_activations/avx2.hpp"
#include "lowbit/kernel/int8_activations/avx512.hpp"
#include "lowbit/kernel/int8_activations/neon.hpp"
#include "lowbit/kernel/int8_activations/scalar.hpp"

namespace lowbit {

/// Tokens in int8, borrowed: x ≈ scale · code.
///
///   codes   tokens · shape.pitch() bytes
///   scales  one float per token
///   sums    tokens · shape.runs(): shape.kept() of the sum of the codes of each run
struct Int8View {
  std::span<std::int8_t> codes{};
  std::span<float> scales{};
  std::span<std::int32_t> sums{};
  std::size_t tokens = 0;
  Int8Shape shape{};

  bool consistent() const noexcept {
    return shape.run >= 1 && shape.run_stride >= shape.run && shape.vector >= 1 && shape.vector <= Int8Shape::most_vector &&
           (shape.vector == 1 || shape.run_stride % (4 * shape.vector) == 0) && codes.size() == tokens * shape.pitch() &&
           scales.size() == tokens && sums.size() == tokens * shape.runs();
  }
};

/// Tokens in int8, owned.
class Int8Activations {
 public:
  Int8Activations() = default;
  Int8Activations(std::size_t tokens, Int8Shape shape)
      : codes_(tokens * shape.pitch()), scales_(tokens), sums_(tokens * shape.runs()), tokens_(tokens), shape_(shape) {}
  Int8View view() noexcept {
    return {.codes = codes_, .scales = scales_, .sums = sums_, .tokens = tokens_, .shape = shape_};
  }

 private:
  AlignedBuffer<std::int8_t> codes_;
  AlignedBuffer<float> scales_;
  AlignedBuffer<std::int32_t> sums_;
  std::size_t tokens_ = 0;
  Int8Shape shape_{};
};

inline namespace LOWBIT_ISA_NAMESPACE {

/// Writes tokens [begin, end) of x in int8: scale = max|x| / 127, code = x · (127 / max|x|), the product in float, to
/// nearest with ties to even. All instruction sets give the same bytes.
///
///   x    out.tokens · cols floats, each token's vector contiguous
///   out  consistent() holds
///
/// The error of an element is at most scale/2 · (1 + 2^-15). A token whose largest magnitude is under 2^-100 becomes
/// zeros; one with NaN or infinity gets the scale NaN, and so products that are NaN.
/// Cost     two passes over x; no allocation. Tokens are independent: cut them among threads as you like.
template <class Isa = isa::native>
void quantize_activations(std::span<const float> x, std::size_t begin, std::size_t end, const Int8View& out) {
  LOWBIT_EXPECTS(out.consistent(), "quantize_activations: the spans of the view fit its shape");
  LOWBIT_EXPECTS(begin <= end && end <= out.tokens, "quantize_activations: the tokens are there");
  LOWBIT_EXPECTS(x.size() == out.tokens * out.shape.cols, "quantize_activations: x holds one float per column and token");
  for (std::size_t t = begin; t < end; ++t) {
    std::int8_t* const codes = out.codes.data() + t * out.shape.pitch();
    out.scales[t] = kernel::quantize_token(Isa{}, out.shape, x.data() + t * out.shape.cols, codes,
                                           out.sums.data() + t * out.shape.runs());
    if (out.shape.vector != 1) kernel::interleave_vectors(out.shape, codes);
  }
}

template <class Isa = isa::native>
void quantize_activations(std::span<const float> x, const Int8View& out) {
  quantize_activations<Isa>(x, 0, out.tokens, out);
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit
