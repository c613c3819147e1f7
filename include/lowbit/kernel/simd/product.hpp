// SPDX-License-Identifier: MIT
#pragma once

#include "lowbit/kernel/simd/stripe.hpp"

/// The loops over rows, stripes and tokens of the wide products; the arithmetic and its order are in stripe.hpp.

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// One stripe of the named rows times up to `at_once` tokens, added to y (or put there, for the first stripe).
template <class V, std::size_t R, int B, UniformOptions O>
void multiply_rows(const PackedView<Uniform<Int<B>, O>>& w, const Groups& groups, std::size_t r, std::size_t column,
                   std::size_t columns, const StripeGroups<V>& at, const float* x, std::size_t pitch, std::size_t tokens,
                   float* y) noexcept {
  StripeWeights<V> weights[R];
  const bool whole_lanes = lanes_hold_one_group(groups);
  for (std::size_t i = 0; i < R; ++i)
    if (whole_lanes)
      unpack_stripe<V>(w, groups, r + i, column, columns, at, weights[i]);
    else
      unpack_split_stripe<V>(w, r + i, column, columns, weights[i]);
  std::size_t t = 0;
  const auto put = [&](std::size_t i, std::size_t token, float sum) {
    float& to = y[(t + token) * w.rows + r + i];
    to = column == 0 ? sum : to + sum;
  };
  for (; t + V::tokens_at_once <= tokens; t += V::tokens_at_once)
    multiply_stripe<V, R, V::tokens_at_once>(weights, columns, x + t * block_columns<V>, pitch, put);
  for (; t < tokens; ++t) multiply_stripe<V, R, 1>(weights, columns, x + t * block_columns<V>, pitch, put);
}

/// gemm by stripes: the activations of up to 24 tokens are interleaved on the stack (96 KiB), four rows at a time are
/// unpacked (16 KiB) and multiplied by all of them.
template <class V, int B, UniformOptions O>
void gemm_by_stripes(const PackedView<Uniform<Int<B>, O>>& w, RowRange rows, std::span<const float> x,
                     std::span<float> y, std::size_t tokens) noexcept {
  constexpr std::size_t at_once = 24, row_block = 4;
  alignas(64) float stripe[at_once * stripe_columns];
  StripeGroups<V> at;
  const Groups groups = w.groups();
  if (w.cols == 0) {
    for (std::size_t t = 0; t < tokens; ++t)
      for (std::size_t r = rows.begin; r < rows.end; ++r) y[t * w.rows + r] = 0.0f;
    return;
  }
  for (std::size_t first = 0; first < tokens; first += at_once) {
    const std::size_t count = std::min(at_once, tokens - first);
    const std::size_t pitch = count * block_columns<V>;
    float* to = y.data() + first * w.rows;
    for (std::size_t column = 0; column < w.cols; column += stripe_columns) {
      const std::size_t columns = std::min(stripe_columns, w.cols - column);
      for (std::size_t t = 0; t < count; ++t)
        interleave_stripe<V>(x.data() + (first + t) * w.cols + column, columns, stripe + t * block_columns<V>, pitch);
      at.set(groups, column, columns);
      std::size_t r = rows.begin;
      for (; r + row_block <= rows.end; r += row_block)
        multiply_rows<V, row_block>(w, groups, r, column, columns, at, stripe, pitch, count, to);
      for (; r < rows.end; ++r) multiply_rows<V, 1>(w, groups, r, column, columns, at, stripe, pitch, count, to);
    }
  }
}

/// gemv by stripes: up to 16 stripes of x are interleaved on the stack (64 KiB) for all rows; each row is then read once
/// from left to right and unpacked in registers.
template <class V, int B, UniformOptions O>
void gemv_by_stripes(const PackedView<Uniform<Int<B>, O>>& w, RowRange rows, std::span<const float> x,
                     std::span<float> y) noexcept {
  constexpr std::size_t at_once = 16;
  const Groups groups = w.groups();
  if (w.cols == 0 || !lanes_hold_one_group(groups)) return gemm_by_stripes<V>(w, rows, x, y, 1);
  alignas(64) float interleaved[at_once * stripe_columns];
  StripeGroups<V> at[at_once];
  for (std::size_t first = 0; first < w.cols; first += at_once * stripe_columns) {
    const std::size_t columns = std::min(at_once * stripe_columns, w.cols - first);
    for (std::size_t c = 0; c < columns; c += stripe_columns) {
      interleave_stripe<V>(x.data() + first + c, std::min(stripe_columns, columns - c), interleaved + c,
                           block_columns<V>);
      at[c / stripe_columns].set(groups, first + c, std::min(stripe_columns, columns - c));
    }
    const typename V::template Decoder<B> decoder;
    for (std::size_t r = rows.begin; r < rows.end; ++r) {
      float sum = first == 0 ? 0.0f : y[r];
      for (std::size_t c = 0; c < columns; c += stripe_columns) {
        StripeParams<V> params;
        const StripeGroups<V>& here = at[c / stripe_columns];
        load_params<V>(w, groups, r, here, params);
        const std::size_t count = std::min(stripe_columns, columns - c);
        const StripeCodes<V, B> codes(w, r, first + c, count);
        const float part = dot_stripe<V, B, O>(decoder, codes, count, here, params, interleaved + c);
        sum = first + c == 0 ? part : sum + part;
      }
      y[r] = sum;
    }
  }
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
