// SPDX-License-Identifier: MIT
#pragma once

/// What a product computes with, as types.
///
///   f32   float activations and weights: the weights are exact
///   bf16  weights and activations rounded to bf16, float sums of their products
///   int8  activations as int8 with one scale per token, weights as the integers their points are multiples of; integer
///         sums, one float multiply-add per run of columns that share a scale
///   add   float activations, weights that are sums of scales with signs: sums of activations looked up in tables, one
///         multiply-add per run of columns that share a scale; the weights are exact
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
struct add {
  static constexpr const char* name = "add";
};

}  // namespace lowbit::compute
