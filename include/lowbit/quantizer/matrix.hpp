// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

#include "lowbit/core/buffer.hpp"
#include "lowbit/core/contract.hpp"
#include "lowbit/pack/dense.hpp"
#include "lowbit/quantizer/concept.hpp"
#include "lowbit/quantizer/groups.hpp"
#include "lowbit/quantizer/shared_scales.hpp"

namespace lowbit {

namespace detail {

template <Quantizer Q>
LOWBIT_ALWAYS_INLINE constexpr std::size_t shared_floats([[maybe_unused]] const Groups& groups) noexcept {
  if constexpr (SharedScales<Q>)
    return Q::shared_count(groups);
  else
    return 0;
}

}  // namespace detail

/// A borrowed, packed rows × cols matrix: what kernels read. Copy it freely; it owns nothing.
///
///   codes   bands · row_bytes bytes: each row packed by Q's layout, starting on a byte; a tiled layout stores a band of
///           tile_rows rows as other layouts store a row
///   params  one stored_type per group, row by row (one in all for per_tensor)
///   zeros   for zero_bits > 0: rows · zero_row_bytes bytes, each row's zero points as a dense stream starting on a byte
///           (one zero point in all for per_tensor); otherwise empty
///   shared  Q::shared_count(groups) floats for quantizers with SharedScales; otherwise empty
template <Quantizer Q>
struct PackedView {
  std::span<const std::uint8_t> codes{};
  std::span<const typename Q::stored_type> params{};
  std::span<const std::uint8_t> zeros{};
  std::span<const float> shared{};
  std::size_t rows = 0;
  std::size_t cols = 0;
  Q quantizer{};

  LOWBIT_ALWAYS_INLINE constexpr Groups groups() const noexcept { return {rows, cols, quantizer.group_size}; }
  LOWBIT_ALWAYS_INLINE constexpr std::size_t row_bytes() const noexcept {
    return pack::row_bytes<typename Q::layout_type>(ceil_div(cols, Q::format_type::dim));
  }
  LOWBIT_ALWAYS_INLINE constexpr std::size_t zero_row_bytes() const noexcept {
    return ceil_div(groups().per_row_count() * Q::zero_bits, 8);
  }
  /// How many times row_bytes are stored: rows, or for tiled layouts bands of rows.
  LOWBIT_ALWAYS_INLINE constexpr std::size_t bands() const noexcept {
    return ceil_div(rows, pack::tile_rows<typename Q::layout_type>);
  }
  /// The bytes that hold row r: its own, or those of its band.
  LOWBIT_ALWAYS_INLINE std::span<const std::uint8_t> row_codes(std::size_t r) const noexcept {
    return codes.subspan(r / pack::tile_rows<typename Q::layout_type> * row_bytes(), row_bytes());
  }
  /// Codes [first, first + out.size()) of row r.
  LOWBIT_ALWAYS_INLINE void unpack(std::size_t r, std::size_t first,
                                   std::span<typename Q::format_type::code_type> out) const noexcept {
    using Layout = typename Q::layout_type;
    if constexpr (requires { Layout::tile_rows; })
      Layout::unpack_row(row_codes(r), r % Layout::tile_rows, first, out);
    else
      pack::unpack_range<Layout>(row_codes(r), first, out);
  }
  /// Parameters of group g of row r.
  LOWBIT_ALWAYS_INLINE typename Q::params_type group_params(std::size_t r, std::size_t g) const noexcept {
    const Groups layout = groups();
    std::uint8_t zero = 0;
    if constexpr (Q::zero_bits != 0) {
      const std::size_t row_begin = layout.shared_by_rows() ? 0 : r * zero_row_bytes();
      const std::size_t bit = (layout.shared_by_rows() ? 0 : g) * Q::zero_bits;
      unsigned word = zeros[row_begin + bit / 8];
      if (bit % 8 + Q::zero_bits > 8) word |= static_cast<unsigned>(zeros[row_begin + bit / 8 + 1]) << 8;
      zero = static_cast<std::uint8_t>((word >> (bit % 8)) & ((1u << Q::zero_bits) - 1u));
    }
    return group_quantizer(r, g).load(params[layout.index(r, g)], zero);
  }
  /// The quantizer of group g of row r: `quantizer`, holding what its group needs of the shared parameters.
  LOWBIT_ALWAYS_INLINE Q group_quantizer([[maybe_unused]] std::size_t r, [[maybe_unused]] std::size_t g) const noexcept {
    if constexpr (SharedScales<Q>)
      return quantizer.with_shared(shared, groups(), r, g);
    else
      return quantizer;
  }
  /// True when every span has the size that rows, cols and Q imply. O(1); every public entry point asks.
  LOWBIT_ALWAYS_INLINE bool consistent() const noexcept {
    const Groups layout = groups();
    const std::size_t zero_bytes =
        Q::zero_bits == 0 ? 0 : (layout.shared_by_rows() ? (layout.total() != 0 ? 1 : 0) : rows * zero_row_bytes());
    return quantizer.group_size >= 1 && codes.size() == bands() * row_bytes() && params.size() == layout.total() &&
           zeros.size() == zero_bytes && shared.size() == detail::shared_floats<Q>(layout);
  }
};

/// An owned packed matrix, the result of every rounding policy.
///
/// Where a rounding policy reordered columns without static groups (act_order), column k of what is stored is column
/// column_order()[k] of W; the activations must be gathered in the same order before a product. Empty means natural order.
template <Quantizer Q>
class QuantizedMatrix {
 public:
  using code_type = typename Q::format_type::code_type;
  using stored_type = typename Q::stored_type;
  using params_type = typename Q::params_type;

