// SPDX-License-Identifier: MIT
#pragma once

#include <ratio>
#include <string_view>

#include "lowbit/format/concept.hpp"
#include "lowbit/format/e8_ball.hpp"
#include "lowbit/format/e8p.hpp"
#include "lowbit/format/residual.hpp"

namespace lowbit {

/// E8P and a 256-point residual on 2.04 times what is left: three bits a weight, codes of 24 bits.
///
/// MSE per weight on N(0, 1), measured on 2^19 weights: 0.0296 (0.0295 with two candidates, no less with more).
/// Source: Tseng et al., "QuIP#", arXiv:2402.04396, both scales too.
template <int Candidates = 1>
struct E8PWithBall : Residual<E8P, E8Ball<8>, std::ratio<204, 100>, Candidates> {
  static constexpr std::string_view name = "e8p_3bit";
  static constexpr float opt_scale = 0.98f;
};

/// E8P and another E8P on 3.45 times what is left: four bits a weight, codes of 32 bits.
///
/// MSE per weight on N(0, 1), measured on 2^18 weights: 0.0086 at the opt_scale here; 0.0096 (0.0092 with two
/// candidates) at the published 1.03, where more of the tail lies outside. Source: as above, the residual's scale too.
template <int Candidates = 1>
struct E8PWithE8P : Residual<E8P, E8P, std::ratio<345, 100>, Candidates> {
  static constexpr std::string_view name = "e8p_4bit";
  static constexpr float opt_scale = 0.93f;
};

using E8P3 = E8PWithBall<>;
using E8P4 = E8PWithE8P<>;

static_assert(Format<E8P3> && Format<E8P4>);

}  // namespace lowbit
