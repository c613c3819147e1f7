// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "lowbit/core/type_list.hpp"
#include "lowbit/model/quantized_linear.hpp"
#include "lowbit/pipeline/gguf_export.hpp"
#include "lowbit/pipeline/stored_parts.hpp"
#include "lowbit/ptq/hessian.hpp"
#include "lowbit/ptq/nearest.hpp"
#include "lowbit/ptq/recipe_string.hpp"
#include "lowbit/quantizer/gguf_blocks.hpp"

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

template <Quantizer Q>
class CodecFor final : public Codec {
 public:
  std::string storage_name() const override { return Q::storage_name(); }

  CodecTraits traits() const override {
    CodecTraits traits{.code_columns = code_columns<Q>, .symmetric_rule = has_rule, .range_search = RangeFitting<Q>};
    if constexpr (!has_dynamic_group) traits.fixed_group = Q::group_size;
    if constexpr (requires { Q::default_group; }) traits.default_group = Q::default_group;
    return traits;
  }

  bool search_applies(const ScaleSearch& search) const override { return lowbit::search_applies<Q>(search); }

  bool knows_variant([[maybe_unused]] std::string_view word) const override {
    if constexpr (has_variants) return Q{}.set_variant(word);
    return false;
  }

  Result<QuantizedWeights> quantize(const ptq::RecipeSpec& spec, const ConstMatrixRef& W, const calib::Moments& moments,
                                    Executor& executor) const override {
    Q q{};
    if constexpr (has_variants)
      if (!spec.variant.empty()) q.set_variant(spec.variant);
    if constexpr (has_dynamic_group) q.group_size = spec.group_size.value_or(traits().default_group);
    if constexpr (has_rule) q.rule = spec.rule.value_or(SymmetricRule::gptq);
    ptq::RoundingReport report;
    const ptq::RoundingContext context{executor, &report};
    auto matrix = spec.rounding == ptq::RoundingKind::hessian
                      ? spec.hessian.round(q, W, moments, context)
                      : ptq::NearestRounding{spec.hessian.scale}.round(q, W, moments, context);
    if (!matrix) return std::move(matrix).error();
    QuantizedWeights out;
    out.shape = {Q::storage_name(), matrix->rows(), matrix->cols(), matrix->quantizer().group_size, {}};
    out.parts = to_parts(*matrix);
    out.report = std::move(report);
    out.bits_per_weight = matrix->bits_per_weight();
    out.linear = std::make_unique<model::QuantizedLinear<Q>>(std::move(*matrix));
    return out;
  }

  Result<std::unique_ptr<model::Linear>> load(const PartSource& source, const std::string& name,
                                              const StoredShape& shape) const override {
    LOWBIT_TRY(matrix, from_parts<Q>(source, name, shape));
    return std::unique_ptr<model::Linear>(std::make_unique<model::QuantizedLinear<Q>>(std::move(matrix)));
  }

  Result<std::unique_ptr<model::Linear>> from_gguf([[maybe_unused]] std::span<const std::uint8_t> bytes,
                                                   [[maybe_unused]] std::size_t rows, [[maybe_unused]] std::size_t cols,
                                                   [[maybe_unused]] float tensor_scale) const override {
    if constexpr (GgufBlock<Q>) {
      LOWBIT_TRY(matrix, from_gguf_blocks<Q>(bytes, rows, cols));
      for (float& shared : matrix.shared()) shared = tensor_scale;
      return std::unique_ptr<model::Linear>(std::make_unique<model::QuantizedLinear<Q>>(std::move(matrix)));
    } else {
      return Error{.code = Errc::unsupported, .message = Q::storage_name() + " is no GGUF type"};
    }
  }

  Result<GgufRows> to_gguf(const model::Linear& linear) const override {
    const auto* own = dynamic_cast<const model::QuantizedLinear<Q>*>(&linear);
    LOWBIT_EXPECTS(own != nullptr, "a codec exports the linear layers it made");
    return to_gguf_rows(own->weights());
  }

 private:
  static constexpr bool has_dynamic_group = requires(Q q) { q.group_size = std::size_t{}; };
  static constexpr bool has_rule = requires(Q q) { q.rule = SymmetricRule{}; };
  static constexpr bool has_variants = requires(Q q) { q.set_variant(std::string_view{}); };
};

/// The codecs of a closed list of quantizers.
template <class... Qs>
std::vector<const Codec*> codecs_of(TypeList<Qs...>) {
  static const std::tuple<CodecFor<Qs>...> all;
  return {&std::get<CodecFor<Qs>>(all)...};
}

}  // namespace lowbit::pipeline
