// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "lowbit/core/float16.hpp"
#include "lowbit/format/concept.hpp"
#include "lowbit/format/trellis/code.hpp"
#include "lowbit/pack/dense.hpp"
#include "lowbit/pack/dense_words.hpp"
#include "lowbit/quantizer/concept.hpp"

/// Quantizers of vectors, declared: what kernels need to know of them in order to serve them, without their searches.

namespace lowbit {

struct E8P;

/// Formats that say what to multiply unit-variance data by before encoding it.
template <class F>
concept UnitScaled = Format<F> && requires {
  { F::opt_scale } -> std::convertible_to<float>;
};

/// How many tables of points a matrix has.
enum class CodebookTables : std::uint8_t {
  one,        ///< one for all of it
  per_group,  ///< one per group of columns, shared by all rows
};

template <UnitScaled F, class Scale = f16, std::size_t GroupSize = per_row,
          class Layout = std::conditional_t<std::is_same_v<typename F::code_type, std::uint8_t>, pack::dense_for<F>,
                                            pack::dense_words_for<F>>>
struct VectorScaled;

template <std::size_t Dim, int Bits, CodebookTables Tables = CodebookTables::one, class Scale = f16,
          std::size_t GroupSize = per_row>
struct VectorCodebook;

namespace trellis {
struct OneMad;
}
template <trellis::Code C, int L, int K, class Scale = f16, std::size_t GroupSize = dynamic_group,
          int Shift = K * static_cast<int>(C::dim)>
struct TrellisScaled;

}  // namespace lowbit
