// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "lowbit/core/float16.hpp"
#include "lowbit/core/result.hpp"
#include "lowbit/model/transformed_linear.hpp"
#include "lowbit/model/weights.hpp"
#include "lowbit/pipeline/codec.hpp"
#include "lowbit/transform/any_transform.hpp"

/// Packed matrices that are stored in another basis than their model's.

namespace lowbit::pipeline {

/// A seed of its own for every matrix: FNV-1a of its name, started from the recipe's seed.
inline std::uint64_t seed_of(std::string_view name, std::uint64_t seed) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325u ^ (seed * 0x9e3779b97f4a7c15u);
  for (const char c : name) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3u;
  return hash;
}

/// Quantizes W [out × in] as the recipe says, in the basis it names. Errors: not_finite, those of the transform and the
/// codec.
inline Result<QuantizedWeights> quantize_in_basis(const Codec& codec, const ptq::RecipeSpec& spec, const std::string& name,
                                                  const Matrix& W, const calib::Moments& moments, Executor& executor) {
  if (spec.transform.empty()) return codec.quantize(spec, W, moments, executor);
  LOWBIT_CHECK(model::check_finite(W, name));
  MatrixD folded = W.cast<double>();
  const MatrixD H = moments.tokens() != 0 ? moments.mean() : MatrixD();
  LOWBIT_TRY(basis, transform::prepare_any(spec.transform, seed_of(name, spec.seed), folded, H));
  basis->fold_into_weights(folded);
  const auto inputs = moments.tokens() != 0 ? calib::Moments::from_mean(basis->transform_moments(H)) : calib::Moments();
  LOWBIT_TRY(weights, codec.quantize(spec, folded.cast<float>(), inputs, executor));
  weights.shape.transform = basis->record();
  if (const auto& values = weights.shape.transform.values; !values.empty()) {
    StoredPart part{".transform", io::Dtype::BF16, {values.size()}, std::vector<std::uint8_t>(2 * values.size())};
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::uint16_t half = bf16::encode(values[i]);
      std::memcpy(part.bytes.data() + 2 * i, &half, 2);
    }
    weights.parts.push_back(std::move(part));
  }
  if (W.size() != 0)
    weights.bits_per_weight += static_cast<double>(basis->stored_bits()) / static_cast<double>(W.size());
  weights.linear = std::make_unique<model::TransformedLinear>(std::move(weights.linear), std::move(basis));
  return std::move(weights);
}

/// A packed matrix as its model sees it. Errors: unsupported for types that are not in the list, those of Codec::load and
/// make_transform, naming the matrix.
inline Result<std::unique_ptr<model::Linear>> load_packed(const Codec& codec, const PartSource& source,
                                                          const std::string& name, const StoredShape& shape) {
  LOWBIT_TRY(linear, codec.load(source, name, shape));
  if (!shape.transformed()) return std::move(linear);
  transform::TransformRecord record = shape.transform;
  if (const auto part = source.find(".transform")) {
    if (part->dtype != io::Dtype::BF16 || part->shape.size() != 1)
      return Error{.code = Errc::malformed, .message = "must be a vector in BF16", .tensor = name + ".transform"};
    for (std::size_t i = 0; i + 2 <= part->bytes.size(); i += 2) {
      std::uint16_t half = 0;
      std::memcpy(&half, part->bytes.data() + i, 2);
      record.values.push_back(bf16::decode(half));
    }
  }
  auto basis = transform::make_transform(record, static_cast<Index>(shape.rows), static_cast<Index>(shape.cols));
  if (!basis) return std::move(basis).error().in_tensor(name);
  return std::unique_ptr<model::Linear>(
      std::make_unique<model::TransformedLinear>(std::move(linear), std::shared_ptr<const transform::AnyTransform>(std::move(*basis))));
}

}  // namespace lowbit::pipeline
