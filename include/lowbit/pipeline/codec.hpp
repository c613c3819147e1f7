// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lowbit/calib/moments.hpp"
#include "lowbit/core/result.hpp"
#include "lowbit/linalg/executor.hpp"
#include "lowbit/linalg/matrix.hpp"
#include "lowbit/model/linear.hpp"
#include "lowbit/pipeline/gguf_export.hpp"
#include "lowbit/pipeline/stored_parts.hpp"
#include "lowbit/ptq/recipe_string.hpp"
#include "lowbit/ptq/rounding.hpp"

namespace lowbit::pipeline {

/// A layer after quantization: runnable, and as the parts a file holds.
struct QuantizedWeights {
  std::unique_ptr<model::Linear> linear;
  StoredShape shape;
  std::vector<StoredPart> parts;
  ptq::RoundingReport report;
  double bits_per_weight = 0.0;
};

/// Which modifiers of a recipe mean something to a stored type.
struct CodecTraits {
  std::size_t fixed_group = 0;      ///< the only group size there is, or 0
  std::size_t default_group = 128;  ///< where a recipe says nothing
  std::size_t code_columns = 1;     ///< groups hold a multiple of it
  bool symmetric_rule = false;      ///< s1 … s4 choose its scale
  bool range_search = false;        ///< its clip range can be searched
  ptq::RoundingKind learned = ptq::RoundingKind::none;  ///< the policy that learns its tables, if there is one
};

/// One stored type with its type erased: what a recipe string or a file name turns into. Stateless.
class Codec {
 public:
  virtual ~Codec() = default;
  virtual std::string storage_name() const = 0;
  virtual CodecTraits traits() const = 0;
  /// Whether a scale search does more for this type than take the extremes of every group.
  virtual bool search_applies(const ScaleSearch& search) const = 0;
  /// Whether a variant's name means anything to this type.
  virtual bool knows_variant(std::string_view word) const = 0;
  /// Runs the compile-time recipe that the spec names on W [out × in].
  virtual Result<QuantizedWeights> quantize(const ptq::RecipeSpec& spec, const ConstMatrixRef& W,
                                            const calib::Moments& moments, Executor& executor) const = 0;
  /// The matrix named `name`, in the basis it is stored in (see load_packed). Errors: those of from_parts.
  virtual Result<std::unique_ptr<model::Linear>> load(const PartSource& source, const std::string& name,
                                                      const StoredShape& shape) const = 0;
  /// A GGUF tensor of this type. tensor_scale: what GGUF keeps in a tensor beside it (NVFP4), or 1.
  /// Errors: unsupported for stored types that are no GGUF blocks; those of from_gguf_blocks.
  virtual Result<std::unique_ptr<model::Linear>> from_gguf(std::span<const std::uint8_t> bytes, std::size_t rows,
                                                           std::size_t cols, float tensor_scale) const = 0;
  /// The same weights as GGUF blocks, bit for bit. Errors: unsupported, saying why GGUF cannot hold them.
  virtual Result<GgufRows> to_gguf(const model::Linear& linear) const = 0;
};

}  // namespace lowbit::pipeline
