// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "lowbit/pipeline/codec_for.hpp"
#include "lowbit/ptq/dgms.hpp"
#include "lowbit/ptq/glvq.hpp"
#include "lowbit/ptq/lnq.hpp"
#include "lowbit/quantizer/codebook/glvq.hpp"
#include "lowbit/quantizer/codebook/row_codebook.hpp"
#include "lowbit/quantizer/codebook/vector_codebook.hpp"

namespace lowbit::pipeline {

namespace detail {

/// How recipes run the policies that learn what they round to.
struct ByLnq {
  static constexpr auto kind = ptq::RoundingKind::lnq;
  static ptq::Lnq policy(const ptq::RecipeSpec& spec) {
    ptq::Lnq policy{.damp = spec.hessian.damp};
    policy.cd_cycles = spec.sweeps.value_or(policy.cd_cycles);
    return policy;
  }
};
struct ByDgms {
  static constexpr auto kind = ptq::RoundingKind::dgms;
  static ptq::Dgms policy(const ptq::RecipeSpec& spec) {
    ptq::Dgms policy;
    policy.cd_cycles = spec.sweeps.value_or(policy.cd_cycles);
    return policy;
  }
};
struct ByGlvq {
  static constexpr auto kind = ptq::RoundingKind::glvq;
  static ptq::GlvqRounding policy(const ptq::RecipeSpec& spec) {
    ptq::GlvqRounding policy{.damp = spec.hessian.damp};
    policy.cd_sweeps = spec.sweeps.value_or(policy.cd_sweeps);
    return policy;
  }
};

}  // namespace detail

/// Learned tables: of values per row or for all of a matrix, of vectors, and of lattices.
LOWBIT_CODEC_LIST std::vector<const Codec*> codebook_codecs() {
  using namespace detail;
  return codecs_of(
      TypeList<CodecFor<RowCodebook<2>, ByLnq>, CodecFor<RowCodebook<3>, ByLnq>, CodecFor<RowCodebook<4>, ByLnq>,
               CodecFor<RowCodebook<2, per_tensor>, ByDgms>, CodecFor<RowCodebook<3, per_tensor>, ByDgms>,
               CodecFor<RowCodebook<4, per_tensor>, ByDgms>, CodecFor<VectorCodebook<4, 8>>,
               CodecFor<Glvq<8, 2, true>, ByGlvq>, CodecFor<Glvq<8, 3>, ByGlvq>, CodecFor<Glvq<8, 4>, ByGlvq>>{});
}

}  // namespace lowbit::pipeline
