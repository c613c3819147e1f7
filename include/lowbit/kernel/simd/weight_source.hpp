// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <span>

#include "lowbit/kernel/dequantize.hpp"

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

/// A matrix without its quantizer, so that all quantizers share the loops of a product that dequantizes slice by slice.
struct WeightSource {
  std::size_t rows, cols;
  std::size_t slice;  ///< columns that are dequantized at a time
  const void* view;
  void (*dequantize)(const void* view, RowRange rows, ColumnRange columns, float* out) noexcept;
};

/// Slices are multiples of `multiple` columns, and at most `most` where that can be.
template <class Isa, std::size_t multiple, std::size_t most, Quantizer Q>
WeightSource weight_source(const PackedView<Q>& w) noexcept {
  constexpr std::size_t step = std::lcm(tile_columns<Q>, multiple);
  static_assert(step <= most, "A slice of this quantizer's columns does not fit; let dim divide 256.");
  return {.rows = w.rows,
          .cols = w.cols,
          .slice = most / step * step,
          .view = &w,
          .dequantize = [](const void* view, RowRange rows, ColumnRange columns, float* out) noexcept {
            const auto& weights = *static_cast<const PackedView<Q>*>(view);
            kernel::dequantize(Isa{}, weights, rows, columns,
                               std::span<float>(out, (rows.end - rows.begin) * columns.size()));
          }};
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
