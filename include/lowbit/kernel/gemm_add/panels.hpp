// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "lowbit/core/buffer.hpp"
#include "lowbit/core/result.hpp"
#include "lowbit/kernel/compute.hpp"
#include "lowbit/kernel/gemm_add/levels.hpp"
#include "lowbit/kernel/gemm_add/shape.hpp"
#include "lowbit/quantizer/matrix.hpp"

namespace lowbit {
namespace kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

inline constexpr std::size_t add_rows = 64;  ///< of a panel of compute::add

/// The sizes of the pieces of a panel.
template <AddQuantizer Q>
struct AddPlaces {
  using Levels = AddLevels<Q>;
  using Fields = typename Levels::Fields;
  static constexpr std::size_t word_bytes = 4 * add_rows;
  static constexpr std::size_t scale_bytes = add_rows * Fields::parts * sizeof(typename Levels::Scale);
  AddShape shape;

  constexpr AddPlaces(std::size_t rows, std::size_t cols, std::size_t group_size) noexcept
      : shape{.cols = cols,
              .run = Groups(rows, cols, group_size).size(),
              .word_fields = Fields::per_word,
              .field_columns = Fields::columns,
              .field_floats = Fields::entries * Fields::parts} {
    if (shape.run > cols && cols != 0) shape.run = cols;
  }
  constexpr std::size_t plane_bytes(std::size_t run) const noexcept {
    return scale_bytes + shape.words_of_run(run) * word_bytes;
  }
  constexpr std::size_t run_offset(std::size_t run) const noexcept {
    return run == 0 ? 0 : run * Levels::planes * plane_bytes(0);
  }
  constexpr std::size_t panel_bytes() const noexcept {
    const std::size_t runs = shape.runs();
    return runs == 0 ? 0 : run_offset(runs - 1) + Levels::planes * plane_bytes(runs - 1);
  }
};

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace kernel

inline namespace LOWBIT_ISA_NAMESPACE {

/// A borrowed matrix in panels of 64 rows, what compute::add reads. Copy it freely; it owns nothing.
///
/// A panel is one stream: for every run of columns that share a scale, and every plane, the scales of 64 rows as they are
/// stored (part after part), and then words of 32 bits, 64 rows side by side: the indices of gemm_add/fields.hpp.
template <AddQuantizer Q>
struct AddPanelView {
  static constexpr std::size_t row_unit = kernel::add_rows;  ///< threads cut at its multiples
  std::span<const std::uint8_t> bytes{};
  std::size_t rows = 0;
  std::size_t cols = 0;
  Q quantizer{};

  constexpr kernel::AddPlaces<Q> places() const noexcept { return {rows, cols, quantizer.group_size}; }
  constexpr std::size_t panels() const noexcept { return ceil_div(rows, kernel::add_rows); }
  bool consistent() const noexcept {
    return quantizer.group_size >= 1 && bytes.size() == panels() * places().panel_bytes();
  }
};

/// The same, owned. Rows are padded to 64 and runs to whole words: 18 columns of trits, 32 of signs and phases.
template <AddQuantizer Q>
class AddPanels {
 public:
  AddPanels() = default;
  AddPanels(std::size_t rows, std::size_t cols, Q q) : rows_(rows), cols_(cols), q_(q) {
    bytes_ = AlignedBuffer<std::uint8_t>(view().panels() * view().places().panel_bytes());
  }
  std::size_t rows() const noexcept { return rows_; }
  std::size_t cols() const noexcept { return cols_; }
  std::span<std::uint8_t> bytes() noexcept { return bytes_; }
  std::span<const std::uint8_t> bytes() const noexcept { return bytes_; }
  AddPanelView<Q> view() const noexcept { return {.bytes = bytes_, .rows = rows_, .cols = cols_, .quantizer = q_}; }
  operator AddPanelView<Q>() const noexcept { return view(); }  // NOLINT: a matrix is a view

  double bits_per_weight() const noexcept {
    return rows_ * cols_ == 0 ? 0.0 : 8.0 * static_cast<double>(bytes_.size()) / static_cast<double>(rows_ * cols_);
  }

 private:
  std::size_t rows_ = 0, cols_ = 0;
  Q q_{};
  AlignedBuffer<std::uint8_t> bytes_;
};

/// The packed matrix w in panels for compute::add.
///
/// Errors   not_finite: a scale that is NaN or infinite; names row and column.
/// Cost     one pass over the weights, scalar; allocates the panels.
template <class Compute, AddQuantizer Q>
  requires std::same_as<Compute, compute::add>
Result<AddPanels<Q>> to_panels(const PackedView<Q>& w) {
  using Levels = kernel::AddLevels<Q>;
  using Fields = typename Levels::Fields;
  using Scale = typename Levels::Scale;
  LOWBIT_EXPECTS(w.consistent(), "to_panels: the spans of the view fit its shape");
  constexpr std::size_t dim = Q::format_type::dim, lanes = kernel::add_rows, field_codes = Fields::columns / dim;
  static_assert(field_codes == Fields::digits);
  AddPanels<Q> out(w.rows, w.cols, w.quantizer);
  const auto places = out.view().places();
  const Groups groups = w.groups();
  std::vector<typename Q::format_type::code_type> codes(ceil_div(w.cols, dim));
  for (std::size_t r = 0; r < w.rows; ++r) {
    const std::size_t lane = r % lanes;
    w.unpack(r, 0, codes);
    for (std::size_t run = 0; run < places.shape.runs(); ++run) {
      const auto& stored = w.params[groups.index(r, run)];
      const std::size_t first = run * places.shape.run / dim, count = ceil_div(places.shape.columns_of_run(run), dim);
      for (std::size_t plane = 0; plane < Levels::planes; ++plane) {
        std::uint8_t* to = out.bytes().data() + r / lanes * places.panel_bytes() + places.run_offset(run) +
                           plane * places.plane_bytes(run);
        for (std::size_t part = 0; part < Fields::parts; ++part) {
          const Scale scale = Levels::scale(stored, plane, part);
          if (!std::isfinite(static_cast<float>(scale)))
            return Error{.code = Errc::not_finite, .message = "a scale is NaN or infinite", .row = r,
                         .column = run * places.shape.run};
          std::memcpy(to + (part * lanes + lane) * sizeof(Scale), &scale, sizeof(Scale));
        }
        to += places.scale_bytes + 4 * lane;
        for (std::size_t f = 0; f * field_codes < count; ++f) {
          std::uint8_t digit[Fields::digits];
          for (std::size_t i = 0; i < field_codes; ++i) {
            const std::size_t c = f * field_codes + i;
            digit[i] = c < count ? Levels::digit(codes[first + c], plane) : static_cast<std::uint8_t>(Fields::zero);
          }
          std::uint8_t* const at = to + f / Fields::per_word * places.word_bytes;
          std::uint32_t word;
          std::memcpy(&word, at, 4);
          word |= Fields::index(digit) << (f % Fields::per_word * Fields::bits);
          std::memcpy(at, &word, 4);
        }
      }
    }
  }
  return out;
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit
