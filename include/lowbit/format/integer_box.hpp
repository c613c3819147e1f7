// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "lowbit/core/isa.hpp"
#include "lowbit/core/round.hpp"
#include "lowbit/format/concept.hpp"
#include "lowbit/format/name.hpp"

namespace lowbit {

/// Vectors of Dim integers −2^(Bits−1) … 2^(Bits−1) − 1; with Half each is a half more, so that the box is symmetric and has no
/// zero. What a lattice given by a generation matrix has for coordinates.
///
/// Code: field i of Bits bits, from the low end, is the i-th integer plus 2^(Bits−1).
/// Encoding: every coordinate to nearest, ties to even integers (before the half is added), clamped; NaN is the least one.
template <std::size_t Dim, int Bits, bool Half = false>
struct IntegerBox {
  static_assert(Dim >= 1 && Bits >= 1 && Bits <= 8 && Bits * Dim <= 64,
                "A code of IntegerBox has one to eight bits for each dimension, 64 in all.");
  static constexpr std::size_t dim = Dim, code_bits = Bits * Dim;
  static_assert(code_bits >= 1);
  /// 2^code_bits; the largest number for 2^64.
  static constexpr std::size_t cardinality = code_bits == 64 ? ~std::size_t{0} : std::size_t{1} << (code_bits % 64);
  using code_type =
      std::conditional_t<(code_bits <= 16), std::conditional_t<(code_bits <= 8), std::uint8_t, std::uint16_t>,
                         std::conditional_t<(code_bits <= 32), std::uint32_t, std::uint64_t>>;
  static constexpr double offset = Half ? 0.5 : 0.0;
  static constexpr double least = -static_cast<double>(1 << (Bits - 1)) + offset;
  static constexpr double most = static_cast<double>((1 << (Bits - 1)) - 1) + offset;

 private:
  static constexpr auto text =
      lowbit::detail::FormatName{}.add(Half ? "half" : "int").add(Bits).add("x").add(static_cast<int>(Dim));

 public:
  static constexpr std::string_view name = text.view();

  /// The coordinate nearest to x.
  template <class T>
  LOWBIT_ALWAYS_INLINE static T nearest_coordinate(T x) noexcept {
    const T r = round_half_even(x - static_cast<T>(offset)) + static_cast<T>(offset);
    return r > static_cast<T>(least) ? (r < static_cast<T>(most) ? r : static_cast<T>(most)) : static_cast<T>(least);
  }
  /// The code of coordinates that lie in the box.
  template <class T>
  LOWBIT_ALWAYS_INLINE static code_type join(const T* z) noexcept {
    code_type code = 0;
    for (std::size_t i = 0; i < Dim; ++i)
      code = static_cast<code_type>(code | static_cast<code_type>(z[i] - static_cast<T>(least)) << (Bits * i));
    return code;
  }
  template <class T>
  LOWBIT_ALWAYS_INLINE static void split(code_type code, T* z) noexcept {
    for (std::size_t i = 0; i < Dim; ++i)
      z[i] = static_cast<T>(static_cast<std::int32_t>(code >> (Bits * i) & ((1u << Bits) - 1u))) + static_cast<T>(least);
  }

  code_type encode(std::span<const float, Dim> x) const noexcept {
    float z[Dim];
    for (std::size_t i = 0; i < Dim; ++i) z[i] = nearest_coordinate(x[i]);
    return join(z);
  }
  LOWBIT_ALWAYS_INLINE void decode(code_type code, std::span<float, Dim> y) const noexcept { split(code, y.data()); }
};

static_assert(Format<IntegerBox<8, 2>> && Format<IntegerBox<8, 8>> && Format<IntegerBox<32, 1, true>>);

}  // namespace lowbit
