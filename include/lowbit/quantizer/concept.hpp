// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <type_traits>

#include "lowbit/format/concept.hpp"
#include "lowbit/pack/concept.hpp"

namespace lowbit {

/// Group sizes that are not a number of columns. Any other value is the number of consecutive columns of one row that
/// share their parameters; the last group of a row may be short.
inline constexpr std::size_t per_row = std::numeric_limits<std::size_t>::max();          ///< one group per row
inline constexpr std::size_t per_tensor = std::numeric_limits<std::size_t>::max() - 1;   ///< one group per matrix
inline constexpr std::size_t dynamic_group = 0;  ///< as a template argument: the size is a member, set at run time

/// How a group of reals becomes parameters and codes.
///
/// params_type is what arithmetic needs; stored_type and zero_bits are what a file holds: one stored_type per group, and,
/// where zero_bits > 0, one integer zero point of that many bits per group in a packed stream beside it. `fit` returns
/// parameters already rounded to their storage types, so codes are always chosen against what will be read back.
///
/// Laws, checked for every model by tests/quantizer: dim divides group_size; zeros come back as zeros; a group already on
/// its grid comes back unchanged; load(store(p)) == p for every p that fit returns.
template <class Q>
concept Quantizer =
    Format<typename Q::format_type> && LayoutFor<typename Q::layout_type, typename Q::format_type> &&
    std::is_trivially_copyable_v<typename Q::stored_type> && std::equality_comparable<typename Q::params_type> &&
    requires(const Q q, std::span<const float> group, typename Q::params_type p, typename Q::stored_type stored,
             std::span<const float, Q::format_type::dim> x, typename Q::format_type::code_type c,
             std::span<float, Q::format_type::dim> y) {
      { q.group_size } -> std::convertible_to<std::size_t>;
      { Q::zero_bits } -> std::convertible_to<unsigned>;
      { q.fit(group) } noexcept -> std::same_as<typename Q::params_type>;
      { q.quantize(x, p) } noexcept -> std::same_as<typename Q::format_type::code_type>;
      { q.dequantize(c, p, y) } noexcept -> std::same_as<void>;
      { q.store(p) } noexcept -> std::same_as<typename Q::stored_type>;
      { q.store_zero(p) } noexcept -> std::same_as<std::uint8_t>;
      { q.load(stored, std::uint8_t{}) } noexcept -> std::same_as<typename Q::params_type>;
      { Q::storage_name() } -> std::convertible_to<std::string>;
    };

}  // namespace lowbit
