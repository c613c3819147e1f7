// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/concept.hpp"
#include "lowbit/format/phase.hpp"

namespace lowbit {

/// Sums of Stages complex phases (format/phase.hpp) with weights 1, 1/2, …: a pair (re, im) of weights per code. It stands
/// for the codes of PhaseScaled, whose stages have scales of their own.
///
/// Two bits per stage, the first stage highest, each a code of Phase. Encoding takes the nearest phase, then the nearest one
/// to what is left: each is nearest to its rest, the sum need not be.
template <int Stages>
struct PhaseSum {
  static_assert(Stages >= 1 && Stages <= 4, "PhaseSum has one to four stages: one code fits a byte.");
  static constexpr std::size_t dim = 2;
  static constexpr std::size_t cardinality = std::size_t{1} << (2 * Stages);
  static constexpr bool nearest = Stages == 1;
  static constexpr std::string_view name = [] {
    constexpr std::string_view names[] = {"phase", "phase2", "phase3", "phase4"};
    return names[Stages - 1];
  }();
  using code_type = std::uint8_t;

  static constexpr float re(unsigned phase) noexcept { return phase == 0 ? 1.0f : phase == 2 ? -1.0f : 0.0f; }
  static constexpr float im(unsigned phase) noexcept { return phase == 1 ? 1.0f : phase == 3 ? -1.0f : 0.0f; }
  /// The phase of one stage of a code.
  static constexpr unsigned stage(code_type c, int k) noexcept { return (c >> (2 * (Stages - 1 - k))) & 3u; }

  code_type encode(std::span<const float, 2> x) const noexcept {
    float re_left = x[0], im_left = x[1], weight = 1.0f;
    unsigned code = 0;
    for (int k = 0; k < Stages; ++k, weight *= 0.5f) {
      const unsigned phase = Phase::encode(re_left, im_left);
      code = code << 2 | phase;
      re_left -= weight * re(phase);
      im_left -= weight * im(phase);
    }
    return static_cast<code_type>(code);
  }
  void decode(code_type c, std::span<float, 2> y) const noexcept {
    y[0] = y[1] = 0.0f;
    float weight = 1.0f;
    for (int k = 0; k < Stages; ++k, weight *= 0.5f) {
      y[0] += weight * re(stage(c, k));
      y[1] += weight * im(stage(c, k));
    }
  }
};

static_assert(Format<PhaseSum<1>> && Format<PhaseSum<2>>);

}  // namespace lowbit
