// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/model/weights.hpp"
#include "lowbit/pipeline/import_checkpoint.hpp"

namespace lowbit::pipeline {

namespace detail {

/// A runnable matrix from stored parts. Errors: those of the codec.
inline Result<std::unique_ptr<model::Linear>> linear_from_parts(const StoredMatrix& stored) {
  LOWBIT_TRY(codec, find_codec(stored.shape.type));
  return codec->load(PartsInMemory(stored.parts), "W", stored.shape);
}

}  // namespace detail

/// A runnable matrix: packed where this library has the type, otherwise its weights in float, with a warning.
/// Errors: not_finite for weights that float does not hold.
inline Result<std::unique_ptr<model::Linear>> to_linear(const ImportedMatrix& matrix, const std::string& module,
                                                        std::vector<std::string>& warnings) {
  if (const auto* codes = std::get_if<io::CodeMatrix>(&matrix)) {
    auto stored = to_stored(*codes);
    if (stored) return detail::linear_from_parts(*stored);
    if (stored.error().code != Errc::unsupported) return std::move(stored).error();
    warnings.push_back(module + " runs in float: " + stored.error().message);
  } else if (const auto* affine = std::get_if<io::AffineMatrix>(&matrix)) {
    if (const auto same = io::with_integer_zeros(*affine)) return to_linear(*same, module, warnings);
    warnings.push_back(module + " runs in float: its biases are no whole numbers of steps");
  } else if (const auto* fp4 = std::get_if<io::Fp4Matrix>(&matrix)) {
    auto stored = to_stored(*fp4);
    if (stored && find_codec(stored->shape.type)) return detail::linear_from_parts(*stored);
    warnings.push_back(module + " runs in float: " + (stored ? "no stored type is called " + stored->shape.type : stored.error().message));
  }
  Matrix W = dequantized(matrix);
  LOWBIT_CHECK(model::check_finite(W, module));
  return std::unique_ptr<model::Linear>(std::make_unique<model::FloatLinear>(std::move(W)));
}

}  // namespace lowbit::pipeline
