// SPDX-License-Identifier: MIT
#pragma once

/// What a product computes with, as types.
///
///   f32   float activations and weights: the weights are exact
///   bf16  weights and activations rounded to bf16, float sums of their products
///   int8  activations as int8 with one scale per token, weights as the integers their points are multiples of; integer
///         sums, one float multiply-add per run of columns that share a scale
namespace lowbit::compute {

struct f32 {
  static constexpr const char* name = "f32";
};
struct bf16 {
  static constexpr const char* name = "bf16";
};
struct int8 {
  static constexpr const char* name = "int8";
};

}  // namespace lowbit::compute
