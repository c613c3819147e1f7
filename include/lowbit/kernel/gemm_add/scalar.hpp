// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "lowbit/kernel/add_activations.hpp"
#include "lowbit/kernel/gemm_add/panels.hpp"
#include "lowbit/kernel/row_range.hpp"

/// The definition of Ŵ·x in compute::add, all in float. For a row and a token, over runs from the left, planes and parts:
///
///   sum = 0; for every field of the run, whole words of them: sum = sum + table[index];  f = fma(scale, sum, f)
///
/// with y = f at the end. One order, so all instruction sets, batches and cuts of the rows give the same bits.

namespace lowbit::kernel {
inline namespace LOWBIT_ISA_NAMESPACE {

template <AddQuantizer Q>
isa::scalar gemm(isa::scalar, const AddPanelView<Q>& w, RowRange rows, const AddView<typename AddLevels<Q>::Fields>& x,
                 std::span<float> y) noexcept {
  using Levels = AddLevels<Q>;
  using Fields = typename Levels::Fields;
  const AddPlaces<Q> places = w.places();
  for (std::size_t t = 0; t < x.tokens; ++t)
    for (std::size_t r = rows.begin; r < rows.end; ++r) {
      const std::size_t lane = r % add_rows;
      const std::uint8_t* at = w.bytes.data() + r / add_rows * places.panel_bytes();
      const float* sums = x.sums.data() + t * x.shape.pitch();
      float f = 0.0f;
      for (std::size_t run = 0; run < x.shape.runs(); ++run) {
        const std::size_t fields = x.shape.words_of_run(run) * Fields::per_word;
        for (std::size_t plane = 0; plane < Levels::planes; ++plane, at += places.plane_bytes(run))
          for (std::size_t part = 0; part < Fields::parts; ++part) {
            float sum = 0.0f;
            for (std::size_t k = 0; k < fields; ++k) {
              std::uint32_t word;
              std::memcpy(&word, at + places.scale_bytes + k / Fields::per_word * places.word_bytes + 4 * lane, 4);
              const std::size_t index = word >> (k % Fields::per_word * Fields::bits) & (Fields::entries - 1);
              sum += sums[(k * Fields::parts + part) * Fields::entries + index];
            }
            typename Levels::Scale scale;
            std::memcpy(&scale, at + (part * add_rows + lane) * sizeof scale, sizeof scale);
            f = std::fma(static_cast<float>(scale), sum, f);
          }
        sums += x.shape.run_floats();
      }
      y[t * w.rows + r] = f;
    }
  return {};
}

}  // namespace LOWBIT_ISA_NAMESPACE
}  // namespace lowbit::kernel
