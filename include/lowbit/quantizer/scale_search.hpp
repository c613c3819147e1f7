// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <type_traits>
#include <variant>

#include "lowbit/core/contract.hpp"
#include "lowbit/quantizer/concept.hpp"
#include "lowbit/quantizer/scale_search/absmax.hpp"
#include "lowbit/quantizer/scale_search/closed_form.hpp"
#include "lowbit/quantizer/scale_search/ggml_search.hpp"
#include "lowbit/quantizer/scale_search/golden_section.hpp"
#include "lowbit/quantizer/scale_search/hessian_full.hpp"
#include "lowbit/quantizer/scale_search/hqq.hpp"
#include "lowbit/quantizer/scale_search/kl_entropy.hpp"
#include "lowbit/quantizer/scale_search/lp_grid.hpp"
#include "lowbit/quantizer/scale_search/percentile.hpp"

/// Scale search: which parameters a group gets, apart from what they are and how they are stored. Every policy answers
///
///   fit(q, group, context) → q's params_type
///   applies<Q>             whether it can do more for Q than AbsMax; where it cannot, it is AbsMax
///
/// where the context holds what is known beside the values (FitContext). Groups hold at least one element, all finite.
/// New policies are new alternatives of ScaleSearch, one header each; most work with every quantizer that can fit a range.

namespace lowbit {

using ScaleSearch = std::variant<AbsMax, LpGrid, GoldenSection, Percentile, KlEntropy, HessianFull, Hqq,
                                 GgmlSearch, ClosedForm>;

/// Parameters of one group.
template <Quantizer Q>
typename Q::params_type fit_scale(const ScaleSearch& search, const Q& q, std::span<const float> group,
                                  const FitContext& context = {}) {
  LOWBIT_ASSERT(context.importance.empty() || context.importance.size() == group.size(), "one importance per element");
  if (std::holds_alternative<AbsMax>(search)) return AbsMax{}.fit(q, group, context);  // inlined: groups may be small
  return std::visit([&](const auto& policy) { return policy.fit(q, group, context); }, search);
}

/// True when the search does more for Q than AbsMax.
template <Quantizer Q>
bool search_applies(const ScaleSearch& search) noexcept {
  return std::visit([](const auto& policy) { return std::remove_cvref_t<decltype(policy)>::template applies<Q>; },
                    search);
}

}  // namespace lowbit