  QuantizedMatrix() = default;
  /// All codes and parameters zero bits. q.group_size ≥ 1.
  QuantizedMatrix(std::size_t rows, std::size_t cols, Q q = {}) : rows_(rows), cols_(cols), q_(q) {
    LOWBIT_EXPECTS(q.group_size >= 1, "a group holds at least one column");
    const PackedView<Q> shape{.rows = rows, .cols = cols, .quantizer = q};
    const Groups layout = shape.groups();
    codes_ = AlignedBuffer<std::uint8_t>(shape.bands() * shape.row_bytes());
    params_ = AlignedBuffer<stored_type>(layout.total());
    if constexpr (Q::zero_bits != 0)
      zeros_ = AlignedBuffer<std::uint8_t>(layout.shared_by_rows() ? layout.total() : rows * shape.zero_row_bytes());
    shared_.resize(detail::shared_floats<Q>(layout));
  }

  std::size_t rows() const noexcept { return rows_; }
  std::size_t cols() const noexcept { return cols_; }
  const Q& quantizer() const noexcept { return q_; }
  Groups groups() const noexcept { return {rows_, cols_, q_.group_size}; }

  PackedView<Q> view() const noexcept {
    return {.codes = codes_, .params = params_, .zeros = zeros_, .shared = shared_,
            .rows = rows_, .cols = cols_, .quantizer = q_};
  }
  operator PackedView<Q>() const noexcept { return view(); }  // NOLINT: a matrix is a view

  /// Raw storage, for files. Sizes are fixed by the shape; see PackedView.
  std::span<std::uint8_t> codes() noexcept { return codes_; }
  std::span<const std::uint8_t> codes() const noexcept { return codes_; }
  std::span<stored_type> params() noexcept { return params_; }
  std::span<const stored_type> params() const noexcept { return params_; }
  std::span<std::uint8_t> zeros() noexcept { return zeros_; }
  std::span<const std::uint8_t> zeros() const noexcept { return zeros_; }
  std::span<float> shared() noexcept { return shared_; }
  std::span<const float> shared() const noexcept { return shared_; }

  /// Packs one row of ceil(cols / dim) codes.
  void set_row_codes(std::size_t r, std::span<const code_type> row) noexcept
    requires LayoutFor<typename Q::layout_type, typename Q::format_type>
  {
    const std::size_t bytes = view().row_bytes();
    pack::pack_row<typename Q::layout_type>(row, std::span<std::uint8_t>(codes_).subspan(r * bytes, bytes));
  }
  /// Packs tile t of a band, all its codes, row by row.
  void set_tile_codes(std::size_t band, std::size_t t, std::span<const code_type> tile) noexcept
    requires TileLayoutFor<typename Q::layout_type, typename Q::format_type>
  {
    constexpr std::size_t bytes = Q::layout_type::bytes_per_tile;
    Q::layout_type::pack_tile(
        tile, std::span<std::uint8_t>(codes_).subspan(band * view().row_bytes() + t * bytes, bytes));
  }
  /// Fills `row` with its ceil(cols / dim) codes.
  void row_codes(std::size_t r, std::span<code_type> row) const noexcept { view().unpack(r, 0, row); }
  /// Stores the parameters of group g of row r. Rows may be written from different threads.
  void set_params(std::size_t r, std::size_t g, params_type p) noexcept {
    const Groups layout = groups();
    params_[layout.index(r, g)] = view().group_quantizer(r, g).store(p);
    if constexpr (Q::zero_bits != 0) {
      const std::size_t row_begin = layout.shared_by_rows() ? 0 : r * view().zero_row_bytes();
      const std::size_t bit = (layout.shared_by_rows() ? 0 : g) * Q::zero_bits;
      const unsigned mask = ((1u << Q::zero_bits) - 1u) << (bit % 8);
      const unsigned field = static_cast<unsigned>(q_.store_zero(p)) << (bit % 8);
      std::uint8_t* byte = &zeros_[row_begin + bit / 8];
      byte[0] = static_cast<std::uint8_t>((byte[0] & ~mask) | field);
      if ((mask >> 8) != 0) byte[1] = static_cast<std::uint8_t>((byte[1] & ~(mask >> 8)) | (field >> 8));
    }
  }
  params_type group_params(std::size_t r, std::size_t g) const noexcept { return view().group_params(r, g); }

  std::span<const std::uint32_t> column_order() const noexcept { return column_order_; }
  /// order: empty, or a permutation of 0 … cols − 1.
  void set_column_order(std::vector<std::uint32_t> order) {
    LOWBIT_EXPECTS(order.empty() || order.size() == cols_, "a column order names every column once");
    column_order_ = std::move(order);
  }

  /// Everything that is stored: codes, parameters, zero points, shared parameters, column order.
  std::size_t stored_bytes() const noexcept {
    return codes_.size() + params_.size() * sizeof(stored_type) + zeros_.size() + shared_.size() * sizeof(float) +
           column_order_.size() * sizeof(std::uint32_t);
  }
  /// Stored bits per weight; 0 for an empty matrix.
  double bits_per_weight() const noexcept {
    return rows_ * cols_ == 0 ? 0.0
                              : 8.0 * static_cast<double>(stored_bytes()) / static_cast<double>(rows_ * cols_);
  }

 private:
  std::size_t rows_ = 0, cols_ = 0;
  Q q_{};
  AlignedBuffer<std::uint8_t> codes_;
  AlignedBuffer<stored_type> params_;
  AlignedBuffer<std::uint8_t> zeros_;
  std::vector<float> shared_;
  std::vector<std::uint32_t> column_order_;
};

}  // namespace lowbit
