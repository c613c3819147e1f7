// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <type_traits>

#include "lowbit/core/isa.hpp"
#include "lowbit/format/concept.hpp"
#include "lowbit/pack/concept.hpp"

namespace lowbit {

/// Group sizes that are not a number of columns. Any other value is the number of consecutive columns of one row that
/// share their parameters; the last group of a row may be short.
inline constexpr std::size_t per_row = std::numeric_limits<std::size_t>::max();          ///< one group per row
inline constexpr std::size_t per_tensor = std::numeric_limits<std::size_t>::max() - 1;   ///< one group per matrix
inline constexpr std::size_t dynamic_group = 0;  ///< as a template argument: the size is a member, set at run time

/// What a fit may know about a group beside its values. Anything may be absent.
struct FitContext {
  std::span<const float> importance{};  ///< one non-negative weight per element (the diagonal of a Hessian), or empty
  float row_mean_square = 0.0f;         ///< mean of w² over the whole row; 0: unknown
  const double* hessian = nullptr;      ///< [size × size] the group's block of the Hessian, symmetric, or null
  std::size_t hessian_stride = 0;       ///< from one row of that block to the next
};

namespace detail {

template <class Q>
struct PointType {
  using type = typename Q::params_type;
};
template <class Q>
  requires requires { Q::sub_group; }
struct PointType<Q> {
  using type = typename Q::point_type;
};

}  // namespace detail

/// What `quantize` and `dequantize` of one weight take: the group's parameters, or those of its sub-group.
template <class Q>
using point_params_t = typename detail::PointType<Q>::type;

/// How a group of reals becomes parameters and codes.
///
/// params_type is what arithmetic needs; stored_type and zero_bits are what a file holds: one stored_type per group, and,
/// where zero_bits > 0, one integer zero point of that many bits per group in a packed stream beside it. `fit` returns
/// parameters already rounded to their storage types, so codes are always chosen against what will be read back.
///
/// Optional, for super-blocks: `sub_group` columns of a group share a scale of their own; point_type is what one weight
/// needs and q.sub(p, s) gives it for sub-group s. Without sub_group, point_type is params_type.
///
/// Laws, checked for every model by tests/quantizer: dim divides group_size; zeros come back as zeros; a group already on
/// its grid comes back unchanged; load(store(p)) == p for every p that fit returns.
template <class Q>
concept Quantizer =
    Format<typename Q::format_type> &&
    (LayoutFor<typename Q::layout_type, typename Q::format_type> ||
     TileLayoutFor<typename Q::layout_type, typename Q::format_type>)&&
    std::is_trivially_copyable_v<typename Q::stored_type> && std::equality_comparable<typename Q::params_type> &&
    requires(const Q q, std::span<const float> group, typename Q::params_type p, point_params_t<Q> point,
             typename Q::stored_type stored, std::span<const float, Q::format_type::dim> x,
             typename Q::format_type::code_type c, std::span<float, Q::format_type::dim> y) {
      { q.group_size } -> std::convertible_to<std::size_t>;
      { Q::zero_bits } -> std::convertible_to<unsigned>;
      { q.fit(group) } noexcept -> std::same_as<typename Q::params_type>;
      { q.quantize(x, point) } noexcept -> std::same_as<typename Q::format_type::code_type>;
      { q.dequantize(c, point, y) } noexcept -> std::same_as<void>;
      { q.store(p) } noexcept -> std::same_as<typename Q::stored_type>;
      { q.store_zero(p) } noexcept -> std::same_as<std::uint8_t>;
      { q.load(stored, std::uint8_t{}) } noexcept -> std::same_as<typename Q::params_type>;
      { Q::storage_name() } -> std::convertible_to<std::string>;
    };

/// Quantizers whose groups are super-blocks.
template <class Q>
concept SuperBlocks = Quantizer<Q> && requires(const Q q, typename Q::params_type p) {
  { Q::sub_group } -> std::convertible_to<std::size_t>;
  { q.sub(p, std::size_t{}) } noexcept -> std::same_as<typename Q::point_type>;
};

/// Quantizers that choose the codes of a tile together, under a tiled layout. x holds tile_rows × tile_columns values, row
/// after row, and params one entry per row; codes [tile_rows × tile_columns / dim] is filled. A tile lies in one group of
/// each of its rows: dim · tile_codes divides the group size. Rows past the last one of the matrix have scale 0 and may
/// become anything.
template <class Q>
concept TileQuantizer =
    Quantizer<Q> && TileLayoutFor<typename Q::layout_type, typename Q::format_type> &&
    requires(const Q q, std::span<const float> x, std::span<const typename Q::params_type> params,
             std::span<typename Q::format_type::code_type> codes) {
      { q.quantize_tile(x, params, codes) } -> std::same_as<void>;
    };

/// Quantizers that can weigh their own search: q.fit(group, context).
template <class Q>
concept WeightedFitting = Quantizer<Q> && requires(const Q q, std::span<const float> group, FitContext context) {
  { q.fit(group, context) } noexcept -> std::same_as<typename Q::params_type>;
};

/// Columns that are rounded together: one, those of a code, or those of a tile. Groups hold a multiple of it.
template <class Q>
inline constexpr std::size_t code_columns = [] {
  if constexpr (requires { Q::layout_type::tile_codes; })
    return Q::layout_type::tile_codes * Q::format_type::dim;
  else
    return Q::format_type::dim;
}();

/// Columns that share one point_type: the sub-group, or the whole group (then any number, as far as this value goes).
template <class Q>
inline constexpr std::size_t point_columns = [] {
  if constexpr (requires { Q::sub_group; })
    return Q::sub_group;
  else
    return per_row;
}();

/// The parameters of the weight at column i of its group.
template <class Q>
LOWBIT_ALWAYS_INLINE point_params_t<Q> point_params(const Q& q, const typename Q::params_type& p,
                                                    [[maybe_unused]] std::size_t i) noexcept {
  if constexpr (requires { Q::sub_group; })
    return q.sub(p, i / Q::sub_group);
  else
    return p;
}

}  // namespace lowbit
