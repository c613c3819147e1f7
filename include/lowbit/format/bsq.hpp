// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/concept.hpp"
#include "lowbit/format/name.hpp"

namespace lowbit {

/// Binary spherical quantization: the 2^Dim corners of the cube inscribed in the unit sphere, (±1, …, ±1)/√Dim.
///
/// Code: one bit per coordinate, set where it is positive, the first coordinate in the most significant of Dim bits.
/// Encoding: signs, which is to nearest, in length or in angle; ties, zeros among them, and NaN are negative.
/// A vector of length 1 lies √(2 − 2·‖x‖₁/√Dim) from its corner; a direction drawn at random errs by about
/// 2 − 2·√(2/π) = 0.404 in square for large Dim. With gain() as its length, an arbitrary vector errs least.
/// Source: Zhao et al., "Binary Spherical Quantization", arXiv:2406.07548; as in QLIP, arXiv:2502.05178.
template <std::size_t Dim>
struct Bsq {
  static_assert(Dim >= 1 && Dim <= 64, "A code of Bsq has one bit per dimension, 64 at most.");
  static constexpr std::size_t dim = Dim;
  /// 2^Dim; the largest number for 2^64.
  static constexpr std::size_t cardinality = Dim == 64 ? ~std::size_t{0} : std::size_t{1} << (Dim % 64);
  using code_type = std::conditional_t<(Dim <= 16), std::conditional_t<(Dim <= 8), std::uint8_t, std::uint16_t>,
                                       std::conditional_t<(Dim <= 32), std::uint32_t, std::uint64_t>>;

 private:
  static constexpr auto text = lowbit::detail::FormatName{}.add("bsq").add(static_cast<int>(Dim));
  static constexpr double root(double x) noexcept {
    double r = x;
    for (int i = 0; i < 64; ++i) r = 0.5 * (r + x / r);
    return r;
  }

 public:
  static constexpr std::string_view name = text.view();
  static constexpr float coordinate = static_cast<float>(1.0 / root(static_cast<double>(Dim)));
  /// What N(0, 1) is multiplied by before it is encoded: the least-squares gain of its signs is √(2/π)·√Dim.
  static constexpr float opt_scale = static_cast<float>(1.0 / (0.7978845608028654 * root(static_cast<double>(Dim))));

  LOWBIT_ALWAYS_INLINE code_type encode(std::span<const float, Dim> x) const noexcept {
    code_type code = 0;
    for (std::size_t i = 0; i < Dim; ++i)
      code = static_cast<code_type>(code | static_cast<code_type>(x[i] > 0.0f ? 1 : 0) << (Dim - 1 - i));
    return code;
  }
  LOWBIT_ALWAYS_INLINE void decode(code_type code, std::span<float, Dim> y) const noexcept {
    for (std::size_t i = 0; i < Dim; ++i) y[i] = (code >> (Dim - 1 - i) & 1u) != 0 ? coordinate : -coordinate;
  }
  /// ‖x‖₁/√Dim: the length g for which g · decode(encode(x)) is nearest to x.
  static double gain(std::span<const float, Dim> x) noexcept {
    double sum = 0.0;
    for (const float v : x) sum += std::fabs(static_cast<double>(v));
    return sum / root(static_cast<double>(Dim));
  }
};

static_assert(Format<Bsq<1>> && Format<Bsq<18>> && Format<Bsq<64>>);

}  // namespace lowbit
