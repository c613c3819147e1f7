// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/core/buffer.hpp"
#include "lowbit/core/result.hpp"
#include "lowbit/kernel/compute.hpp"
#include "lowbit/kernel/panel/e8p.hpp"
#include "lowbit/kernel/panel/trellis.hpp"
#include "lowbit/kernel/panel/vectors.hpp"
#include "lowbit/kernel/panel/gguf.hpp"
#include "lowbit/kernel/panel/params.hpp"
#include "lowbit/kernel/panel/scales.hpp"
#include "lowbit/kernel/panel/storage.hpp"

namespace lowbit {
inline namespace LOWBIT_ISA_NAMESPACE {

/// A borrowed matrix in panels of 16 rows, what the kernels of Compute read: see kernel/panel/shape.hpp for the order of
/// its bytes. Copy it freely; it owns nothing.
template <PanelQuantizer Q, class Compute = compute::int8>
struct PanelView {
  static constexpr std::size_t row_unit = kernel::panel_rows;  ///< threads cut at its multiples
  std::span<const std::uint8_t> bytes{};
  std::span<const float> shared{};  ///< as PackedView's
  std::size_t rows = 0;
  std::size_t cols = 0;
  Q quantizer{};

  constexpr kernel::PanelShape shape() const noexcept {
    return kernel::panel_shape<Q>(rows, cols, quantizer.group_size);
  }
  constexpr std::size_t panels() const noexcept { return ceil_div(rows, kernel::panel_rows); }
  bool consistent() const noexcept {
    return quantizer.group_size >= 1 && bytes.size() == panels() * shape().panel_bytes() &&
           shared.size() == detail::shared_floats<Q>(Groups(rows, cols, quantizer.group_size));
  }
};

/// A matrix in panels, owned.
///
/// The codes, scales and zero points are those of the packed matrix in another order (zero points as bytes), so products
/// are those of its weights; rows are padded to 16 and groups to whole blocks (16 columns, or 32 for odd widths).
template <PanelQuantizer Q, class Compute = compute::int8>
class Panels {
 public:
  Panels() = default;
  Panels(std::size_t rows, std::size_t cols, Q q, std::vector<float> shared)
      : rows_(rows), cols_(cols), q_(q), shared_(std::move(shared)) {
    bytes_ = AlignedBuffer<std::uint8_t>(view().panels() * view().shape().panel_bytes());
  }
  std::size_t rows() const noexcept { return rows_; }
  std::size_t cols() const noexcept { return cols_; }
  std::span<std::uint8_t> bytes() noexcept { return bytes_; }
  std::span<const std::uint8_t> bytes() const noexcept { return bytes_; }
  PanelView<Q, Compute> view() const noexcept {
    return {.bytes = bytes_, .shared = shared_, .rows = rows_, .cols = cols_, .quantizer = q_};
  }
  operator PanelView<Q, Compute>() const noexcept { return view(); }  // NOLINT: a matrix is a view

  std::size_t stored_bytes() const noexcept { return bytes_.size() + shared_.size() * sizeof(float); }
  double bits_per_weight() const noexcept {
    return rows_ * cols_ == 0 ? 0.0 : 8.0 * static_cast<double>(stored_bytes()) / static_cast<double>(rows_ * cols_);
  }

 private:
  std::size_t rows_ = 0, cols_ = 0;
  Q q_{};
  AlignedBuffer<std::uint8_t> bytes_;
  std::vector<float> shared_;
};

/// The packed matrix w in panels.
///
/// Errors   not_finite: a scale, or a code whose point is NaN or infinite; names row and column.
/// Cost     one pass over the weights, scalar; allocates the panels.
template <class Compute = compute::int8, PanelQuantizer Q>
  requires std::same_as<Compute, compute::int8>
Result<Panels<Q, Compute>> to_panels(const PackedView<Q>& w) {
  using Storage = kernel::PanelStorage<Q>;
  using Levels = kernel::PanelLevels<Q>;
  using Stored = typename Q::stored_type;
  LOWBIT_EXPECTS(w.consistent(), "to_panels: the spans of the view fit its shape");
  Panels<Q, Compute> out(w.rows, w.cols, w.quantizer, std::vector<float>(w.shared.begin(), w.shared.end()));
  const kernel::PanelShape shape = out.view().shape();
  const Groups groups = w.groups();
  constexpr std::size_t dim = Q::format_type::dim;
  std::vector<typename Q::format_type::code_type> codes(ceil_div(w.cols, dim));
  for (std::size_t r = 0; r < w.rows; ++r) {
    std::uint8_t* panel = out.bytes().data() + r / kernel::panel_rows * shape.panel_bytes();
    const std::size_t lane = r % kernel::panel_rows;
    w.unpack(r, 0, codes);
    for (std::size_t chunk = 0; chunk < shape.chunks(); ++chunk) {
      std::uint8_t* const to = panel + shape.chunk_offset(chunk);
      const std::size_t count = shape.groups_of_chunk(chunk);
      for (std::size_t g = 0; g < count; ++g) {
        const std::size_t group = chunk * shape.chunk_groups() + g;
        kernel::StoredPlaces<Q>::put(to, g, lane, w.params[groups.index(r, group)]);
        const auto p = w.group_params(r, group);
        const Q q = w.group_quantizer(r, group);
        if constexpr (Q::zero_bits != 0)
          to[count * kernel::panel_rows * sizeof(Stored) + g * kernel::panel_rows + lane] = q.store_zero(p);
      }
      std::uint8_t* const blocks = to + shape.params_bytes(chunk);
      for (std::size_t i = 0; i < shape.runs_of_chunk(chunk); ++i) {
        const std::size_t run = shape.first_run(chunk) + i, group = run / shape.runs_per_group();
        const Q q = w.group_quantizer(r, group);
        const auto point = point_params(q, w.group_params(r, group), run % shape.runs_per_group() * shape.run);
        float sum = Levels::scale(point) * 0.0f;
        if constexpr (Levels::kind == kernel::PanelOffset::real) sum += Levels::real_offset(point) * 0.0f;
        if (!(sum == 0.0f))
          return Error{.code = Errc::not_finite, .message = "a scale or offset is NaN or infinite", .row = r,
                       .column = run * shape.run};
        const bool half = shape.split && i % 2 != 0;
        std::uint8_t* block = blocks + shape.run_offset(chunk, half ? i - 1 : i);
        for (std::size_t c = 0; c < shape.columns_of_run(run); c += dim) {
          const auto code = static_cast<std::size_t>(codes[(run * shape.run + c) / dim]);
          if constexpr (LevelQuantizer<Q>)
            if (!std::isfinite(static_cast<float>(Q::levels[code])))
              return Error{.code = Errc::not_finite, .message = "a code names NaN or infinity", .row = r,
                           .column = run * shape.run + c};
          const std::size_t at = c + (half ? shape.run : 0);
          unsigned stored = static_cast<unsigned>(code);
          if constexpr (Storage::stores_levels) stored = Levels::bytes[code];
          Storage::Codes::put(block + at / shape.block_columns * shape.block_bytes, lane, at % shape.block_columns, stored);
        }
      }
    }
  }
  return out;
}

/// Writes rows row_begin … row_end − 1 as compute::int8 sees them: scale · (byte − offset) − m in float, row by row. Where
/// PanelLevels<Q>::exact holds and offsets are not real zero points, the bits are those of the packed matrix's dequantize.
///
///   w    consistent() holds
///   out  (row_end − row_begin) · w.cols floats
///
/// Cost     scalar; for checks and exports.
template <PanelQuantizer Q, class Compute>
void dequantize(const PanelView<Q, Compute>& w, std::size_t row_begin, std::size_t row_end, std::span<float> out) {
  using Storage = kernel::PanelStorage<Q>;
  using Levels = kernel::PanelLevels<Q>;
  LOWBIT_EXPECTS(w.consistent(), "dequantize: the spans of the panels fit their shape");
  LOWBIT_EXPECTS(row_begin <= row_end && row_end <= w.rows, "dequantize: the rows lie inside the matrix");
  LOWBIT_EXPECTS(out.size() == (row_end - row_begin) * w.cols, "dequantize: out holds one float per weight");
  const kernel::PanelTable<Q> table(w.shared);
  const kernel::PanelShape shape = w.shape();
  const PackedView<Q> facts{.shared = w.shared, .rows = w.rows, .cols = w.cols, .quantizer = w.quantizer};
  kernel::PanelParams params;
  for (std::size_t r = row_begin; r < row_end; ++r) {
    const std::size_t lane = r % kernel::panel_rows;
    float* const to = out.data() + (r - row_begin) * w.cols;
    for (std::size_t chunk = 0; chunk < shape.chunks(); ++chunk) {
      const std::uint8_t* const from =
          w.bytes.data() + r / kernel::panel_rows * shape.panel_bytes() + shape.chunk_offset(chunk);
      const std::size_t runs = shape.runs_of_chunk(chunk);
      for (std::size_t i = 0; i < runs; ++i) {
        const std::size_t piece = i % kernel::PanelShape::most_runs, run = shape.first_run(chunk) + i;
        if (piece == 0)
          kernel::PanelDecoder<Q>::decode({.facts = facts, .shape = shape, .row = r - lane, .chunk = chunk, .from = from,
                                           .begin = i, .end = std::min(runs, i + kernel::PanelShape::most_runs)},
                                          params);
        const bool half = shape.split && i % 2 != 0;
        const std::uint8_t* const blocks = from + shape.params_bytes(chunk) + shape.run_offset(chunk, half ? i - 1 : i);
        int offset = 0;
        if constexpr (Levels::kind == kernel::PanelOffset::constant) offset = Levels::offset;
        if constexpr (Levels::kind == kernel::PanelOffset::integer) offset = params.integer[piece][lane];
        for (std::size_t c = 0; c < shape.columns_of_run(run); ++c) {
          const std::size_t at = c + (half ? shape.run : 0);
          const unsigned byte = table.byte(
              Storage::Codes::get(blocks + at / shape.block_columns * shape.block_bytes, lane, at % shape.block_columns), at);
          const float product =
              params.scale[piece][lane] * table.step * static_cast<float>(static_cast<int>(byte) - offset);
          float& weight = to[run * shape.run + c];
          weight = product;
          if constexpr (Levels::kind == kernel::PanelOffset::real)
            weight = static_cast<float>(static_cast<double>(product) - static_cast<double>(params.real[piece][lane]));
        }
      }
    }
  }
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit
