// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "lowbit/core/type_list.hpp"
#include "lowbit/model/quantized_linear.hpp"
#include "lowbit/pipeline/codec.hpp"
#include "lowbit/ptq/hessian.hpp"
#include "lowbit/ptq/nearest.hpp"
#include "lowbit/quantizer/gguf_blocks.hpp"

/// Codecs of quantizers. A program that defines LOWBIT_EXTERN_CODECS compiles the lists of pipeline/stored_types/ in
/// sources of their own, one per family (see examples/codecs); otherwise they are compiled wherever they are used.

#if defined(LOWBIT_EXTERN_CODECS)
#define LOWBIT_CODEC_LIST
#else
#define LOWBIT_CODEC_LIST inline
#endif

namespace lowbit::pipeline {

/// Learned: a policy beside rounding to nearest and HessianRounding, as `kind` and `policy(spec)`, or void.
template <Quantizer Q, class Learned = void>
class CodecFor final : public Codec {
 public:
  std::string storage_name() const override { return Q::storage_name(); }

  CodecTraits traits() const override {
    CodecTraits traits{.code_columns = code_columns<Q>, .symmetric_rule = has_rule, .range_search = RangeFitting<Q>};
    if constexpr (!has_dynamic_group) traits.fixed_group = Q::group_size;
    if constexpr (requires { Q::default_group; }) traits.default_group = Q::default_group;
    if constexpr (!std::is_void_v<Learned>) traits.learned = Learned::kind;
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
    auto matrix = round(q, spec, W, moments, context);
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
  static Result<QuantizedMatrix<Q>> round(const Q& q, const ptq::RecipeSpec& spec, const ConstMatrixRef& W,
                                          const calib::Moments& moments, ptq::RoundingContext context) {
    if (spec.rounding == ptq::RoundingKind::nearest)
      return ptq::NearestRounding{spec.hessian.scale}.round(q, W, moments, context);
    if (spec.rounding == ptq::RoundingKind::hessian) return spec.hessian.round(q, W, moments, context);
    if constexpr (!std::is_void_v<Learned>)
      if (spec.rounding == Learned::kind) return Learned::policy(spec).round(q, W, moments, context);
    return Error{.code = Errc::unsupported, .message = "this rounding does not apply to " + Q::storage_name()};
  }

  static constexpr bool has_dynamic_group = requires(Q q) { q.group_size = std::size_t{}; };
  static constexpr bool has_rule = requires(Q q) { q.rule = SymmetricRule{}; };
  static constexpr bool has_variants = requires(Q q) { q.set_variant(std::string_view{}); };
};

namespace detail {

template <class T>
struct codec_type {
  using type = CodecFor<T>;
};
template <class Q, class Learned>
struct codec_type<CodecFor<Q, Learned>> {
  using type = CodecFor<Q, Learned>;
};

}  // namespace detail

/// The codecs of a closed list of quantizers, or of codecs.
template <class... Ts>
std::vector<const Codec*> codecs_of(TypeList<Ts...>) {
  static const std::tuple<typename detail::codec_type<Ts>::type...> all;
  return {&std::get<typename detail::codec_type<Ts>::type>(all)...};
}

}  // namespace lowbit::pipeline
