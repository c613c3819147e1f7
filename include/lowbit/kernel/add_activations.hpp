// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include "lowbit/core/buffer.hpp"
#include "lowbit/core/contract.hpp"
#include "lowbit/kernel/gemm_add/fields.hpp"
#include "lowbit/kernel/gemm_add/shape.hpp"

namespace lowbit {

/// Tokens as tables of sums, borrowed: tokens · shape.pitch() floats. Fields says which sums.
template <class Fields>
struct AddView {
  std::span<float> sums{};
  std::size_t tokens = 0;
  AddShape shape{};

  bool consistent() const noexcept { return shape.run >= 1 && sums.size() == tokens * shape.pitch(); }
};

/// The same, owned: about 43 bytes per activation and token for trits, 16 for signs, 32 for phases.
template <class Fields>
class AddActivations {
 public:
  AddActivations() = default;
  AddActivations(std::size_t tokens, AddShape shape) : sums_(tokens * shape.pitch()), tokens_(tokens), shape_(shape) {}
  AddView<Fields> view() noexcept { return {.sums = sums_, .tokens = tokens_, .shape = shape_}; }

 private:
  AlignedBuffer<float> sums_;
  std::size_t tokens_ = 0;
  AddShape shape_{};
};

inline namespace LOWBIT_ISA_NAMESPACE {

/// Writes the sums of tokens [begin, end) of x. The bits do not depend on the instruction set.
///
///   x    out.tokens · cols floats, each token's vector contiguous
///   out  consistent() holds
///
/// Cost     a few additions of 16 lanes for every field of 3 or 4 columns; no allocation. Tokens are independent.
template <class Fields>
void sum_activations(std::span<const float> x, std::size_t begin, std::size_t end, const AddView<Fields>& out) {
  LOWBIT_EXPECTS(out.consistent(), "sum_activations: the spans of the view fit its shape");
  LOWBIT_EXPECTS(begin <= end && end <= out.tokens, "sum_activations: the tokens are there");
  LOWBIT_EXPECTS(x.size() == out.tokens * out.shape.cols, "sum_activations: x holds one float per column and token");
  const AddShape& shape = out.shape;
  for (std::size_t t = begin; t < end; ++t) {
    float* to = out.sums.data() + t * shape.pitch();
    for (std::size_t run = 0; run < shape.runs(); ++run) {
      const float* const from = x.data() + t * shape.cols + run * shape.run;
      const std::size_t columns = shape.columns_of_run(run), fields = shape.words_of_run(run) * Fields::per_word;
      for (std::size_t f = 0; f < fields; ++f, to += shape.field_floats) {
        if ((f + 1) * Fields::columns <= columns) {
          kernel::sum_field<Fields>(from + f * Fields::columns, to);
          continue;
        }
        float some[Fields::columns];
        for (std::size_t c = 0; c < Fields::columns; ++c)
          some[c] = f * Fields::columns + c < columns ? from[f * Fields::columns + c] : 0.0f;
        kernel::sum_field<Fields>(some, to);
      }
    }
  }
}

template <class Fields>
void sum_activations(std::span<const float> x, const AddView<Fields>& out) {
  sum_activations(x, 0, out.tokens, out);
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit
